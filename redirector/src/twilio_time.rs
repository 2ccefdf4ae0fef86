//! Twilio's time of day, by which its events are dated.
//!
//! A clock of ours that is wrong would make late events look new, or every caller look expired. So
//! Twilio's own `Date` counts, carried on by the monotonic clock, which no correction makes jump.

use std::time::Duration;

use clock::Clock;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

/// `Date` is cut to the second and some time under way: below this our own clock knows better.
const PRECISION: SignedDuration = SignedDuration::from_millis(1500);
/// A difference worth a warning.
const NOTABLE: SignedDuration = SignedDuration::from_secs(5);

/// Twilio's time of day.
#[derive(Debug)]
pub(crate) struct TwilioTime {
    clock: Clock,
    known: Mutex<Option<Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    time: Timestamp,
    at: Instant,
    /// How far our clock was ahead.
    ahead: SignedDuration,
}

impl TwilioTime {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            known: Mutex::new(None),
        }
    }

    /// Takes in the `Date` of an answer that has just come.
    pub(crate) fn learn(&self, date: Timestamp) {
        let (ours, at) = (self.clock.now(), Instant::now());
        let theirs = date + Duration::from_millis(500);
        let ahead = ours.duration_since(theirs);
        let close = ahead.abs() < PRECISION;
        let known = Known {
            time: if close { ours } else { theirs },
            at,
            ahead,
        };
        let mut state = self.known.lock();
        let before = state.map_or(SignedDuration::ZERO, |known| known.ahead);
        if ahead.abs() >= NOTABLE && before.abs() < NOTABLE {
            tracing::warn!(
                ahead_ms = ahead.as_millis(),
                "this machine's clock is wrong, by Twilio's: set it by NTP; redirects go by Twilio's"
            );
        }
        *state = Some(known);
    }

    /// Twilio's time, if it has told.
    pub(crate) fn told(&self) -> Option<Timestamp> {
        self.known().map(|known| known.time + known.at.elapsed())
    }

    /// Twilio's time; our own while it has not told.
    pub(crate) fn now(&self) -> Timestamp {
        self.told().unwrap_or_else(|| self.clock.now())
    }

    /// How long ago `at` was by Twilio's clock; zero if it is to come.
    pub(crate) fn age(&self, at: Timestamp) -> Duration {
        Duration::try_from(self.now().duration_since(at)).unwrap_or_default()
    }

    /// How far our clock was ahead of Twilio's when it last told.
    pub(crate) fn ahead(&self) -> SignedDuration {
        self.known()
            .map_or(SignedDuration::ZERO, |known| known.ahead)
    }

    fn known(&self) -> Option<Known> {
        *self.known.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_wrong_or_jumps_makes_nobody_older() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH + HOUR);
        let time = TwilioTime::new(clock.clone());
        assert_eq!(time.told(), None);
        let event = Timestamp::UNIX_EPOCH;
        time.learn(event);
        assert!(time.age(event) < Duration::from_secs(1));
        assert!(time.ahead() > SignedDuration::from_secs(3598));
        clock.set_wrong_by(SignedDuration::from_secs(-7200));
        tokio::time::advance(HOUR).await;
        assert!(time.age(event) >= HOUR);
        assert!(time.age(event) < HOUR + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_right_is_more_exact_than_a_date() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH + Duration::from_millis(950));
        let time = TwilioTime::new(clock.clone());
        time.learn(Timestamp::UNIX_EPOCH);
        assert_eq!(time.now(), clock.now());
    }
}
