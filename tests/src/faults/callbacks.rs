//! Callbacks come late, or never.

use std::collections::HashSet;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::RngExt;
use serde_json::json;
use simulator::{
    CallbackFault, CallbackOutcome, CallbackRule, Caller, EventKind, PlaceCall, RuleId, When,
};
use twilio::WorkflowSid;

use super::{Arena, Scenario};

/// All of them.
pub const ALL: &[&Scenario] = &[
    &INGESTS_DOWN,
    &LOST_AND_SWEEPER_KILLED,
    &TASKS_EXPIRED,
    &WORKFLOW_TIMED_OUT,
    &ENDS_UNTOLD,
    &TIMED_OUT_UNTOLD,
];

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
    ..Scenario::BASE
};

/// Callbacks are lost, and with them the redirector that sweeps.
pub const LOST_AND_SWEEPER_KILLED: Scenario = Scenario {
    name: "sweeper-killed",
    fault: "half of the callbacks lost, and the redirector that sweeps: `kill -9`",
    promise: "another sweeps within an interval",
    settings: &[("SWEEP_INTERVAL", "1s")],
    strike: lose_callbacks_and_the_sweeper,
    ..Scenario::BASE
};

/// Tasks run out while their callers wait.
pub const TASKS_EXPIRED: Scenario = Scenario {
    name: "tasks-expired",
    fault: "callbacks lost, and the tasks' time to live runs out",
    promise: "rescued: redirected though the task is gone",
    strike: |arena| tasks_expire(arena).boxed(),
    ..Scenario::BASE
};

/// Tasks fall off the end of their workflow while their callers wait.
pub const WORKFLOW_TIMED_OUT: Scenario = Scenario {
    name: "workflow-timed-out",
    fault: "callbacks lost, and the tasks fall off the end of their workflow",
    promise: "rescued: redirected though the task is gone",
    strike: |arena| workflow_times_out(arena).boxed(),
    ..Scenario::BASE
};

/// Tasks run out while their callers wait, and not even that is told.
pub const ENDS_UNTOLD: Scenario = Scenario {
    name: "ends-untold",
    fault: "all callbacks lost, and the tasks' time to live runs out",
    promise: "the sweep finds the callers themselves: no task stands for them",
    settings: &[("SWEEP_INTERVAL", "1s")],
    strike: |arena| {
        async {
            let rule = lose(arena, &[EventKind::TaskCanceled], When::Always);
            tasks_expire(arena).await;
            arena.twilio().faults().remove(rule);
        }
        .boxed()
    },
    ..Scenario::BASE
};

/// Tasks fall off the end of their workflow, and not even that is told.
pub const TIMED_OUT_UNTOLD: Scenario = Scenario {
    name: "timed-out-untold",
    fault: "all callbacks lost, and the tasks fall off the end of their workflow",
    promise: "the sweep finds the callers themselves: no task stands for them",
    settings: &[("SWEEP_INTERVAL", "1s")],
    strike: |arena| {
        async {
            let ends = [EventKind::WorkflowTimeout, EventKind::TaskCanceled];
            let rule = lose(arena, &ends, When::Always);
            workflow_times_out(arena).await;
            arena.twilio().faults().remove(rule);
        }
        .boxed()
    },
    ..Scenario::BASE
};

/// Callers wait of whom we hear nothing, and their workflow has an end.
async fn workflow_times_out(arena: &mut Arena) {
    let workflow = workflow_with_an_end(arena).await;
    let call = PlaceCall {
        workflow: Some(workflow),
        ..PlaceCall::into_placeholder()
    };
    let callers = unheard_of(arena, call).await;
    let tasks: Vec<_> = callers.iter().map(|caller| Some(caller.task_sid)).collect();
    arena.off_hold(callers).await;
    if !arena.is_new() {
        // A sweep may have been quicker than the workflow.
        return;
    }
    let journal = arena.twilio().journal();
    let ended = journal
        .callbacks()
        .filter(|sent| sent.kind == EventKind::WorkflowTimeout)
        .map(|sent| sent.task);
    let ended: HashSet<_> = ended.collect();
    assert!(tasks.iter().all(|task| ended.contains(task)), "they fell");
}

/// Callers wait of whom we hear nothing, and the time to live of their tasks runs out.
async fn tasks_expire(arena: &mut Arena) {
    let callers = unheard_of(arena, PlaceCall::into_placeholder()).await;
    for caller in &callers {
        assert!(arena.twilio().expire_task(caller.task_sid), "it is open");
    }
    arena.off_hold(callers).await;
}

/// Callbacks of these kinds are lost from now on.
fn lose(arena: &Arena, events: &[EventKind], when: When) -> RuleId {
    let lost = CallbackRule {
        events: events.to_vec(),
        fault: CallbackFault::Drop,
        when,
    };
    arena.twilio().faults().add_for_callbacks(lost)
}

/// Callers whose entry into the placeholder queue is never told.
async fn unheard_of(arena: &mut Arena, call: PlaceCall) -> Vec<Caller> {
    let rule = lose(arena, &[EventKind::TaskQueueEntered], When::Always);
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

/// A workflow in which a task stays in the placeholder queue for a while only.
async fn workflow_with_an_end(arena: &mut Arena) -> WorkflowSid {
    let name = format!("Ends {}", arena.random.random::<u64>());
    let twilio = arena.twilio();
    let target = json!({"queue": twilio.placeholder(), "timeout": 50});
    let filter = json!({"filter_friendly_name": "all", "expression": "1==1", "targets": [target]});
    let configuration = json!({"task_routing": {"filters": [filter]}}).to_string();
    let form = [("FriendlyName", &*name), ("Configuration", &*configuration)];
    let sid = arena.stack.create("Workflows", &form).await;
    sid.parse().unwrap()
}

fn lose_callbacks_and_the_sweeper(arena: &mut Arena) -> BoxFuture<'_, ()> {
    async {
        let rule = lose(
            arena,
            &[EventKind::TaskQueueEntered],
            When::Probability(0.5),
        );
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
