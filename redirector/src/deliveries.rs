//! The deliveries held at the moment: how long their callers have waited, and what is being done for
//! them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use queue::RedirectRequest;
use service::Plans;
use service::report::{AtWork, MOST_LISTED, OnHold, Stage};
use tokio::time::Instant;
use twilio::{CallSid, TaskQueueSid, TaskSid};

use crate::twilio_time::TwilioTime;

/// The deliveries held at the moment. Read when metrics are scraped and while somebody watches, for a
/// caller's wait goes on between events.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries {
    time: Arc<TwilioTime>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    next: u64,
    /// The callers, by since when each has waited, the longest first.
    waiting: BTreeMap<(Timestamp, u64), Arc<Caller>>,
}

/// The caller of a delivery.
#[derive(Debug)]
struct Caller {
    call_sid: CallSid,
    task_sid: TaskSid,
    progress: Mutex<Progress>,
}

/// How far a job has come.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) step: Step,
    /// How many updates were sent.
    pub(crate) updates: u32,
    pub(crate) last_error: Option<String>,
    /// Whose plan it goes by.
    task_queue: TaskQueueSid,
}

/// What a job is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    InLine,
    UnderWay,
    PausesUntil(Instant),
}

impl Deliveries {
    /// None yet.
    pub(crate) fn new(time: Arc<TwilioTime>) -> Self {
        Self {
            time,
            state: Arc::default(),
        }
    }

    /// Holds a delivery until what this gives is dropped. `None` for one that can't be understood.
    pub(crate) fn begin(&self, request: Option<&RedirectRequest>) -> DeliveryGuard {
        let mut state = self.state.lock();
        state.count += 1;
        state.next += 1;
        let waiting = request.map(|request| {
            let caller = Arc::new(Caller {
                call_sid: request.call_sid,
                task_sid: request.task_sid,
                progress: Mutex::new(Progress {
                    step: Step::InLine,
                    updates: 0,
                    last_error: None,
                    task_queue: request.task_queue_sid,
                }),
            });
            let key = (request.entered_at, state.next);
            state.waiting.insert(key, Arc::clone(&caller));
            (key, caller)
        });
        drop(state);
        DeliveryGuard {
            held: self.clone(),
            waiting,
        }
    }

    /// How many there are, and how long the caller who has waited longest has waited.
    fn read(&self) -> (u64, Duration) {
        let state = self.state.lock();
        let longest = state.waiting.first_key_value();
        let longest = longest.map(|((since, _), _)| self.time.age(*since));
        (state.count, longest.unwrap_or_default())
    }

    /// How many there are, and the callers who have waited longest, at the time `now` by our own clock.
    pub(crate) fn list(&self, plans: &Plans, now: Timestamp) -> (u64, Vec<AtWork>) {
        let (count, longest) = {
            let state = self.state.lock();
            let longest = state.waiting.iter().take(MOST_LISTED);
            let longest: Vec<_> = longest
                .map(|((since, _), caller)| (*since, Arc::clone(caller)))
                .collect();
            (state.count, longest)
        };
        let listed = longest.into_iter().map(|(since, caller)| {
            let Progress {
                step,
                updates,
                last_error,
                task_queue,
            } = caller.progress.lock().clone();
            let (stage, next_at) = match step {
                Step::InLine => (Stage::InLine, None),
                Step::UnderWay => (Stage::UnderWay, None),
                Step::PausesUntil(at) => {
                    let rest = at.saturating_duration_since(Instant::now());
                    (Stage::Pausing, Some(now + rest))
                }
            };
            AtWork {
                caller: OnHold {
                    call_sid: caller.call_sid,
                    task_sid: caller.task_sid,
                    plan: plans.get(&task_queue).map(|plan| plan.name.clone()),
                    since: now - self.time.age(since),
                },
                stage,
                attempts: updates,
                last_error,
                next_at,
            }
        });
        (count, listed.collect())
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
    waiting: Option<((Timestamp, u64), Arc<Caller>)>,
}

impl DeliveryGuard {
    /// The job is at this now.
    pub(crate) fn is_at(&self, step: Step) {
        self.note(|progress| progress.step = step);
    }

    /// The job goes by another plan, that of this task queue.
    pub(crate) fn goes_by(&self, task_queue: TaskQueueSid) {
        self.note(|progress| progress.task_queue = task_queue);
    }

    /// Changes what is told of the job.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Progress)) {
        if let Some((_, caller)) = &self.waiting {
            change(&mut caller.progress.lock());
        }
    }
}

impl Drop for DeliveryGuard {
    fn drop(&mut self) {
        let mut state = self.held.state.lock();
        state.count -= 1;
        if let Some((key, _)) = &self.waiting {
            state.waiting.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    const REQUEST: &str = r#"{
        "event_sid": "EV00000000000000000000000000000001",
        "account_sid": "AC00000000000000000000000000000002",
        "workspace_sid": "WS00000000000000000000000000000003",
        "task_sid": "WT00000000000000000000000000000004",
        "call_sid": "CA00000000000000000000000000000005",
        "task_queue_sid": "WQ00000000000000000000000000000006",
        "entered_at": "2026-01-02T03:04:05.678Z",
        "source": "callback"
    }"#;

    fn since(entered_at: Timestamp) -> RedirectRequest {
        let message = queue::RawMessage {
            id: None,
            kind: Some(queue::REDIRECT_V1.to_owned()),
            body: REQUEST.into(),
            traceparent: None,
            panics: 0,
        };
        RedirectRequest {
            entered_at,
            ..message.request().unwrap()
        }
    }

    fn none() -> Deliveries {
        Deliveries::new(Arc::new(TwilioTime::new(clock::Clock::system())))
    }

    #[test]
    fn the_longest_wait_is_told_until_its_delivery_ends() {
        let held = none();
        assert_eq!(held.read(), (0, Duration::ZERO));
        let long_ago = Timestamp::now() - 2 * MINUTE;
        let _recent = held.begin(Some(&since(Timestamp::now())));
        let _unreadable = held.begin(None);
        let oldest = held.begin(Some(&since(long_ago)));
        let same_moment = held.begin(Some(&since(long_ago)));
        drop(oldest);
        let (count, longest) = held.read();
        assert_eq!(count, 3);
        assert!(longest >= 2 * MINUTE, "{longest:?}");
        drop(same_moment);
        let (count, longest) = held.read();
        assert_eq!(count, 2);
        assert!(longest < MINUTE, "{longest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_done_for_whom_is_told() {
        let plans: Plans = "[[plan]]\nname = \"sales\"\nforward_to = \"+14155550100\"\n\
             task_queue_sid = \"WQ00000000000000000000000000000006\""
            .parse()
            .unwrap();
        let (held, now) = (none(), Timestamp::now());
        let new = held.begin(Some(&since(now)));
        let retried = held.begin(Some(&since(now - MINUTE)));
        new.is_at(Step::UnderWay);
        retried.note(|progress| {
            progress.step = Step::PausesUntil(Instant::now() + MINUTE);
            progress.updates = 2;
            progress.last_error = Some("503".to_owned());
        });
        let (count, listed) = held.list(&plans, now);
        assert_eq!(count, 2);
        let [retried, new] = &listed[..] else {
            panic!("{listed:?}")
        };
        assert_eq!(new.stage, Stage::UnderWay);
        assert_eq!(new.caller.plan.as_deref(), Some("sales"));
        assert_eq!(retried.stage, Stage::Pausing);
        assert_eq!(retried.attempts, 2);
        assert_eq!(retried.last_error.as_deref(), Some("503"));
        assert_eq!(retried.next_at, Some(now + MINUTE));
        assert!(retried.caller.since <= now - MINUTE, "{retried:?}");
    }

    #[test]
    fn of_very_many_those_who_have_waited_longest_are_told() {
        let plans: Plans = "[[plan]]\nforward_to = \"+14155550100\"\n\
             task_queue_sid = \"WQ00000000000000000000000000000007\""
            .parse()
            .unwrap();
        let (held, now) = (none(), Timestamp::now());
        let request = |n: u32| since(now - Duration::from_secs(n.into()));
        let guards: Vec<_> = (0..1000).map(|n| held.begin(Some(&request(n)))).collect();
        let (count, listed) = held.list(&plans, now);
        assert_eq!((count, listed.len()), (1000, MOST_LISTED));
        assert!(listed[0].caller.since <= now - Duration::from_secs(999));
        assert_eq!(listed[0].caller.plan, None, "no plan is for its task queue");
        drop(guards);
        assert_eq!(held.read().0, 0);
    }
}
