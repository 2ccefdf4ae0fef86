//! How long callers have waited.

use std::time::Duration;

use jiff::Timestamp;

/// How long ago `at` was; zero if it is to come.
pub(crate) fn age(at: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default()
}
