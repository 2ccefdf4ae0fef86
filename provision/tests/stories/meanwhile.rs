//! What others do between the plan and its steps, and callers who wait already.

use serde_json::json;
use simulator::{Config, PlaceCall};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use twilio::EventType;
use twilio::rest::{EventSchema, WorkspaceChange};

use crate::shapes::{Account, account};
use crate::support::{Operator, PUBLIC_URL, env_value};

const MEANWHILE: &str = "was changed by somebody else meanwhile";

#[tokio::test]
async fn what_others_change_while_it_asks_is_not_overwritten() {
    let theirs = "https://theirs.example.com/";
    let operator = Operator::new().await;
    let changes = || operator.simulator.set_callback(Some(theirs));
    let output = operator.run_while(&["setup"], changes).await.failed();
    assert!(output.contains(MEANWHILE), "{output}");
    assert_eq!(operator.workspace().await.event_callback_url, theirs);

    let operator = Operator::new().await;
    operator.setup(&[]).await.done();
    let changes = || operator.simulator.set_callback(Some(theirs));
    let output = operator.run_while(&["teardown"], changes).await.failed();
    assert!(output.contains(MEANWHILE), "{output}");
    assert_eq!(operator.workspace().await.event_callback_url, theirs);
}

/// Waits, while a command asks, for what somebody else does.
fn done<T>(theirs: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(theirs))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_others_add_to_the_filter_while_it_asks_stays_in_it() {
    let operator = Operator::with(Config {
        events_filter: Some("task.created".into()),
        ..Config::default()
    })
    .await;
    let adds = |event: &'static str| {
        let operator = &operator;
        move || {
            done(async {
                let workspace = operator.workspace().await;
                let theirs = WorkspaceChange {
                    event_callback_url: &workspace.event_callback_url,
                    events_filter: &format!("{},{event}", workspace.events_filter),
                };
                let client = operator.client();
                client
                    .update_workspace(&workspace.sid, theirs)
                    .await
                    .unwrap();
            });
        }
    };
    let output = operator.run_while(&["setup"], adds("task.deleted")).await;
    assert!(output.failed().contains(MEANWHILE));
    let filter = async || operator.workspace().await.events_filter;
    assert_eq!(filter().await, "task.created,task.deleted");
    operator.setup(&[]).await.done();
    let output = operator
        .run_while(&["teardown"], adds("task.updated"))
        .await;
    assert!(output.failed().contains(MEANWHILE));
    operator.teardown(&[]).await.done();
    assert_eq!(filter().await, "task.created,task.deleted,task.updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_others_make_while_it_asks_is_neither_doubled_nor_deleted() {
    let operator = Operator::new().await;
    let client = operator.client();
    let destination = format!("{PUBLIC_URL}/taskrouter/event-stream");
    let subscribe = async |sink, events: &[EventType]| {
        let types = events.iter().map(|event| EventSchema {
            event_type: event.cloud_event_name(),
            schema_version: 1,
        });
        let types: Vec<_> = types.collect();
        let made = client.create_subscription("Theirs", sink, &types).await;
        made.unwrap();
    };
    let subscriptions = async |sink| client.subscriptions(sink).await.unwrap().len();
    let theirs = client.create_webhook_sink("Theirs", &destination).await;
    let theirs = theirs.unwrap().sid;
    let meanwhile = || done(subscribe(&theirs, &EventType::ALL));
    let setup = ["setup", "--via", "event-streams"];
    let output = operator.run_while(&setup, meanwhile).await.failed();
    assert!(output.contains(MEANWHILE), "{output}");
    assert_eq!(subscriptions(&theirs).await, 1);
    client.delete_sink(&theirs).await.unwrap_err();

    let operator = Operator::new().await;
    let client = operator.client();
    operator.setup(&["--via", "event-streams"]).await.done();
    let ours = client.sinks().await.unwrap()[0].sid;
    let made = async || {
        let types = [EventSchema {
            event_type: EventType::TaskCanceled.cloud_event_name(),
            schema_version: 1,
        }];
        let made = client.create_subscription("Theirs", &ours, &types).await;
        made.unwrap();
    };
    let output = operator
        .run_while(&["teardown"], || done(made()))
        .await
        .failed();
    assert!(output.contains(MEANWHILE), "{output}");
    assert_eq!(client.subscriptions(&ours).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_workflow_that_others_change_while_it_asks_is_left_as_they_want_it() {
    let Account {
        operator,
        queues,
        workflow,
    } = account("escalation").await;
    let routing = json!({ "filters": [], "default_filter": { "queue": queues["Sales"] } });
    let theirs = json!({ "task_routing": routing }).to_string();
    let changes = || {
        operator
            .simulator
            .set_configuration(workflow, &theirs)
            .unwrap()
    };
    let current = async || {
        let client = operator.client();
        let workflow = client.workflow(&operator.workspace_sid(), &workflow).await;
        workflow.unwrap().unwrap().configuration
    };
    let setup = ["setup", "--workflow", workflow.as_str()];
    let output = operator.run_while(&setup, changes).await.failed();
    assert!(output.contains(MEANWHILE), "{output}");
    assert_eq!(current().await, theirs);

    operator.setup(&setup[1..]).await.done();
    let output = operator.run_while(&["teardown"], changes).await.failed();
    assert!(output.contains(MEANWHILE), "{output}");
    assert_eq!(current().await, theirs);
    operator.teardown(&[]).await.done();
    assert_eq!(current().await, theirs);
}

#[tokio::test]
async fn lines_that_others_write_into_the_settings_while_it_asks_stay() {
    let operator = Operator::new().await;
    let file = operator.path(".env");
    let changes = || std::fs::write(&file, "FORWARD_TO_NUMBER=+14155550100\n").unwrap();
    operator.run_while(&["setup"], changes).await.done();
    let number = env_value(&operator.env_file(), "FORWARD_TO_NUMBER");
    assert_eq!(number.as_deref(), Some("+14155550100"));
}

#[tokio::test]
async fn callers_who_wait_already_go_by_the_changed_workflow_if_that_is_wanted() {
    let Account {
        operator, workflow, ..
    } = account("stock").await;
    let call = PlaceCall {
        workflow: Some(workflow),
        ..PlaceCall::default()
    };
    let caller = operator.simulator.place_call(call).unwrap();
    let setup = ["--workflow", workflow.as_str(), "--target-timeout", "20"];
    let output = operator.setup(&setup).await.done();
    assert!(
        output.contains("--re-evaluate-tasks lets them start"),
        "{output}"
    );
    operator.teardown(&["--force"]).await.done();
    let again = [&setup[..], &["--re-evaluate-tasks"]].concat();
    operator.setup(&again).await.done();
    let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
    let there = |state: &simulator::State| {
        let task = state.task(&caller.task_sid);
        task.is_some_and(|task| task.queue.as_str() == placeholder)
    };
    operator.simulator.wait_until(there).await;
    // They are in the placeholder, and go back with the workflow.
    operator
        .teardown(&["--force", "--re-evaluate-tasks"])
        .await
        .done();
    assert!(!operator.simulator.inspect(there));
}
