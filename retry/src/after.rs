//! How long a server asks to wait.

use std::time::Duration;

use jiff::Timestamp;

/// The longest `Retry-After` that is honoured, so that sums with it stay in range.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), which only the `Date` of the same
/// answer makes a wait: our clock may be wrong.
pub fn after(asked: &str, date: Option<&str>) -> Option<Duration> {
    let asked = asked.trim();
    let wait = if !asked.is_empty() && asked.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(asked.parse().unwrap_or(u64::MAX))
    } else {
        let wait = http_date(asked)?.duration_since(http_date(date?)?);
        Duration::try_from(wait).unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

/// The time that a header tells, to the second.
pub fn http_date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}
