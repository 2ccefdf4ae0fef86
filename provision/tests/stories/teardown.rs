//! `overflow teardown`: what it removes, what it puts back, and what it leaves.

use simulator::{Config, PlaceCall};
use twilio::rest::{VoiceWebhook, WorkspaceChange};

use crate::support::{Desk, PREFIX};

const NUMBER: &str = "+14155550150";
const OLD_VOICE_URL: &str = "https://ivr.example.com/welcome";

#[tokio::test]
async fn everything_is_as_it_was() {
    let desk = Desk::with(Config {
        callback_url: Some("https://crm.example.com/events#rc=1".into()),
        events_filter: Some("worker.activity.update".into()),
        ..Config::default()
    })
    .await;
    desk.add_number(NUMBER, OLD_VOICE_URL);
    let before = desk.snapshot().await.at_twilio();
    desk.setup(&["--replace-callback", "--number", NUMBER])
        .await
        .done();
    let env = desk.env_file();
    let output = desk.teardown(&[]).await.done();
    assert!(output.contains(OLD_VOICE_URL), "{output}");
    assert_eq!(desk.snapshot().await.at_twilio(), before);
    assert_eq!(desk.env_file(), env, "the settings file is not teardown's");
    let again = desk.teardown(&[]).await.done();
    assert!(again.contains("Nothing of ours is left"), "{again}");
}

#[tokio::test]
async fn it_shows_the_list_and_asks_first() {
    let desk = Desk::new().await;
    desk.setup(&[]).await.done();
    let before = desk.snapshot().await;
    let output = desk.run_answering(&["teardown"], &[false]).await.failed();
    for line in [
        "- workflow",
        "- Studio flow",
        "- task queue",
        "~ event callback",
    ] {
        assert!(output.contains(line), "{output}");
    }
    desk.run(&["teardown", "--dry-run"]).await.done();
    desk.run(&["teardown"]).await.failed();
    assert_eq!(desk.snapshot().await, before);
}

#[tokio::test]
async fn without_the_record_it_removes_what_carries_the_prefix_and_says_what_it_cannot_restore() {
    let desk = Desk::new().await;
    desk.add_number(NUMBER, OLD_VOICE_URL);
    let before = desk.snapshot().await.at_twilio();
    desk.setup(&["--number", NUMBER]).await.done();
    std::fs::remove_file(desk.state_file()).unwrap();
    let output = desk.teardown(&[]).await.done();
    for words in [
        "can't be restored",
        "where it led before is not recorded",
        "what the event callback was before setup is not recorded",
    ] {
        assert!(output.contains(words), "no {words:?} in: {output}");
    }
    let left = desk.snapshot().await.at_twilio();
    let ours = left.0.iter().find(|line| line.contains(PREFIX));
    assert_eq!(ours, None);
    assert_eq!(left.0.len(), before.0.len());
    assert_eq!(desk.workspace().await.event_callback_url, "");
}

#[tokio::test]
async fn what_others_changed_since_is_left_to_them() {
    let desk = Desk::new().await;
    desk.add_number(NUMBER, OLD_VOICE_URL);
    desk.setup(&["--number", NUMBER]).await.done();
    let client = desk.client();
    let theirs = WorkspaceChange {
        event_callback_url: "https://theirs.example.com/",
        events_filter: "task.created",
    };
    client
        .update_workspace(&desk.workspace_sid(), theirs)
        .await
        .unwrap();
    let account = desk.simulator.account_sid();
    let number = desk.number(NUMBER).await.sid;
    let voice = VoiceWebhook {
        url: "https://theirs.example.com/voice".into(),
        method: "GET".into(),
    };
    client
        .update_incoming_number(&account, &number, &voice)
        .await
        .unwrap();
    let output = desk.teardown(&[]).await.done();
    assert!(
        output.contains("was pointed elsewhere since setup"),
        "{output}"
    );
    assert!(output.contains("was changed since setup"), "{output}");
    let workspace = desk.workspace().await;
    assert_eq!(workspace.event_callback_url, "https://theirs.example.com/");
    assert_eq!(workspace.events_filter, "task.created");
    assert_eq!(desk.number(NUMBER).await.voice.url, voice.url);
}

#[tokio::test]
async fn an_event_that_others_added_to_the_filter_stays_in_it() {
    let desk = Desk::with(Config {
        events_filter: Some("task.created".into()),
        ..Config::default()
    })
    .await;
    desk.setup(&[]).await.done();
    let workspace = desk.workspace().await;
    let filter = format!("{},worker.activity.update", workspace.events_filter);
    let change = WorkspaceChange {
        event_callback_url: &workspace.event_callback_url,
        events_filter: &filter,
    };
    desk.client()
        .update_workspace(&workspace.sid, change)
        .await
        .unwrap();
    desk.teardown(&[]).await.done();
    let filter = desk.workspace().await.events_filter;
    assert_eq!(filter, "task.created,worker.activity.update");
}

#[tokio::test]
async fn nobody_is_left_waiting_unless_forced() {
    let desk = Desk::new().await;
    desk.setup(&[]).await.done();
    let workflows = desk
        .client()
        .workflows(&desk.workspace_sid())
        .await
        .unwrap();
    let call = PlaceCall {
        workflow: Some(workflows.last().unwrap().sid),
        ..PlaceCall::into_placeholder()
    };
    desk.simulator.place_call(call).unwrap();
    let before = desk.snapshot().await;
    let output = desk.teardown(&[]).await.failed();
    assert!(output.contains("1 in task queue"), "{output}");
    assert!(output.contains("--force"), "{output}");
    assert_eq!(desk.snapshot().await, before);
    desk.teardown(&["--force"]).await.done();
}

#[tokio::test]
async fn another_prefix_is_another_set() {
    let mut desk = Desk::new().await;
    desk.setup(&["--prefix", "[Night]"]).await.done();
    let with_one = desk.snapshot().await;
    desk.record = "day.json";
    desk.setup(&["--prefix", "[Day]"]).await.done();
    let with_two = desk.snapshot().await;
    assert!(with_two.0.len() > with_one.0.len());
    // The prefix is known from the record.
    desk.teardown(&[]).await.done();
    let left = desk.snapshot().await;
    assert!(
        !left.0.iter().any(|line| line.contains("[Day]")),
        "{left:?}"
    );
    assert!(
        left.0.iter().any(|line| line.contains("<flow [Night]")),
        "{left:?}"
    );
}

#[tokio::test]
async fn resources_that_terraform_made_can_be_left_to_it() {
    let desk = Desk::new().await;
    desk.add_number(NUMBER, OLD_VOICE_URL);
    desk.setup(&["--number", NUMBER]).await.done();
    let resources = async || {
        let client = desk.client();
        let workspace = desk.workspace_sid();
        let queues = client.task_queues(&workspace).await.unwrap().len();
        let workflows = client.workflows(&workspace).await.unwrap().len();
        (queues, workflows, client.flows().await.unwrap().len())
    };
    let before = resources().await;
    desk.teardown(&["--keep-resources"]).await.done();
    assert_eq!(resources().await, before);
    assert_eq!(desk.workspace().await.event_callback_url, "");
    assert_eq!(desk.number(NUMBER).await.voice.url, OLD_VOICE_URL);
}
