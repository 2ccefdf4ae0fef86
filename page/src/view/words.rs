//! Times and outcomes in words.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};
use queue::{CallerEnd, OutcomeKind};

/// How long it took: `3.4 ms` matters as `12 s` does.
pub(super) fn took(duration: Duration) -> String {
    match duration.as_secs_f64() {
        ..0.01 => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
        ..1.0 => format!("{} ms", duration.as_millis()),
        ..10.0 => format!("{:.1} s", duration.as_secs_f64()),
        _ => long(duration.as_secs()),
    }
}

/// In its two largest units.
fn long(seconds: u64) -> String {
    let two = |large: u64, unit: &str, small: u64, smaller: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {smaller}"),
    };
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

/// From the one to the other. Another machine's clock may be ahead.
fn between(from: Timestamp, to: Timestamp) -> u64 {
    to.duration_since(from).as_secs().max(0).unsigned_abs()
}

/// For how long something has been so.
pub(super) fn since(at: Timestamp, now: Timestamp) -> Markup {
    time(at, &long(between(at, now)))
}

/// How long ago it was; above a minute, without its seconds.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let seconds = between(at, now);
    let rounded = if seconds < 60 {
        seconds
    } else {
        seconds / 60 * 60
    };
    time(at, &format!("{} ago", long(rounded)))
}

/// How soon it is to be.
pub(super) fn soon(at: Timestamp, now: Timestamp) -> Markup {
    let seconds = between(now, at);
    match seconds {
        0 => time(at, "now"),
        1..60 => time(at, &format!("in {seconds} s")),
        60.. => time(at, &format!("in {}", long(seconds.div_ceil(60) * 60))),
    }
}

fn time(at: Timestamp, words: &str) -> Markup {
    html! { time datetime=(format!("{at:.0}")) title=(utc(at, "%F %T")) { (words) } }
}

pub(super) fn utc(at: Timestamp, format: &str) -> String {
    format!("{} UTC", at.strftime(format))
}

/// What became of a caller: a sign beside the words, for those who only glance.
pub(super) fn end(end: Option<CallerEnd>, outcome: Option<OutcomeKind>) -> Markup {
    let (class, sign, words) = match end {
        Some(CallerEnd::Taken) => ("good", "✓", "taken"),
        Some(CallerEnd::Recorded) => ("good", "✉", "left a message"),
        Some(CallerEnd::Missed) => ("bad", "✗", "missed"),
        None => ("open", "…", "not known yet"),
    };
    html! {
        span class=(class) { span aria-hidden="true" { (sign) } " " (words) }
        @if let Some(outcome) = outcome { small { " " (outcome.as_str()) } }
    }
}

/// So many of them.
pub(super) fn count(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_say_them() {
        for (millis, words) in [
            (3, "3.0 ms"),
            (412, "412 ms"),
            (2540, "2.5 s"),
            (42_900, "42 s"),
            (60_000, "1 min"),
            (125_000, "2 min 5 s"),
            (7_500_000, "2 h 5 min"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(took(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn a_clock_ahead_of_ours_makes_no_time_negative() {
        let now = Timestamp::UNIX_EPOCH;
        let later = now + Duration::from_secs(90);
        assert!(ago(later, now).0.contains(">0 s ago<"));
        assert!(ago(now, later).0.contains(">1 min ago<"));
        assert!(soon(later, now).0.contains(">in 2 min<"));
        assert!(soon(now, later).0.contains(">now<"));
    }
}
