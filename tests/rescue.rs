//! Callers whose task ended while they wait: who rescues them.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;
use simulator::{Caller, PlaceCall};
use tests::{Backend, Stack, StackOptions};

const SALES: &str = "+14155550177";

/// A caller in a workflow with one target, and whose task's time to live is up.
async fn stranded_in(stack: &Stack, name: &str, task_queue: &str) -> Caller {
    let filter = json!({
        "filter_friendly_name": "all",
        "expression": "1==1",
        "targets": [{"queue": task_queue}],
    });
    let routing = json!({"task_routing": {"filters": [filter]}}).to_string();
    let form = [("FriendlyName", name), ("Configuration", &routing)];
    let workflow = stack.create("Workflows", &form).await;
    let call = PlaceCall {
        workflow: Some(workflow.parse().unwrap()),
        ..PlaceCall::default()
    };
    let caller = stack.simulator.place_call(call).unwrap();
    assert!(stack.simulator.expire_task(caller.task_sid), "it is open");
    caller
}

#[tokio::test]
async fn the_plan_to_whose_placeholder_the_workflow_leads_rescues_and_no_other() {
    let options = StackOptions {
        redirectors: 0,
        ..StackOptions::default()
    };
    let stack = Stack::start(Backend::Sqlite, options).await;
    let nobody = |name| [("FriendlyName", name), ("TargetWorkers", "1==0")];
    let sales = stack
        .create("TaskQueues", &nobody("No one for sales"))
        .await;
    let support = stack
        .create("TaskQueues", &nobody("No one for support"))
        .await;
    let plans = stack.folder().join("plans.toml");
    let plan = format!("[[plan]]\ntask_queue_sid = \"{sales}\"\nforward_to = \"{SALES}\"\n");
    std::fs::write(&plans, plan).unwrap();
    let plans = plans.to_str().unwrap().to_owned();
    let settings = [("REDIRECT_PLANS", plans)];
    let redirector = stack.start_redirector_with(&settings).await;

    let other = stranded_in(&stack, "Support", &support).await;
    redirector.logged("leads to no plan that rescues").await;
    assert!(
        stack
            .simulator
            .callers_still_waiting()
            .contains(&other.call_sid)
    );

    let caller = stranded_in(&stack, "Sales", &sales).await;
    stack
        .expect("a redirect", |state| {
            state.journal().redirects(&caller.call_sid) == 1
        })
        .await;
    let journal = stack.simulator.journal();
    let heard = journal.caller(&caller.call_sid).unwrap();
    let dialled: Vec<_> = heard.dialled().map(|number| number.as_str()).collect();
    assert_eq!(dialled, [SALES]);
}
