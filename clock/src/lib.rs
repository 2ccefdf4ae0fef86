//! The time of day, as one process sees it.
//!
//! Waits are measured by tokio's clock, which a test can pause. The time of day comes from here, so
//! that it follows that clock where a whole system is simulated, and can be wrong there, as real
//! clocks are.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The time of day. Clones tell the same.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Simulated>>);

#[derive(Debug)]
struct Simulated {
    start: Timestamp,
    started: Instant,
    wrong_by_ms: AtomicI64,
}

impl Clock {
    /// The machine's own.
    pub fn system() -> Self {
        Self(None)
    }

    /// One that says `start` now, and goes on with tokio's clock.
    pub fn simulated(start: Timestamp) -> Self {
        Self(Some(Arc::new(Simulated {
            start,
            started: Instant::now(),
            wrong_by_ms: AtomicI64::new(0),
        })))
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        let Some(simulated) = &self.0 else {
            return Timestamp::now();
        };
        let wrong_by = simulated.wrong_by_ms.load(Ordering::Relaxed);
        simulated.start + simulated.started.elapsed() + SignedDuration::from_millis(wrong_by)
    }

    /// How long ago `at` was; zero if it is to come.
    pub fn age(&self, at: Timestamp) -> Duration {
        Duration::try_from(self.now().duration_since(at)).unwrap_or_default()
    }

    /// Makes a simulated clock wrong by `by`; the machine's own stays as it is.
    pub fn set_wrong_by(&self, by: SignedDuration) {
        if let Some(simulated) = &self.0 {
            let by = i64::try_from(by.as_millis()).unwrap_or_default();
            simulated.wrong_by_ms.store(by, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_simulated_clock_follows_tokio_and_can_be_wrong() {
        let start = Timestamp::UNIX_EPOCH;
        let clock = Clock::simulated(start);
        assert_eq!(clock.now(), start);
        tokio::time::advance(MINUTE).await;
        assert_eq!(clock.clone().age(start), MINUTE);
        clock.set_wrong_by(SignedDuration::from_secs(-120));
        assert_eq!(clock.now(), start - MINUTE);
        assert_eq!(clock.age(start), Duration::ZERO);
    }

    #[test]
    fn the_time_to_come_is_no_age() {
        let clock = Clock::system();
        assert_eq!(clock.age(clock.now() + MINUTE), Duration::ZERO);
    }
}
