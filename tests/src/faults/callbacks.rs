//! Callbacks come twice, late, or never.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::RngExt;
use serde_json::{Value, json};
use simulator::{
    CallbackFault, CallbackOutcome, CallbackRecord, CallbackRule, Caller, EventKind, PlaceCall,
    Transport, When,
};
use twilio::WorkflowSid;

use super::{Arena, Between, Scenario};
use crate::http;

/// All of them.
pub const ALL: &[&Scenario] = &[
    &TWICE_AT_ONCE,
    &TWICE_AT_ONCE_EMBEDDED,
    &TWICE_AFTER_SECONDS,
    &TWICE_AFTER_AN_HOUR,
    &BY_BOTH_WAYS,
    &INGESTS_DOWN,
    &LOST_AND_SWEEPER_KILLED,
    &TASKS_EXPIRED,
    &WORKFLOW_TIMED_OUT,
];

const BASE: Scenario = Scenario {
    promise: "redirected once",
    ..Scenario::BASE
};

/// Both copies at once, through both ingests.
pub const TWICE_AT_ONCE: Scenario = Scenario {
    name: "twice-at-once",
    fault: "callbacks: each twice within 5 ms, on two ingests",
    strike: |arena| twice(arena, Duration::from_millis(3)).boxed(),
    ..BASE
};

/// The same with the embedded queue.
pub const TWICE_AT_ONCE_EMBEDDED: Scenario = Scenario {
    name: "twice-at-once-embedded",
    between: Between::Embedded,
    ..TWICE_AT_ONCE
};

/// As Twilio repeats a callback.
pub const TWICE_AFTER_SECONDS: Scenario = Scenario {
    name: "twice-after-seconds",
    fault: "callbacks: each again after 3 s",
    strike: |arena| twice(arena, Duration::from_secs(3)).boxed(),
    ..BASE
};

/// As Event Streams delivers late.
pub const TWICE_AFTER_AN_HOUR: Scenario = Scenario {
    name: "twice-after-an-hour",
    fault: "events: each again through Event Streams after an hour",
    strike: |arena| {
        async {
            let callers = {
                let twilio = arena.twilio();
                let callers = twilio
                    .place_calls(30, &PlaceCall::into_placeholder())
                    .unwrap();
                arena
                    .expect("their redirects", |state| {
                        callers
                            .iter()
                            .all(|caller| state.journal().redirects(&caller.call_sid) > 0)
                    })
                    .await;
                callers
            };
            let sink = arena.event_stream_url();
            let late = callers.iter().map(|caller| {
                let callback = arena.twilio().entered_callback(caller.task_sid).unwrap();
                callback
                    .backdated(Duration::from_secs(3600))
                    .through_event_streams()
                    .to(&sink)
            });
            let late: Vec<_> = late.collect();
            let delivered = arena.twilio().deliver(late, 16).await;
            assert!(
                delivered
                    .iter()
                    .all(|delivery| delivery.outcome.is_success())
            );
            arena.load.joined_by(callers);
        }
        .boxed()
    },
    ..BASE
};

/// Event callback and Event Streams side by side.
pub const BY_BOTH_WAYS: Scenario = Scenario {
    name: "by-both-ways",
    fault: "events: each by callback and by Event Streams",
    strike: |arena| {
        async {
            let sink = arena.event_stream_url();
            let kinds = [EventKind::TaskQueueEntered];
            arena.twilio().set_event_stream(Some(&sink), &kinds);
            told(arena, |sent| {
                let by = |transport| sent.iter().any(|sent| sent.transport == transport);
                by(Transport::EventCallback) && by(Transport::EventStream)
            })
            .await;
            arena.twilio().set_event_stream(None, &[]);
        }
        .boxed()
    },
    ..BASE
};

/// Nobody takes callbacks for a while.
pub const INGESTS_DOWN: Scenario = Scenario {
    name: "ingests-down",
    fault: "all ingests down for 3 s while tasks enter the queue",
    promise: "the sweep finds whose callbacks were lost",
    settings: &[("SWEEP_INTERVAL", "1s")],
    strike: |arena| {
        async {
            for ingest in &mut arena.stack.ingests {
                ingest.kill();
            }
            arena.last(Duration::from_secs(3)).await;
            arena.on_hold(20).await;
            for index in 0..arena.stack.ingests.len() {
                arena.start_ingest(index).await;
            }
        }
        .boxed()
    },
    ..BASE
};

/// Callbacks are lost, and with them the redirector that sweeps.
pub const LOST_AND_SWEEPER_KILLED: Scenario = Scenario {
    name: "sweeper-killed",
    fault: "half of the callbacks lost, and the redirector that sweeps: `kill -9`",
    promise: "another sweeps within an interval",
    settings: &[("SWEEP_INTERVAL", "1s")],
    strike: lose_callbacks_and_the_sweeper,
    ..BASE
};

/// Tasks run out while their callers wait.
pub const TASKS_EXPIRED: Scenario = Scenario {
    name: "tasks-expired",
    fault: "callbacks lost, and the tasks' time to live runs out",
    promise: "rescued: redirected though the task is gone",
    strike: |arena| {
        async {
            let callers = unheard_of(arena, PlaceCall::into_placeholder()).await;
            for caller in &callers {
                assert!(arena.twilio().expire_task(caller.task_sid), "it is open");
            }
            rescued(arena, callers).await;
        }
        .boxed()
    },
    ..BASE
};

/// Tasks fall off the end of their workflow while their callers wait.
pub const WORKFLOW_TIMED_OUT: Scenario = Scenario {
    name: "workflow-timed-out",
    fault: "callbacks lost, and the tasks fall off the end of their workflow",
    promise: "rescued: redirected though the task is gone",
    strike: |arena| {
        async {
            let workflow = workflow_with_an_end(arena).await;
            let call = PlaceCall {
                workflow: Some(workflow),
                ..PlaceCall::into_placeholder()
            };
            let callers = unheard_of(arena, call).await;
            let tasks: Vec<_> = callers.iter().map(|caller| Some(caller.task_sid)).collect();
            rescued(arena, callers).await;
            let journal = arena.twilio().journal();
            let ended = journal
                .callbacks()
                .filter(|sent| sent.kind == EventKind::WorkflowTimeout)
                .map(|sent| sent.task);
            let ended: HashSet<_> = ended.collect();
            assert!(tasks.iter().all(|task| ended.contains(task)), "they fell");
        }
        .boxed()
    },
    ..BASE
};

/// Callers whose entry into the placeholder queue is never told.
async fn unheard_of(arena: &mut Arena, call: PlaceCall) -> Vec<Caller> {
    let lost = CallbackRule {
        events: vec![EventKind::TaskQueueEntered],
        fault: CallbackFault::Drop,
        when: When::Always,
    };
    let rule = arena.twilio().faults().add_for_callbacks(lost);
    let callers = arena.twilio().place_calls(30, &call).unwrap();
    arena
        .expect("their events dropped", |state| {
            let dropped = state.journal().callbacks().rev().take(2_000);
            let dropped = dropped.filter(|sent| sent.outcome == CallbackOutcome::Dropped);
            let dropped: HashSet<_> = dropped.filter_map(|sent| sent.call).collect();
            callers
                .iter()
                .all(|caller| dropped.contains(&caller.call_sid))
        })
        .await;
    arena.twilio().faults().remove(rule);
    callers
}

async fn rescued(arena: &mut Arena, callers: Vec<Caller>) {
    arena
        .expect("their rescue", |state| {
            callers
                .iter()
                .all(|caller| !state.is_waiting(&caller.call_sid))
        })
        .await;
    arena.load.joined_by(callers);
}

/// A workflow in which a task stays in the placeholder queue for a while only.
async fn workflow_with_an_end(arena: &mut Arena) -> WorkflowSid {
    let name = format!("Ends {}", arena.random.random::<u64>());
    let twilio = arena.twilio();
    let target = json!({"queue": twilio.placeholder(), "timeout": 50});
    let filter = json!({"filter_friendly_name": "all", "expression": "1==1", "targets": [target]});
    let configuration = json!({"task_routing": {"filters": [filter]}}).to_string();
    let url = format!(
        "{}v1/Workspaces/{}/Workflows",
        twilio.api_url(),
        twilio.workspace_sid()
    );
    let answer = http()
        .post(url)
        .basic_auth(twilio.account_sid(), Some(twilio.auth_token()))
        .form(&[("FriendlyName", &name), ("Configuration", &configuration)])
        .send()
        .await
        .unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    answer["sid"].as_str().unwrap().parse().unwrap()
}

async fn twice(arena: &mut Arena, after: Duration) {
    let rule = CallbackRule {
        events: vec![EventKind::TaskQueueEntered],
        fault: CallbackFault::Duplicate { after },
        when: When::Always,
    };
    let rule = arena.twilio().faults().add_for_callbacks(rule);
    told(arena, |sent| sent.len() >= 2).await;
    arena.twilio().faults().remove(rule);
}

/// Places callers, beside those who call anyway, and waits until their events were sent so.
async fn told(arena: &mut Arena, so: impl Fn(&[&CallbackRecord]) -> bool) {
    let call = PlaceCall::into_placeholder();
    let callers = arena.twilio().place_calls(60, &call).unwrap();
    arena
        .expect("their events sent", |state| {
            let mut sent: HashMap<_, Vec<_>> = HashMap::new();
            for record in state.journal().callbacks().rev().take(5_000) {
                if record.kind == EventKind::TaskQueueEntered {
                    sent.entry(record.call).or_default().push(record);
                }
            }
            let sent = |caller: &Caller| sent.get(&Some(caller.call_sid));
            callers
                .iter()
                .all(|caller| sent(caller).is_some_and(|sent| so(sent)))
        })
        .await;
    arena.load.joined_by(callers);
}

fn lose_callbacks_and_the_sweeper(arena: &mut Arena) -> BoxFuture<'_, ()> {
    async {
        let rule = CallbackRule {
            events: vec![EventKind::TaskQueueEntered],
            fault: CallbackFault::Drop,
            when: When::Probability(0.5),
        };
        let rule = arena.twilio().faults().add_for_callbacks(rule);
        arena.last(Duration::from_secs(1)).await;
        arena.on_hold(5).await;
        let sweeper = arena
            .stack
            .redirectors
            .iter()
            .position(|redirector| redirector.log().contains("this redirector sweeps"));
        let sweeper = sweeper.expect("one of them sweeps");
        arena.stack.redirectors[sweeper].kill();
        arena.last(Duration::from_secs(3)).await;
        arena.twilio().faults().remove(rule);
        arena.start_redirector(sweeper).await;
    }
    .boxed()
}
