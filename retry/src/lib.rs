//! How long to wait before trying again: exponentially longer, with jitter, up to a maximum.
//!
//! The one place that knows the `backoff` crate. That crate is no longer maintained, so it only
//! computes delays here; what is retried, and until when, is decided where it is known.

mod after;

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

pub use after::{after, http_date};

/// How much a delay may differ from its base, up or down, as a share of it: enough that a crowd
/// which failed together doesn't come back together.
const JITTER: f64 = 0.5;
const MULTIPLIER: f64 = 2.0;

/// A sequence of delays.
#[derive(Debug)]
pub struct Delays(ExponentialBackoff);

/// A sequence of delays that can't be: the first must be more than zero and not above the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidDelays;

impl std::fmt::Display for InvalidDelays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the first delay must be more than 0 and not above the longest")
    }
}

impl std::error::Error for InvalidDelays {}

/// The first and the longest delay of a sequence, jitter apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    first: Duration,
    longest: Duration,
}

impl Policy {
    /// Delays that start at `first` and double up to `longest`.
    ///
    /// # Errors
    /// `first` is zero or above `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Result<Self, InvalidDelays> {
        if first.is_zero() || first.as_nanos() > longest.as_nanos() {
            return Err(InvalidDelays);
        }
        Ok(Self { first, longest })
    }

    /// A sequence from its start.
    pub fn delays(&self) -> Delays {
        Delays(ExponentialBackoff {
            current_interval: self.first,
            initial_interval: self.first,
            randomization_factor: 0.0,
            multiplier: MULTIPLIER,
            max_interval: self.longest,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// The longest delay, jitter included.
    pub fn longest(&self) -> Duration {
        self.longest.mul_f64(1.0 + JITTER)
    }
}

impl Delays {
    /// The next delay. The sequence never ends.
    pub fn next_delay(&mut self) -> Duration {
        let base = self.0.next_backoff().unwrap_or(self.0.max_interval);
        // Drawn here, since a simulation seeds `fastrand`, and nobody can seed the crate's own.
        base.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0))
    }

    /// Back to the start, after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn delays_double_within_their_jitter_and_never_exceed_the_longest(
            first in 1u64..10_000, times in 1u64..1_000, count in 1usize..40,
        ) {
            let first = Duration::from_millis(first);
            let policy = Policy::new(first, first * times as u32).unwrap();
            let mut delays = policy.delays();
            let mut base = first;
            for _ in 0..count {
                let delay = delays.next_delay();
                // A millisecond of slack for rounding in floating point.
                let slack = Duration::from_millis(1);
                prop_assert!(delay + slack >= base.mul_f64(0.5), "{delay:?} of {base:?}");
                prop_assert!(delay <= base.mul_f64(1.5) + slack, "{delay:?} of {base:?}");
                prop_assert!(delay <= policy.longest() + slack);
                base = (base * 2).min(policy.longest);
            }
        }
    }

    #[test]
    fn a_sequence_that_never_waits_or_shrinks_cannot_be_made() {
        let second = Duration::from_secs(1);
        assert_eq!(Policy::new(Duration::ZERO, second), Err(InvalidDelays));
        assert_eq!(Policy::new(second * 2, second), Err(InvalidDelays));
    }

    #[test]
    fn a_reset_starts_the_sequence_again() {
        let policy = Policy::new(Duration::from_millis(100), Duration::from_secs(100)).unwrap();
        let mut delays = policy.delays();
        for _ in 0..8 {
            delays.next_delay();
        }
        delays.reset();
        assert!(delays.next_delay() <= Duration::from_millis(150));
    }
}
