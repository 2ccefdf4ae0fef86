//! How long to wait before the next attempt. The only place that knows the `backoff` crate, which
//! computes delays here and nothing else.

use std::time::Duration;

use backoff::backoff::Backoff;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Delays that double from 100 ms to 5 s, each up to half as long again or as short: many clients
/// that lost the same broker don't all come back at the same moment.
pub(super) struct Delays(ExponentialBackoff);

impl Delays {
    pub(super) fn new() -> Self {
        Self(
            ExponentialBackoffBuilder::new()
                .with_initial_interval(FIRST)
                .with_multiplier(2.0)
                .with_randomization_factor(0.5)
                .with_max_interval(LONGEST)
                .with_max_elapsed_time(None)
                .build(),
        )
    }

    pub(super) fn next(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(LONGEST)
    }

    pub(super) fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_their_limit_and_start_over_after_a_reset() {
        let mut delays = Delays::new();
        assert!(delays.next() <= FIRST * 3 / 2);
        let late: Vec<Duration> = (0..50).map(|_| delays.next()).skip(20).collect();
        assert!(
            late.iter()
                .all(|d| *d >= LONGEST / 2 && *d <= LONGEST * 3 / 2)
        );
        delays.reset();
        assert!(delays.next() <= FIRST * 3 / 2);
    }
}
