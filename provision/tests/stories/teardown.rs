//! `overflow teardown`: what it removes, what it puts back, and what it leaves.

use simulator::{Config, PlaceCall};
use twilio::PublicUrl;
use twilio::rest::{VoiceWebhook, WorkspaceChange};

use crate::support::{Operator, PREFIX, PUBLIC_URL};

const NUMBER: &str = "+14155550150";
const OLD_VOICE_URL: &str = "https://ivr.example.com/welcome";

#[tokio::test]
async fn everything_is_as_it_was() {
    let operator = Operator::with(Config {
        callback_url: Some("https://crm.example.com/events#rc=1".into()),
        events_filter: Some("worker.activity.update".into()),
        ..Config::default()
    })
    .await;
    operator.add_number(NUMBER, OLD_VOICE_URL);
    let before = operator.snapshot().await.at_twilio();
    operator
        .setup(&["--replace-callback", "--number", NUMBER])
        .await
        .done();
    let env = operator.env_file();
    let output = operator.teardown(&[]).await.done();
    assert!(output.contains(OLD_VOICE_URL), "{output}");
    assert_eq!(operator.snapshot().await.at_twilio(), before);
    assert_eq!(
        operator.env_file(),
        env,
        "the settings file is not teardown's"
    );
    let again = operator.teardown(&[]).await.done();
    assert!(again.contains("Nothing of ours is left"), "{again}");
}

#[tokio::test]
async fn it_shows_the_list_and_asks_first() {
    let operator = Operator::new().await;
    operator.setup(&[]).await.done();
    let before = operator.snapshot().await;
    let output = operator
        .run_answering(&["teardown"], &[false])
        .await
        .failed();
    for line in [
        "- workflow",
        "- Studio flow",
        "- task queue",
        "~ event callback",
    ] {
        assert!(output.contains(line), "{output}");
    }
    operator.run(&["teardown", "--dry-run"]).await.done();
    operator.run(&["teardown"]).await.failed();
    assert_eq!(operator.snapshot().await, before);
}

#[tokio::test]
async fn without_the_record_it_removes_what_carries_the_prefix_and_says_what_it_cannot_restore() {
    let operator = Operator::new().await;
    operator.add_number(NUMBER, OLD_VOICE_URL);
    let before = operator.snapshot().await.at_twilio();
    operator.setup(&["--number", NUMBER]).await.done();
    std::fs::remove_file(operator.state_file()).unwrap();
    let output = operator.teardown(&[]).await.done();
    for words in [
        "can't be restored",
        "where it led before is not recorded",
        "what the event callback was before setup is not recorded",
    ] {
        assert!(output.contains(words), "no {words:?} in: {output}");
    }
    let left = operator.snapshot().await.at_twilio();
    let ours = left.0.iter().find(|line| line.contains(PREFIX));
    assert_eq!(ours, None);
    assert_eq!(left.0.len(), before.0.len());
    assert_eq!(operator.workspace().await.event_callback_url, "");
}

#[tokio::test]
async fn what_others_changed_since_is_left_to_them() {
    let operator = Operator::new().await;
    operator.add_number(NUMBER, OLD_VOICE_URL);
    operator.setup(&["--number", NUMBER]).await.done();
    let client = operator.client();
    let theirs = WorkspaceChange {
        event_callback_url: "https://theirs.example.com/",
        events_filter: "task.created",
    };
    client
        .update_workspace(&operator.workspace_sid(), theirs)
        .await
        .unwrap();
    let account = operator.simulator.account_sid();
    let number = operator.number(NUMBER).await.sid;
    let voice = VoiceWebhook {
        url: "https://theirs.example.com/voice".into(),
        method: "GET".into(),
    };
    client
        .update_incoming_number(&account, &number, &voice)
        .await
        .unwrap();
    let output = operator.teardown(&[]).await.done();
    assert!(
        output.contains("was pointed elsewhere since setup"),
        "{output}"
    );
    assert!(output.contains("was changed since setup"), "{output}");
    let workspace = operator.workspace().await;
    assert_eq!(workspace.event_callback_url, "https://theirs.example.com/");
    assert_eq!(workspace.events_filter, "task.created");
    assert_eq!(operator.number(NUMBER).await.voice.url, voice.url);
}

#[tokio::test]
async fn an_event_that_others_added_to_the_filter_stays_in_it() {
    let operator = Operator::with(Config {
        events_filter: Some("task.created".into()),
        ..Config::default()
    })
    .await;
    operator.setup(&[]).await.done();
    let workspace = operator.workspace().await;
    let filter = format!("{},worker.activity.update", workspace.events_filter);
    let change = WorkspaceChange {
        event_callback_url: &workspace.event_callback_url,
        events_filter: &filter,
    };
    operator
        .client()
        .update_workspace(&workspace.sid, change)
        .await
        .unwrap();
    operator.teardown(&[]).await.done();
    let filter = operator.workspace().await.events_filter;
    assert_eq!(filter, "task.created,worker.activity.update");
}

#[tokio::test]
async fn nobody_is_left_waiting_unless_forced() {
    let operator = Operator::new().await;
    operator.setup(&[]).await.done();
    let workflows = operator
        .client()
        .workflows(&operator.workspace_sid())
        .await
        .unwrap();
    let call = PlaceCall {
        workflow: Some(workflows.last().unwrap().sid),
        ..PlaceCall::into_placeholder()
    };
    operator.simulator.place_call(call).unwrap();
    let before = operator.snapshot().await;
    let output = operator.teardown(&[]).await.failed();
    assert!(output.contains("1 in task queue"), "{output}");
    assert!(output.contains("--force"), "{output}");
    assert_eq!(operator.snapshot().await, before);
    operator.teardown(&["--force"]).await.done();
}

#[tokio::test]
async fn another_prefix_is_another_set() {
    let mut operator = Operator::new().await;
    operator.setup(&["--prefix", "[Night]"]).await.done();
    let with_one = operator.snapshot().await;
    operator.record = "day.json";
    operator.setup(&["--prefix", "[Day]"]).await.done();
    let with_two = operator.snapshot().await;
    assert!(with_two.0.len() > with_one.0.len());
    // The prefix is known from the record.
    operator.teardown(&[]).await.done();
    let left = operator.snapshot().await;
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
    let operator = Operator::new().await;
    operator.add_number(NUMBER, OLD_VOICE_URL);
    operator.setup(&["--number", NUMBER]).await.done();
    let resources = async || {
        let client = operator.client();
        let workspace = operator.workspace_sid();
        let queues = client.task_queues(&workspace).await.unwrap().len();
        let workflows = client.workflows(&workspace).await.unwrap().len();
        (queues, workflows, client.flows().await.unwrap().len())
    };
    let before = resources().await;
    operator.teardown(&["--keep-resources"]).await.done();
    assert_eq!(resources().await, before);
    assert_eq!(operator.workspace().await.event_callback_url, "");
    assert_eq!(operator.number(NUMBER).await.voice.url, OLD_VOICE_URL);
}

#[tokio::test]
async fn a_callback_that_was_made_by_hand_like_ours_is_there_afterwards() {
    let by_hand = PUBLIC_URL.parse::<PublicUrl>().unwrap().event_callback();
    let operator = Operator::by_hand(Config {
        callback_url: Some(by_hand.clone()),
        events_filter: Some("task-queue.entered,task.canceled,workflow.timeout".into()),
        ..Config::default()
    })
    .await;
    let url = async || operator.workspace().await.event_callback_url;
    // The first writes settings, the second finds nothing to do.
    for said in ["Set up.", "Nothing to do"] {
        let output = operator.setup(&[]).await.done();
        assert!(output.contains(said), "{output}");
        let output = operator.teardown(&[]).await.done();
        assert!(output.contains("was there before setup"), "{output}");
        assert_eq!(url().await, by_hand);
    }
    operator.setup(&["--via", "event-streams"]).await.done();
    assert_eq!(url().await, "");
    let output = operator.setup(&[]).await.done();
    assert!(output.contains("Nothing to do"), "{output}");
    operator.teardown(&[]).await.done();
    assert_eq!(url().await, by_hand);
    // The way there and back.
    for arguments in [&[][..], &["--via", "event-streams"], &["--via", "callback"]] {
        operator.setup(arguments).await.done();
    }
    operator.teardown(&[]).await.done();
    assert_eq!(url().await, by_hand);
}

#[tokio::test]
async fn our_callback_is_ours_though_the_record_was_lost() {
    for again in [&[][..], &["--via", "event-streams"]] {
        let operator = Operator::new().await;
        operator.setup(&[]).await.done();
        std::fs::remove_file(operator.state_file()).unwrap();
        operator.setup(again).await.done();
        operator.teardown(&[]).await.done();
        assert_eq!(
            operator.workspace().await.event_callback_url,
            "",
            "{again:?}"
        );
    }
}
