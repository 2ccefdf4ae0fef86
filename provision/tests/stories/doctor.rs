//! `overflow doctor` on set-ups that are right and wrong.

use clock::Clock;
use jiff::{SignedDuration, Timestamp};
use simulator::{Config, NumberTaker};
use twilio::rest::{TaskQueueDraft, WorkspaceChange};

use crate::support::{Desk, PREFIX, Run, RunningIngest, env_value, json};

const NUMBER: &str = "+14155550150";

/// A desk that is set up, with ingest running.
struct Ready {
    desk: Desk,
    placeholder: String,
    ingest: Option<RunningIngest>,
    forward_to: &'static str,
}

impl Ready {
    async fn new() -> Self {
        Self::with(Desk::new().await, &[]).await
    }

    async fn with(mut desk: Desk, more: &[&str]) -> Self {
        desk.add_number(NUMBER, "https://ivr.example.com/");
        desk.setup(&["--number", NUMBER]).await.done();
        let placeholder = env_value(&desk.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
        let ingest = RunningIngest::start(&mut desk, &placeholder).await;
        desk.setup(more).await.done();
        Self {
            desk,
            placeholder,
            ingest: Some(ingest),
            forward_to: "+14155550100",
        }
    }

    async fn doctor(&self, more: &[&str]) -> Run {
        let queue = format!("sqlite:{}", self.desk.path("queue.db").display());
        let arguments = [
            "doctor",
            "--forward-call-task-queue-sid",
            &self.placeholder,
            "--forward-to-number",
            self.forward_to,
            "--queue",
            &queue,
        ];
        self.desk.run(&[&arguments[..], more].concat()).await
    }

    /// Doctor fails, with a line that holds all of `words`.
    async fn finds(&self, words: &[&str]) {
        let output = self.doctor(&[]).await.failed();
        let mut problems = output.lines().filter(|line| line.starts_with('✗'));
        assert!(
            problems.any(|line| words.iter().all(|word| line.contains(word))),
            "no {words:?} in: {output}"
        );
    }

    /// Doctor has a warning that holds all of `words`.
    async fn warns(&self, words: &[&str]) {
        let output = self.doctor(&[]).await.done();
        let mut warnings = output.lines().filter(|line| line.starts_with('!'));
        assert!(
            warnings.any(|line| words.iter().all(|word| line.contains(word))),
            "no {words:?} in: {output}"
        );
    }
}

#[tokio::test]
async fn a_good_set_up_is_found_good_and_left_as_it_is() {
    let ready = Ready::new().await;
    let before = ready.desk.snapshot().await;
    let asked = usize::try_from(ready.desk.simulator.journal().request_count()).unwrap();
    let output = ready.doctor(&[]).await.done();
    assert!(!output.contains('✗'), "{output}");
    for check in [
        "✓ credentials",
        "✓ clock",
        "✓ region",
        "✓ auth token",
        "✓ workspace",
        "✓ placeholder",
        "✓ workflow",
        "✓ default filter",
        "✓ voice queue",
        "✓ event callback",
        "✓ number",
        "✓ geo permissions",
        "✓ ingest",
        "✓ signatures",
        "✓ queue",
    ] {
        assert!(output.contains(check), "no {check:?} in: {output}");
    }
    assert!(!output.contains("4155550100"), "{output}");
    assert!(
        !output.contains(ready.desk.simulator.auth_token()),
        "{output}"
    );
    let journal = ready.desk.simulator.journal();
    assert!(journal.requests().skip(asked).all(|r| r.method == "GET"));
    assert_eq!(ready.desk.snapshot().await, before);
    assert!(
        output.contains("0 waiting"),
        "the test callback was queued: {output}"
    );
}

#[tokio::test]
async fn the_findings_come_as_json_too() {
    let ready = Ready::new().await;
    let report = json(&ready.doctor(&["--json"]).await.done());
    assert_eq!(report["ok"], true);
    let checks = report["checks"].as_array().unwrap();
    let placeholder = checks.iter().find(|line| line["check"] == "placeholder");
    assert_eq!(placeholder.unwrap()["status"], "ok");

    ready.desk.simulator.set_country_allowed("US", false);
    let report = json(&ready.doctor(&["--json"]).await.failed());
    assert_eq!(report["ok"], false);
    let checks = report["checks"].as_array().unwrap();
    let geo = checks
        .iter()
        .find(|line| line["check"] == "geo permissions");
    assert_eq!(geo.unwrap()["status"], "problem");
    assert!(
        geo.unwrap()["todo"]
            .as_str()
            .unwrap()
            .contains("Geo permissions")
    );
}

#[tokio::test]
async fn a_country_that_may_not_be_dialled_is_found() {
    let mut ready = Ready::new().await;
    ready.forward_to = "+442071838750";
    ready.doctor(&[]).await.done();
    ready.desk.simulator.set_country_allowed("GB", false);
    ready.finds(&["geo permissions", "United Kingdom"]).await;
}

#[tokio::test]
async fn a_placeholder_that_rings_agents_is_found() {
    let ready = Ready::new().await;
    let placeholder = ready.placeholder.parse().unwrap();
    for (expression, found) in [("1==1", true), ("level > 3", false)] {
        let draft = TaskQueueDraft {
            friendly_name: &format!("{PREFIX} Call Redirection"),
            target_workers: expression,
        };
        let client = ready.desk.client();
        client
            .update_task_queue(&ready.desk.workspace_sid(), &placeholder, &draft)
            .await
            .unwrap();
        match found {
            true => ready.finds(&["placeholder", "every worker"]).await,
            false => ready.warns(&["placeholder", "level > 3"]).await,
        }
    }
}

#[tokio::test]
async fn a_placeholder_that_does_not_exist_is_found() {
    let mut ready = Ready::new().await;
    ready.placeholder = format!("WQ{:032x}", 1);
    let unknown = ready.placeholder.clone();
    ready.finds(&["placeholder", &unknown]).await;
}

#[tokio::test]
async fn a_workflow_that_keeps_callers_from_the_placeholder_is_found() {
    let ready = Ready::new().await;
    let (client, workspace) = (ready.desk.client(), ready.desk.workspace_sid());
    let workflow = client.workflows(&workspace).await.unwrap().pop().unwrap();
    let set = async |configuration: &str| {
        client
            .update_workflow(&workspace, &workflow.sid, configuration)
            .await
            .unwrap();
    };
    let text = &workflow.configuration;
    let placeholder = format!("\"queue\":\"{}\"", ready.placeholder);

    set(&text.replace("\"timeout\":10", "\"priority\":1")).await;
    ready.finds(&["workflow", "no caller gets past"]).await;
    let timed = text.replacen(&placeholder, &format!("{placeholder},\"timeout\":60"), 1);
    set(&timed).await;
    ready.finds(&["workflow", "timeout", "deleted"]).await;
    let everyone = client.task_queues(&workspace).await.unwrap();
    let everyone = format!("\"queue\":\"{}\"", everyone[0].sid);
    set(&text.replace(&placeholder, &everyone)).await;
    ready.finds(&["workflow", "no workflow leads"]).await;
}

#[tokio::test]
async fn events_that_go_elsewhere_are_found() {
    let ready = Ready::new().await;
    let workspace = ready.desk.workspace().await;
    let set = async |url: &str, filter: &str| {
        let change = WorkspaceChange {
            event_callback_url: url,
            events_filter: filter,
        };
        let client = ready.desk.client();
        client
            .update_workspace(&workspace.sid, change)
            .await
            .unwrap();
    };
    let url = &workspace.event_callback_url;
    set("https://crm.example.com/", &workspace.events_filter).await;
    ready
        .finds(&["event callback", "https://crm.example.com/"])
        .await;
    set(url, "task.created, task.canceled").await;
    ready.finds(&["event callback", "task-queue.entered"]).await;
    set(url, "task-queue.entered").await;
    ready.warns(&["event callback", "workflow.timeout"]).await;
    let bare = url.split('#').next().unwrap();
    set(bare, "").await;
    ready
        .warns(&["event callback", "no connection overrides"])
        .await;
}

#[tokio::test]
async fn event_streams_are_as_good_as_the_callback() {
    let ready = Ready::with(Desk::new().await, &["--via", "event-streams"]).await;
    let output = ready.doctor(&[]).await.done();
    assert!(output.contains("✓ event stream"), "{output}");
    assert!(!output.contains("✗"), "{output}");
}

#[tokio::test]
async fn an_ingest_that_is_away_or_knows_another_token_is_found() {
    let mut ready = Ready::new().await;
    ready.ingest.take().unwrap().stop().await;
    ready.finds(&["ingest", "does not answer"]).await;

    let mut ready = Ready::new().await;
    ready.desk = ready
        .desk
        .with_auth_token("0123456789abcdef0123456789abcdef");
    let output = ready.doctor(&[]).await.failed();
    assert!(output.contains("✗ ingest"), "{output}");
    assert!(output.contains("refuses a callback"), "{output}");
    assert!(output.contains("✗ credentials"), "{output}");
}

#[tokio::test]
async fn something_else_behind_the_public_url_is_found() {
    let mut ready = Ready::new().await;
    // The simulator asks for credentials there.
    let url = ready
        .desk
        .simulator
        .api_url()
        .as_str()
        .trim_end_matches('/')
        .to_owned();
    ready.desk.public_url = url;
    ready.finds(&["ingest", "401", "something else"]).await;
}

#[tokio::test]
async fn a_number_that_something_else_answers_is_found() {
    let desk = Desk::new().await;
    let ready = Ready::with(desk, &[]).await;
    let flow = ready.desk.number(NUMBER).await.voice.url;
    let taken = "+14155550151".parse().unwrap();
    let simulator = &ready.desk.simulator;
    simulator.add_number(taken, &flow, Some(NumberTaker::Trunk));
    ready.finds(&["number", "SIP trunk"]).await;
}

#[tokio::test]
async fn settings_that_are_missing_are_findings_and_the_rest_is_checked() {
    let desk = Desk::with(Config::default()).await;
    let queue = format!("sqlite:{}/nowhere/queue.db", desk.folder.path().display());
    let output = desk.run(&["doctor", "--queue", &queue]).await.failed();
    for words in [
        "FORWARD_CALL_TASK_QUEUE_SID: is not set",
        "FORWARD_TO_NUMBER: is not set",
        "✓ credentials",
        "its directory doesn't exist",
    ] {
        assert!(output.contains(words), "no {words:?} in: {output}");
    }
}

#[tokio::test]
async fn an_api_key_alone_is_not_enough_for_ingest() {
    let desk = Desk::new().await;
    let account = desk.simulator.account().clone();
    let key = account.api_key.to_string();
    let arguments = [
        "doctor",
        "--api-key-sid",
        &key,
        "--api-key-secret",
        &account.api_key_secret,
    ];
    let desk = desk.with_auth_token("");
    let output = desk.run(&arguments).await.failed();
    assert!(output.contains("✗ auth token"), "{output}");
    assert!(output.contains("✓ credentials"), "{output}");
}

#[tokio::test]
async fn callers_who_have_no_number_to_show_are_warned_of_unless_there_is_one_for_all() {
    let ready = Ready::new().await;
    ready.warns(&["caller ID", "by SIP"]).await;
    let given = ["--forward-caller-id", "+14155550199"];
    let output = ready.doctor(&given).await.done();
    assert!(!output.contains("by SIP"), "{output}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_found_whichever_way() {
    for (twilio_ahead_s, side) in [(-1205, "ahead of"), (1205, "behind")] {
        let twilios = Timestamp::now() + SignedDuration::from_secs(twilio_ahead_s);
        let config = Config {
            clock: Clock::simulated(twilios),
            ..Config::default()
        };
        let ready = Ready::with(Desk::with(config).await, &[]).await;
        // 1204 or 1206 as well: Twilio says whole seconds.
        ready.warns(&["clock", " 120", side]).await;
    }
}
