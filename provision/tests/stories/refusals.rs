//! What stops setup, and what it says of it. Nothing is changed by any of them.

use std::time::Duration;

use provision::{Patience, Status};
use serde_json::json;
use simulator::{Config, Endpoint, Fault, NumberTaker, Rule};
use twilio::rest::{FlowDraft, TaskQueueDraft};

use crate::support::{Operator, PREFIX};

const NUMBER: &str = "+14155550150";

/// Runs setup, which must fail and change nothing, and says all of `words`.
async fn refused(operator: &Operator, more: &[&str], words: &[&str]) {
    let before = operator.snapshot().await;
    let output = operator.setup(more).await.failed();
    for word in words {
        assert!(output.contains(word), "no {word:?} in: {output}");
    }
    assert_eq!(operator.snapshot().await, before);
}

#[tokio::test]
async fn a_callback_of_somebody_else_is_not_cut_off() {
    let operator = Operator::with(Config {
        callback_url: Some("https://user:hush@crm.example.com/events?token=hush".into()),
        ..Config::default()
    })
    .await;
    let ways = [
        "https://crm.example.com/events",
        "--replace-callback",
        "--via event-streams",
    ];
    refused(&operator, &[], &ways).await;
    let output = operator.setup(&[]).await.failed();
    assert!(!output.contains("hush"), "{output}");
    operator.setup(&["--replace-callback"]).await.done();
    operator.teardown(&[]).await.done();
    let url = operator.workspace().await.event_callback_url;
    assert_eq!(url, "https://user:hush@crm.example.com/events?token=hush");
}

#[tokio::test]
async fn two_flex_workspaces_need_a_choice() {
    let operator = Operator::new().await;
    let other = operator.simulator.add_workspace("Flex Task Assignment");
    let mine = operator.workspace_sid();
    refused(
        &operator,
        &[],
        &[other.as_str(), mine.as_str(), "--workspace"],
    )
    .await;
    operator.setup(&["--workspace", mine.as_str()]).await.done();
}

#[tokio::test]
async fn a_workspace_that_does_not_exist_is_named() {
    let operator = Operator::new().await;
    let unknown = format!("WS{:032x}", 1);
    refused(&operator, &["--workspace", &unknown], &[&unknown]).await;
}

#[tokio::test]
async fn two_flows_of_our_name_are_a_clash_unless_one_is_recorded() {
    let operator = Operator::new().await;
    operator.setup(&[]).await.done();
    let client = operator.client();
    let ours = client.flows().await.unwrap()[0].sid;
    let definition = client
        .flow(&ours)
        .await
        .unwrap()
        .unwrap()
        .definition
        .to_string();
    let draft = FlowDraft {
        friendly_name: &format!("{PREFIX} Call Redirection Studio Flow"),
        definition: &definition,
        commit_message: "by hand",
    };
    let other = client.create_flow(&draft).await.unwrap().sid;
    let output = operator.setup(&[]).await.done();
    assert!(output.contains(ours.as_str()), "{output}");
    std::fs::remove_file(operator.state_file()).unwrap();
    refused(&operator, &[], &[ours.as_str(), other.as_str(), "--prefix"]).await;
}

/// Flows and sinks are the account's, and carry the same names there.
#[tokio::test]
async fn flows_and_sinks_of_another_workspace_are_left_to_it() {
    let mut operator = Operator::new().await;
    let via_streams = ["--via", "event-streams"];
    operator.setup(&via_streams).await.done();
    let client = operator.client();
    let flow = client.flows().await.unwrap()[0].sid;
    let sink = client.sinks().await.unwrap()[0].sid;
    let other = operator.simulator.add_workspace("Night shift");
    let team = TaskQueueDraft {
        friendly_name: "Team",
        target_workers: "1==1",
    };
    let team = client.create_task_queue(&other, &team).await.unwrap().sid;
    let filter = json!({ "expression": "1==1", "targets": [{ "queue": team, "timeout": 20 }] });
    let configuration = json!({ "task_routing": { "filters": [filter] } }).to_string();
    let workflow = client.create_workflow(&other, "Night", &configuration);
    let workflow = workflow.await.unwrap().sid;
    operator.record = "night.json";
    operator.public_url = "https://night.example.com".into();
    std::fs::remove_file(operator.path(".env")).unwrap();
    let there = ["--workspace", other.as_str()];
    refused(&operator, &there, &[flow.as_str(), "--prefix"]).await;
    let extend = [&there[..], &["--workflow", workflow.as_str()]].concat();
    for via in [&[][..], &via_streams] {
        let extend = [&extend[..], via].concat();
        refused(&operator, &extend, &[sink.as_str(), "--prefix"]).await;
    }
    let before = operator.snapshot().await;
    operator.teardown(&there).await.done();
    assert_eq!(operator.snapshot().await, before);
    let apart = [&extend[..], &["--prefix", "[Night]"], &via_streams].concat();
    operator.setup(&apart).await.done();
    operator.teardown(&there).await.done();
    assert_eq!(operator.snapshot().await.at_twilio(), before);
}

#[tokio::test]
async fn a_number_that_something_else_answers_is_left_alone() {
    for (taker, word) in [
        (NumberTaker::Application, "TwiML application AP"),
        (NumberTaker::Trunk, "SIP trunk TK"),
    ] {
        let operator = Operator::new().await;
        let number = NUMBER.parse().unwrap();
        let old = "https://ivr.example.com/";
        operator.simulator.add_number(number, old, Some(taker));
        refused(&operator, &["--number", NUMBER], &[word]).await;
    }
    let operator = Operator::new().await;
    refused(&operator, &["--number", NUMBER], &["no phone number"]).await;
}

#[tokio::test]
async fn wrong_credentials_are_said_to_be_that() {
    let operator = Operator::new()
        .await
        .with_auth_token("0123456789abcdef0123456789abcdef");
    let output = operator.setup(&[]).await.failed();
    assert!(output.contains("TWILIO_AUTH_TOKEN"), "{output}");
    assert!(!output.contains("0123456789abcdef"), "{output}");
}

#[tokio::test]
async fn missing_permissions_are_said_to_be_that() {
    let operator = Operator::new().await;
    let forbidden = Fault::Status {
        status: 403,
        code: 20403,
        retry_after: None,
    };
    operator
        .simulator
        .faults()
        .add(Rule::on([Endpoint::CreateWorkflow], forbidden));
    let output = operator.setup(&[]).await.failed();
    let words = [
        "cannot set up workflow",
        "403",
        "may not do that",
        "main API key",
    ];
    for word in words {
        assert!(output.contains(word), "no {word:?} in: {output}");
    }
}

#[tokio::test]
async fn rate_limits_are_waited_out_within_a_bound() {
    let mut operator = Operator::new().await;
    operator.patience = Patience {
        policy: retry::Policy::new(Duration::from_millis(1), Duration::from_millis(5)).unwrap(),
        limit: Duration::from_secs(60),
    };
    operator
        .simulator
        .faults()
        .add(Rule::everywhere(Fault::TOO_MANY_REQUESTS).with_probability(0.5));
    operator.setup(&[]).await.done();
    operator.simulator.faults().clear();
    assert!(operator.setup(&[]).await.done().contains("Nothing to do"));

    operator.patience.limit = Duration::from_millis(50);
    // Longer than the bound: not even tried.
    let fault = Fault::too_many_requests(3600);
    operator.simulator.faults().add(Rule::everywhere(fault));
    let output = operator.setup(&[]).await.failed();
    assert!(output.contains("asked too often"), "{output}");
}

#[tokio::test]
async fn wrong_settings_are_all_named_at_once() {
    let mut operator = Operator::new().await;
    operator.public_url = "https://overflow.example.com/taskrouter/events".into();
    let run = operator.setup(&["--number", "555", "--prefix", " "]).await;
    assert_eq!(run.status, Status::WrongSettings);
    for word in ["--public-url", "--number", "--prefix"] {
        assert!(run.output.contains(word), "no {word:?} in: {}", run.output);
    }
    assert_eq!(operator.simulator.journal().request_count(), 0);
}

#[tokio::test]
async fn the_record_of_another_account_is_not_overwritten() {
    let operator = Operator::new().await;
    operator.setup(&[]).await.done();
    let text = std::fs::read_to_string(operator.state_file()).unwrap();
    let other = format!("AC{:032x}", 1);
    let text = text.replace(operator.simulator.account_sid().as_str(), &other);
    std::fs::write(operator.state_file(), text).unwrap();
    refused(&operator, &[], &[&other, "--state-file"]).await;
}
