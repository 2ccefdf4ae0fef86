//! What ingest asks of the redirector, and its form on the queue.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio::{
    AccountSid, CallSid, Caller, EventSid, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid,
};

/// "Nobody took this call: redirect it." It never carries the caller's own number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectRequest {
    /// The TaskRouter event behind the request.
    pub event_sid: EventSid,
    /// The account that owns the call, perhaps a subaccount.
    pub account_sid: AccountSid,
    /// The workspace of the task.
    pub workspace_sid: WorkspaceSid,
    /// The task that stands for the waiting caller.
    pub task_sid: TaskSid,
    /// The waiting caller's call.
    pub call_sid: CallSid,
    /// The placeholder task queue that the task entered. It decides which redirect plan applies.
    pub task_queue_sid: TaskQueueSid,
    /// The workflow that routed the task; its SID is the friendly name of the voice queue in which
    /// the caller waits. Not every event names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_sid: Option<WorkflowSid>,
    /// When the task entered the placeholder queue, by Twilio's clock.
    pub entered_at: Timestamp,
    /// When the task was created, by Twilio's clock, if the event says so. That is about when the
    /// caller was put into the voice queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_created_at: Option<Timestamp>,
    /// How we learnt about it.
    pub source: Source,
    /// Whether Twilio must be asked before this is acted upon, however new it is: the event's time
    /// is unclear, or the event itself says that its task isn't waiting.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verify: bool,
    /// When an operator's replay or the sweep put the request on the queue again, if one did. The
    /// deadline counts from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requeued_at: Option<Timestamp>,
    /// What is known of the caller's numbers: it decides which one is shown to those who are rung.
    #[serde(default, skip_serializing_if = "Caller::is_unknown")]
    pub caller: Caller,
}

/// How a request came about. Events are believed while they are new; before anything else is acted
/// upon, Twilio is asked whether the caller still waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// TaskRouter's event callback, live.
    Callback,
    /// Event Streams, which delivers late and more than once.
    EventStream,
    /// The sweep over tasks left pending in a placeholder queue.
    Sweep,
    /// An event that says the task is gone while its call still waits.
    Rescue,
}

impl RedirectRequest {
    /// The moment from which the redirector's deadline counts.
    pub fn deadline_starts(&self) -> Timestamp {
        self.requeued_at
            .map_or(self.entered_at, |replayed| replayed.max(self.entered_at))
    }

    /// Whether the request can be trusted while it is new: its event says that the caller waits, and
    /// since when.
    pub fn is_live(&self) -> bool {
        matches!(self.source, Source::Callback | Source::EventStream)
            && self.requeued_at.is_none()
            && !self.verify
    }
}

#[cfg(test)]
pub(crate) mod arbitrary {
    //! Requests of every kind, for property tests.

    use std::fmt::Debug;
    use std::str::FromStr;

    use proptest::prelude::*;

    use super::*;

    fn sids<T: FromStr<Err: Debug> + Debug>(prefix: &'static str) -> impl Strategy<Value = T> {
        any::<u128>().prop_map(move |id| format!("{prefix}{id:032x}").parse().unwrap())
    }

    fn times() -> impl Strategy<Value = Timestamp> {
        (0..4_102_444_800_000_i64).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
    }

    fn sources() -> impl Strategy<Value = Source> {
        prop_oneof![
            Just(Source::Callback),
            Just(Source::EventStream),
            Just(Source::Sweep),
            Just(Source::Rescue),
        ]
    }

    fn callers() -> impl Strategy<Value = Caller> {
        let called = prop::option::of("[+][1-9][0-9]{6,14}");
        (called, any::<bool>()).prop_map(|(called, lacks_number)| Caller {
            called: called.and_then(|number| number.parse().ok()),
            lacks_number,
        })
    }

    prop_compose! {
        pub(crate) fn requests()(
            event_sid in sids("EV"),
            account_sid in sids("AC"),
            workspace_sid in sids("WS"),
            task_sid in sids("WT"),
            call_sid in sids("CA"),
            task_queue_sid in sids("WQ"),
            workflow_sid in prop::option::of(sids("WW")),
            entered_at in times(),
            task_created_at in prop::option::of(times()),
            (source, verify) in (sources(), any::<bool>()),
            requeued_at in prop::option::of(times()),
            caller in callers(),
        ) -> RedirectRequest {
            RedirectRequest {
                event_sid,
                account_sid,
                workspace_sid,
                task_sid,
                call_sid,
                task_queue_sid,
                workflow_sid,
                entered_at,
                task_created_at,
                source,
                verify,
                requeued_at,
                caller,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What an earlier version published must be understood as long as the type says `redirect.v1`.
    const ON_THE_WIRE: &str = r#"{
        "event_sid": "EV00000000000000000000000000000001",
        "account_sid": "AC00000000000000000000000000000002",
        "workspace_sid": "WS00000000000000000000000000000003",
        "task_sid": "WT00000000000000000000000000000004",
        "call_sid": "CA00000000000000000000000000000005",
        "task_queue_sid": "WQ00000000000000000000000000000006",
        "entered_at": "2026-01-02T03:04:05.678Z",
        "source": "callback"
    }"#;

    fn on_the_wire() -> RedirectRequest {
        serde_json::from_str(ON_THE_WIRE).unwrap()
    }

    #[test]
    fn the_form_on_the_wire_stays() {
        let value: serde_json::Value = serde_json::from_str(ON_THE_WIRE).unwrap();
        assert_eq!(serde_json::to_value(on_the_wire()).unwrap(), value);
        for (source, name) in [
            (Source::Callback, "callback"),
            (Source::EventStream, "event_stream"),
            (Source::Sweep, "sweep"),
            (Source::Rescue, "rescue"),
        ] {
            assert_eq!(serde_json::to_value(source).unwrap(), name);
        }
    }

    #[test]
    fn what_a_later_version_adds_is_no_obstacle() {
        let mut value: serde_json::Value = serde_json::from_str(ON_THE_WIRE).unwrap();
        value["colour"] = "green".into();
        assert_eq!(
            serde_json::from_value::<RedirectRequest>(value).unwrap(),
            on_the_wire()
        );
    }

    #[test]
    fn a_wish_to_be_verified_is_said_and_else_not_mentioned() {
        let request = RedirectRequest {
            verify: true,
            ..on_the_wire()
        };
        let value = serde_json::to_value(&request).unwrap();
        assert_eq!(value["verify"], true);
        assert_eq!(
            serde_json::from_value::<RedirectRequest>(value).unwrap(),
            request
        );
    }

    #[test]
    fn only_an_event_that_leaves_no_doubt_is_live() {
        let live = on_the_wire();
        assert!(live.is_live());
        let by_event_streams = RedirectRequest {
            source: Source::EventStream,
            ..live.clone()
        };
        assert!(by_event_streams.is_live());
        let requeued_at = Some(live.entered_at);
        let late = [Source::Sweep, Source::Rescue].map(|source| RedirectRequest {
            source,
            ..live.clone()
        });
        let others = [
            RedirectRequest {
                requeued_at,
                ..live.clone()
            },
            RedirectRequest {
                verify: true,
                ..live
            },
        ];
        for request in late.iter().chain(&others) {
            assert!(!request.is_live(), "{request:?}");
        }
    }

    proptest! {
        #[test]
        fn the_deadline_never_counts_from_before_the_event(request in arbitrary::requests()) {
            let starts = request.deadline_starts();
            prop_assert!(starts >= request.entered_at);
            prop_assert!(request.requeued_at.is_none_or(|requeued_at| starts >= requeued_at));
        }
    }
}
