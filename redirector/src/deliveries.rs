//! The deliveries held at the moment, and how long their callers have waited.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::twilio_time::TwilioTime;

/// The deliveries held at the moment. Read when metrics are scraped, for a caller's wait goes on
/// between events.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries {
    time: Arc<TwilioTime>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    next: u64,
    /// Since when each caller has waited, the longest first.
    waiting: BTreeSet<(Timestamp, u64)>,
}

impl Deliveries {
    /// None yet.
    pub(crate) fn new(time: Arc<TwilioTime>) -> Self {
        Self {
            time,
            state: Arc::default(),
        }
    }

    /// Holds a delivery until what this gives is dropped.
    pub(crate) fn begin(&self, since: Option<Timestamp>) -> DeliveryGuard {
        let mut state = self.state.lock();
        state.count += 1;
        state.next += 1;
        let waiting = since.map(|since| (since, state.next));
        state.waiting.extend(waiting);
        DeliveryGuard {
            held: self.clone(),
            waiting,
        }
    }

    /// How many there are, and how long the caller who has waited longest has waited.
    fn read(&self) -> (u64, Duration) {
        let state = self.state.lock();
        let longest = state
            .waiting
            .first()
            .map(|(since, _)| self.time.age(*since));
        (state.count, longest.unwrap_or_default())
    }
}

impl Collector for Deliveries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (count, oldest) = self.read();
        let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
        count.encode(encoder.encode_descriptor(
            "overflow_redirector_deliveries_held",
            "Deliveries held at the moment",
            None,
            count.metric_type(),
        )?)?;
        let oldest = ConstGauge::new(oldest.as_secs_f64());
        oldest.encode(encoder.encode_descriptor(
            "overflow_redirector_oldest_delivery_seconds",
            "How long the caller of a held delivery who has waited longest has waited; 0 if none is",
            None,
            oldest.metric_type(),
        )?)
    }
}

/// One delivery, held until it is dropped.
#[derive(Debug)]
pub(crate) struct DeliveryGuard {
    held: Deliveries,
    waiting: Option<(Timestamp, u64)>,
}

impl Drop for DeliveryGuard {
    fn drop(&mut self) {
        let mut state = self.held.state.lock();
        state.count -= 1;
        if let Some(waiting) = &self.waiting {
            state.waiting.remove(waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_longest_wait_is_told_until_its_delivery_ends() {
        let held = Deliveries::new(Arc::new(TwilioTime::new(clock::Clock::system())));
        assert_eq!(held.read(), (0, Duration::ZERO));
        let long_ago = Timestamp::now() - 2 * MINUTE;
        let _recent = held.begin(Some(Timestamp::now()));
        let _unreadable = held.begin(None);
        let oldest = held.begin(Some(long_ago));
        let same_moment = held.begin(Some(long_ago));
        drop(oldest);
        let (count, longest) = held.read();
        assert_eq!(count, 3);
        assert!(longest >= 2 * MINUTE, "{longest:?}");
        drop(same_moment);
        let (count, longest) = held.read();
        assert_eq!(count, 2);
        assert!(longest < MINUTE, "{longest:?}");
    }
}
