//! Callers, counted.

use std::time::Duration;

use hdrhistogram::Histogram;
use queue::CallerEnd;

/// What took longer is counted as this.
const LONGEST: Duration = Duration::from_secs(3600);

/// How many were redirected, how soon, and what became of them.
pub(crate) struct Counts {
    pub(crate) redirected: u64,
    ends: [u64; CallerEnd::ALL.len()],
    /// From the event to the redirect, in milliseconds.
    took: Histogram<u32>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            redirected: 0,
            ends: [0; CallerEnd::ALL.len()],
            took: times(),
        }
    }
}

/// Two digits are exact. It grows with what is recorded.
#[allow(clippy::expect_used, reason = "it is refused for more than five digits only")]
fn times() -> Histogram<u32> {
    Histogram::new(2).expect("two digits are few")
}

impl Counts {
    /// One was redirected, within this time.
    pub(crate) fn redirected(&mut self, took: Duration) {
        self.redirected += 1;
        let millis = u64::try_from(took.min(LONGEST).as_millis());
        let _ = self.took.record(millis.unwrap_or_default());
    }

    /// One more ended so, or one less.
    pub(crate) fn ended(&mut self, end: CallerEnd, change: i64) {
        let count = &mut self.ends[end as usize];
        *count = count.saturating_add_signed(change);
    }

    pub(crate) fn of(&self, end: CallerEnd) -> u64 {
        self.ends[end as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.redirected += other.redirected;
        for (sum, count) in self.ends.iter_mut().zip(other.ends) {
            *sum += count;
        }
        // It grows as needed.
        let _ = self.took.add(&other.took);
    }

    pub(crate) fn within(&self, quantile: f64) -> Option<Duration> {
        let is_known = !self.took.is_empty();
        is_known.then(|| Duration::from_millis(self.took.value_at_quantile(quantile)))
    }
}
