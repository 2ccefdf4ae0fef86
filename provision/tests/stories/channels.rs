//! Messages and calls in one workflow, and targets that can be skipped, as doctor sees them.

use serde_json::json;
use simulator::{Config, OtherTask};

use crate::shapes::{Account, account};
use crate::support::{Operator, env_value};

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
    assert!(!doctor(&operator).await.contains("messages, too, get"));
    // As an earlier setup recorded it, which knew no other way.
    let record = std::fs::read_to_string(operator.state_file()).unwrap();
    std::fs::write(
        operator.state_file(),
        record.replace("\"in_place\": true", "\"in_place\": false"),
    )
    .unwrap();
    let report = doctor(&operator).await;
    let finding = "messages, too, get to the placeholder by filter \"All\"";
    assert!(report.contains(finding), "{report}");
    let chat = json!({ "channelType": "web" });
    let way = || operator.simulator.way_of(workflow, &chat);
    assert_eq!(way().len(), 3);
    operator.setup(&extend).await.done();
    assert_eq!(way(), [queues["Sales"], queues["Everyone"]]);
    assert!(!doctor(&operator).await.contains("messages, too, get"));
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
    assert!(report.contains("holds 1 task without a call"), "{report}");
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
