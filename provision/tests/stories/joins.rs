//! Setup and teardown beside what is there: what they take for theirs, and what they leave.

use serde_json::json;
use simulator::{Config, Endpoint, Fault, Rule};
use twilio::EventType;
use twilio::rest::{EventSchema, FlowDraft, WorkflowDraft};

use crate::shapes::{Account, account};
use crate::support::{Operator, PREFIX, PUBLIC_URL, env_value};

const NUMBER: &str = "+14155550150";

fn denied(status: u16) -> Fault {
    Fault::Status {
        status,
        code: 20000 + u32::from(status),
        retry_after: None,
    }
}

/// The events of another queue than theirs would be answered, and nobody redirected.
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

/// Else the next setup would find two.
#[tokio::test]
async fn a_set_of_its_own_takes_the_place_of_the_placeholder_that_was_adopted() {
    let operator = Operator::by_hand(Config::default()).await;
    operator.setup(&[]).await.done();
    operator.setup(&["--prefix", PREFIX]).await.done();
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
        event_type: EventType::TaskQueueEntered.cloud_event_name(),
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
    let subscriptions = async || client.subscriptions(&sink).await.unwrap().len();
    assert_eq!(subscriptions().await, 2);
    assert!(operator.setup(&[]).await.done().contains("Nothing to do"));
    // Theirs stays, ours goes.
    operator.setup(&["--via", "callback"]).await.done();
    assert_eq!(subscriptions().await, 1);
    operator.setup(&["--via", "event-streams"]).await.done();
    assert_eq!(subscriptions().await, 2);
    operator.teardown(&[]).await.done();
    assert_eq!(subscriptions().await, 1);
    // Without the record it is known by its name.
    operator.setup(&[]).await.done();
    std::fs::remove_file(operator.state_file()).unwrap();
    operator.setup(&[]).await.done();
    assert_eq!(subscriptions().await, 2);
    operator.teardown(&[]).await.done();
    assert_eq!(subscriptions().await, 1);
}

#[tokio::test]
async fn a_sink_that_has_failed_is_replaced_and_one_of_the_users_left_to_them() {
    let destination = format!("{PUBLIC_URL}/taskrouter/event-stream");
    for theirs in [false, true] {
        let operator = Operator::new().await;
        let client = operator.client();
        let failed = match theirs {
            true => operator.add_sink("Mine", &destination).await,
            false => {
                operator.setup(&["--via", "event-streams"]).await.done();
                client.sinks().await.unwrap()[0].sid
            }
        };
        operator.simulator.fail_sinks();
        let output = operator.setup(&[]).await.done();
        let says = format!("sink Mine ({failed}) has failed");
        assert_eq!(output.contains(&says), theirs, "{output}");
        let sinks = client.sinks().await.unwrap();
        let others: Vec<_> = sinks.iter().filter(|sink| sink.sid != failed).collect();
        assert_eq!((others.len(), sinks.len()), (1, 1 + usize::from(theirs)));
        let subscriptions = client.subscriptions(&others[0].sid).await.unwrap();
        assert_eq!(subscriptions.len(), 1);
        assert!(operator.setup(&[]).await.done().contains("Nothing to do"));
        operator.teardown(&[]).await.done();
        let left = client.sinks().await.unwrap().into_iter();
        let left: Vec<_> = left.map(|sink| sink.sid).collect();
        assert_eq!(left, if theirs { vec![failed] } else { vec![] });
    }
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

    // Twilio's own, chosen.
    operator
        .setup(&["--reservation-timeout", "120"])
        .await
        .done();
    assert_eq!(timeout().await, Some(120));
    assert!(operator.setup(&[]).await.done().contains("Nothing to do"));
    operator
        .setup(&["--reservation-timeout", "30"])
        .await
        .done();

    // As workflows of an earlier setup have it, which recorded nothing of it.
    let record = std::fs::read_to_string(operator.state_file()).unwrap();
    let record = record.replace(
        "\"reservation_timeout\": 30",
        "\"reservation_timeout\": null",
    );
    std::fs::write(operator.state_file(), record).unwrap();
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
