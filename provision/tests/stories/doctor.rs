//! `overflow doctor` on set-ups that are right and wrong.

use clock::Clock;
use jiff::{SignedDuration, Timestamp};
use simulator::{Config, NumberTaker};
use twilio::rest::{TaskQueueDraft, WorkspaceChange};

use crate::support::{Operator, PREFIX, Run, RunningIngest, env_value, json};

const NUMBER: &str = "+14155550150";

/// An operator whose account is set up, with ingest running.
pub struct Ready {
    pub operator: Operator,
    pub placeholder: String,
    pub ingest: Option<RunningIngest>,
    pub forward_to: &'static str,
}

impl Ready {
    pub async fn new() -> Self {
        Self::with(Operator::new().await, &[]).await
    }

    pub async fn with(mut operator: Operator, more: &[&str]) -> Self {
        operator.add_number(NUMBER, "https://ivr.example.com/");
        operator.setup(&["--number", NUMBER]).await.done();
        let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
        let ingest = RunningIngest::start(&mut operator, &placeholder).await;
        operator.setup(more).await.done();
        Self {
            operator,
            placeholder,
            ingest: Some(ingest),
            forward_to: "+14155550100",
        }
    }

    pub async fn doctor(&self, more: &[&str]) -> Run {
        let (placeholder, forward_to) = (&self.placeholder, self.forward_to);
        self.operator.doctor(placeholder, forward_to, more).await
    }

    /// Doctor fails, with a line that holds all of `words`.
    pub async fn finds(&self, words: &[&str]) {
        let output = self.doctor(&[]).await.failed();
        let mut problems = output.lines().filter(|line| line.starts_with('✗'));
        assert!(
            problems.any(|line| words.iter().all(|word| line.contains(word))),
            "no {words:?} in: {output}"
        );
    }

    /// Doctor has a warning that holds all of `words`.
    pub async fn warns(&self, words: &[&str]) {
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
    let before = ready.operator.snapshot().await;
    let asked = usize::try_from(ready.operator.simulator.journal().request_count()).unwrap();
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
        "✓ dead letters",
    ] {
        assert!(output.contains(check), "no {check:?} in: {output}");
    }
    assert!(!output.contains("4155550100"), "{output}");
    assert!(
        !output.contains(ready.operator.simulator.auth_token()),
        "{output}"
    );
    let journal = ready.operator.simulator.journal();
    assert!(journal.requests().skip(asked).all(|r| r.method == "GET"));
    assert_eq!(ready.operator.snapshot().await, before);
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

    ready.operator.simulator.set_country_allowed("US", false);
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
    ready.operator.simulator.set_country_allowed("GB", false);
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
        let client = ready.operator.client();
        client
            .update_task_queue(&ready.operator.workspace_sid(), &placeholder, &draft)
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
    let (client, workspace) = (ready.operator.client(), ready.operator.workspace_sid());
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
    let workspace = ready.operator.workspace().await;
    let set = async |url: &str, filter: &str| {
        let change = WorkspaceChange {
            event_callback_url: url,
            events_filter: filter,
        };
        let client = ready.operator.client();
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
    let ready = Ready::with(Operator::new().await, &["--via", "event-streams"]).await;
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
    ready.operator = ready
        .operator
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
        .operator
        .simulator
        .api_url()
        .as_str()
        .trim_end_matches('/')
        .to_owned();
    ready.operator.public_url = url;
    ready.finds(&["ingest", "401", "something else"]).await;
}

#[tokio::test]
async fn a_number_that_something_else_answers_is_found() {
    let operator = Operator::new().await;
    let ready = Ready::with(operator, &[]).await;
    let flow = ready.operator.number(NUMBER).await.voice.url;
    let taken = "+14155550151".parse().unwrap();
    let simulator = &ready.operator.simulator;
    simulator.add_number(taken, &flow, Some(NumberTaker::Trunk));
    ready.finds(&["number", "SIP trunk"]).await;
}

#[tokio::test]
async fn settings_that_are_missing_are_findings_and_the_rest_is_checked() {
    let operator = Operator::with(Config::default()).await;
    let queue = format!(
        "sqlite:{}/nowhere/queue.db",
        operator.folder.path().display()
    );
    let output = operator.run(&["doctor", "--queue", &queue]).await.failed();
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
    let operator = Operator::new().await;
    let account = operator.simulator.account().clone();
    let key = account.api_key.to_string();
    let arguments = [
        "doctor",
        "--api-key-sid",
        &key,
        "--api-key-secret",
        &account.api_key_secret,
    ];
    let operator = operator.with_auth_token("");
    let output = operator.run(&arguments).await.failed();
    assert!(output.contains("✗ auth token"), "{output}");
    assert!(output.contains("✓ credentials"), "{output}");
}

#[tokio::test]
async fn doctor_warns_of_callers_without_a_number_unless_one_is_set_for_all() {
    let ready = Ready::new().await;
    ready.warns(&["caller ID", "by SIP"]).await;
    let given = ["--forward-caller-id-fallback", NUMBER];
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
        let ready = Ready::with(Operator::with(config).await, &[]).await;
        // 1204 or 1206 as well: Twilio says whole seconds.
        ready.warns(&["clock", " 120", side]).await;
    }
}
