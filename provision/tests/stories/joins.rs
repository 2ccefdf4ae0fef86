//! Setup and teardown beside what is there: what they take for theirs, what they leave, and what
//! others do meanwhile.

use serde_json::json;
use simulator::{Config, Endpoint, Fault, OtherTask, PlaceCall, Rule};
use twilio::rest::{EventSchema, FlowDraft, WorkflowDraft};
use twilio::{CLOUD_EVENT_PREFIX, EventType};

use crate::shapes::{Account, shapes};
use crate::support::{Operator, PREFIX, PUBLIC_URL, env_value};

const NUMBER: &str = "+14155550150";
const MEANWHILE: &str = "was changed by somebody else meanwhile";

async fn account(name: &str) -> Account {
    let shapes = shapes();
    let shape = shapes.iter().find(|shape| shape.name == name);
    shape.unwrap().account().await
}

fn denied(status: u16) -> Fault {
    Fault::Status {
        status,
        code: 20000 + u32::from(status),
        retry_after: None,
    }
}

/// The issue of whoever has it by hand: the events of their placeholder must not become those of
/// another queue.
#[tokio::test]
async fn a_set_up_by_hand_is_adopted_with_its_settings() {
    let operator = Operator::by_hand(Config {
        callback_url: Some(format!("{PUBLIC_URL}/taskrouter/events")),
        ..Config::default()
    })
    .await;
    let placeholder = operator.simulator.placeholder().to_string();
    let env = format!("FORWARD_CALL_TASK_QUEUE_SID={placeholder}\n");
    std::fs::write(operator.path(".env"), env).unwrap();
    let output = operator.setup(&[]).await.done();
    assert!(output.contains("0 to create"), "{output}");
    let set = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID");
    assert_eq!(set, Some(placeholder));
    operator.teardown(&[]).await.done();
    let url = operator.workspace().await.event_callback_url;
    assert_eq!(url, format!("{PUBLIC_URL}/taskrouter/events"));
    // Without the settings, and without the record, it is found by what it is.
    std::fs::remove_file(operator.path(".env")).unwrap();
    let output = operator.setup(&[]).await.done();
    assert!(output.contains("0 to create"), "{output}");
}

#[tokio::test]
async fn a_record_and_settings_that_differ_are_not_decided_for_the_user() {
    let operator = Operator::by_hand(Config::default()).await;
    let by_hand = operator.simulator.placeholder();
    operator.setup(&["--prefix", PREFIX]).await.done();
    let ours = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
    let env = operator.env_file().replace(&ours, by_hand.as_str());
    std::fs::write(operator.path(".env"), &env).unwrap();
    let output = operator.setup(&[]).await.failed();
    for word in [ours.as_str(), by_hand.as_str(), "--placeholder WQ…"] {
        assert!(output.contains(word), "no {word:?} in: {output}");
    }
    assert_eq!(operator.env_file(), env);
    // The choice is remembered.
    operator
        .setup(&["--placeholder", by_hand.as_str()])
        .await
        .done();
    let output = operator.setup(&[]).await.done();
    assert!(output.contains("Nothing to do"), "{output}");
}

#[tokio::test]
async fn a_number_is_pointed_at_a_flow_to_the_workflow_that_is_there() {
    let operator = Operator::by_hand(Config::default()).await;
    operator.add_number(NUMBER, "https://ivr.example.com/");
    operator.setup(&["--number", NUMBER]).await.done();
    let client = operator.client();
    let flow = client.flows().await.unwrap()[0].sid;
    let flow = client.flow(&flow).await.unwrap().unwrap();
    let workflow = &flow.definition["states"][1]["properties"]["workflow"];
    assert_eq!(*workflow, operator.simulator.workflow_sid().as_str());
    assert!(operator.setup(&[]).await.done().contains("Nothing to do"));
    operator.teardown(&[]).await.done();
    assert_eq!(client.flows().await.unwrap(), []);
    let workflows = client.workflows(&operator.workspace_sid()).await.unwrap();
    assert_eq!(workflows.len(), 1);
}

#[tokio::test]
async fn a_sink_that_lacks_events_of_ours_gets_them() {
    let operator = Operator::new().await;
    let client = operator.client();
    let destination = format!("{PUBLIC_URL}/taskrouter/event-stream#rc=2");
    let sink = client.create_webhook_sink("Mine", &destination).await;
    let sink = sink.unwrap().sid;
    let entered = [EventSchema {
        event_type: format!(
            "{CLOUD_EVENT_PREFIX}{}",
            EventType::TaskQueueEntered.as_str()
        ),
        schema_version: 1,
    }];
    let mine = client.create_subscription("Mine", &sink, &entered).await;
    mine.unwrap();
    let output = operator.setup(&[]).await.done();
    assert!(
        output.contains("lacks: task.canceled, workflow.timeout"),
        "{output}"
    );
    assert_eq!(client.sinks().await.unwrap().len(), 1);
    assert_eq!(client.subscriptions(&sink).await.unwrap().len(), 2);
    assert!(operator.setup(&[]).await.done().contains("Nothing to do"));
}

#[tokio::test]
async fn the_way_of_events_is_remembered() {
    let operator = Operator::new().await;
    operator.setup(&["--via", "event-streams"]).await.done();
    let output = operator.setup(&[]).await.done();
    assert!(output.contains("Nothing to do"), "{output}");
    operator.setup(&["--via", "callback"]).await.done();
    assert_eq!(operator.client().sinks().await.unwrap(), []);
    assert!(operator.setup(&[]).await.done().contains("Nothing to do"));
}

#[tokio::test]
async fn agents_have_15_seconds_in_our_workflow_unless_told_otherwise() {
    let operator = Operator::new().await;
    let output = operator.setup(&[]).await.done();
    let offer = "an agent has 15 s to take an offered call; Twilio then puts them into activity \
                 \"Offline\"";
    assert!(output.contains(offer), "{output}");
    let (client, workspace) = (operator.client(), operator.workspace_sid());
    let timeout = async || {
        let workflows = client.workflows(&workspace).await.unwrap();
        workflows.last().unwrap().task_reservation_timeout
    };
    assert_eq!(timeout().await, Some(15));
    operator
        .setup(&["--reservation-timeout", "30"])
        .await
        .done();
    assert_eq!(timeout().await, Some(30));
    assert!(operator.setup(&[]).await.done().contains("Nothing to do"));

    // As workflows of an earlier setup have it.
    let workflow = client.workflows(&workspace).await.unwrap().pop().unwrap();
    let usual = WorkflowDraft {
        task_reservation_timeout: Some(120),
        ..(&workflow.configuration).into()
    };
    client
        .update_workflow(&workspace, &workflow.sid, usual)
        .await
        .unwrap();
    let output = operator.setup(&[]).await.done();
    assert!(
        output.contains("task reservation timeout: 120 s → 15 s"),
        "{output}"
    );
}

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

#[tokio::test]
async fn a_key_or_region_without_event_streams_or_studio_does_without() {
    for status in [403, 404] {
        let Account {
            operator, workflow, ..
        } = account("escalation").await;
        let faults = operator.simulator.faults();
        let extend = ["--workflow", workflow.as_str()];
        let lookups = [Endpoint::ListSink, Endpoint::ListFlow];
        faults.add(Rule::on(lookups, denied(status)));
        operator.setup(&extend).await.done();
        let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID");
        let report = operator
            .doctor(&placeholder.unwrap(), "+14155550100", &[])
            .await;
        assert!(report.output.contains("✓ placeholder"), "{}", report.output);
        operator.teardown(&[]).await.done();

        // Where they are needed, that is said before anything is changed.
        faults.clear();
        let before = operator.snapshot().await;
        faults.add(Rule::on(lookups, denied(status)));
        let streams = [&extend[..], &["--via", "event-streams"]].concat();
        for (arguments, word) in [(&streams[..], "Event Streams"), (&[], "Studio")] {
            let output = operator.setup(arguments).await.failed();
            assert!(output.contains(word), "{output}");
            assert!(output.contains(&status.to_string()), "{output}");
        }
        faults.clear();
        assert_eq!(operator.snapshot().await, before);
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_not_said_to_be_removed() {
    let operator = Operator::new().await;
    operator.setup(&["--via", "event-streams"]).await.done();
    let lookups = [Endpoint::ListSink, Endpoint::ListFlow];
    operator
        .simulator
        .faults()
        .add(Rule::on(lookups, denied(403)));
    let output = operator.teardown(&[]).await.failed();
    assert!(output.contains("Studio flow FW"), "{output}");
    assert!(output.contains("sink DG"), "{output}");
    operator.simulator.faults().clear();
    operator.teardown(&[]).await.done();
    assert_eq!(operator.client().flows().await.unwrap(), []);
    assert_eq!(operator.client().sinks().await.unwrap(), []);
}

#[tokio::test]
async fn the_plan_shows_no_credentials_wherever_they_stand() {
    let mut operator = Operator::with(Config {
        callback_url: Some("https://crm:hush@crm.example.com/?key=hush".into()),
        ..Config::default()
    })
    .await;
    operator.add_number(NUMBER, "https://ivr:hush@ivr.example.com/?key=hush");
    let env = "PUBLIC_URL=https://old:hush@old.example.com\n";
    std::fs::write(operator.path(".env"), env).unwrap();
    operator.public_url = "https://us:hush@overflow.example.com".into();
    let callback = ["--replace-callback", "--number", NUMBER];
    let mut shown = operator.setup(&callback).await.done();
    // A widget that somebody has added to our flow.
    let client = operator.client();
    let flow = client.flows().await.unwrap()[0].sid;
    let mut definition = client.flow(&flow).await.unwrap().unwrap().definition;
    definition["states"][1]["properties"]["attributes"] =
        json!(r#"{"crm":"https://crm:hush@crm.example.com/"}"#);
    definition["states"][1]["properties"]["api_key"] = json!("hush");
    let draft = FlowDraft {
        friendly_name: "Renamed",
        definition: &definition.to_string(),
        commit_message: "by hand",
    };
    client.update_flow(&flow, &draft).await.unwrap();
    shown += &operator.setup(&["--via", "event-streams"]).await.done();
    shown += &operator.teardown(&[]).await.done();
    assert!(!shown.contains("hush"), "{shown}");
}

/// What doctor says of the operator's set-up.
async fn doctor(operator: &Operator) -> String {
    let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
    let report = operator.doctor(&placeholder, "+14155550100", &[]).await;
    report.output
}

#[tokio::test]
async fn messages_that_an_earlier_setup_sent_to_the_placeholder_are_found_and_kept_from_it() {
    let Account {
        operator,
        queues,
        workflow,
    } = account("calls and chats through one filter").await;
    let extend = ["--workflow", workflow.as_str()];
    operator
        .setup(&[&extend[..], &["--in-place"]].concat())
        .await
        .done();
    assert!(!doctor(&operator).await.contains("takes messages"));
    // As an earlier setup recorded it, which knew no other way.
    let record = std::fs::read_to_string(operator.state_file()).unwrap();
    std::fs::write(
        operator.state_file(),
        record.replace("\"in_place\": true", "\"in_place\": false"),
    )
    .unwrap();
    let report = doctor(&operator).await;
    let finding = "filter \"All\" takes messages to the placeholder";
    assert!(report.contains(finding), "{report}");
    let chat = json!({ "channelType": "web" });
    let way = || operator.simulator.way_of(workflow, &chat);
    assert_eq!(way().len(), 3);
    operator.setup(&extend).await.done();
    assert_eq!(way(), [queues["Sales"], queues["Everyone"]]);
    assert!(!doctor(&operator).await.contains("takes messages"));
}

#[tokio::test]
async fn messages_that_wait_in_the_placeholder_are_found() {
    let operator = Operator::by_hand(Config::default()).await;
    operator.setup(&[]).await.done();
    assert!(!doctor(&operator).await.contains("without a call"));
    operator
        .simulator
        .place_other_task(OtherTask::Chat)
        .unwrap();
    let report = doctor(&operator).await;
    assert!(
        report.contains("1 task(s) without a call wait in placeholder"),
        "{report}"
    );
}

#[tokio::test]
async fn a_target_that_can_be_skipped_is_no_dead_end() {
    let Account {
        operator, workflow, ..
    } = account("skip_if in the last target, another filter behind it").await;
    let asked = ["--workflow", workflow.as_str(), "--filter", "Sales first"];
    operator.setup(&asked).await.done();
    let report = doctor(&operator).await;
    let line = report
        .lines()
        .find(|line| line.contains("only callers who skip it"));
    assert!(line.unwrap().starts_with("! workflow"), "{report}");
    assert!(!report.contains("✗ workflow"), "{report}");
}
