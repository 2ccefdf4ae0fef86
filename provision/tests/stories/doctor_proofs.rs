//! `overflow doctor` proves what it says, and says what it can't prove.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use queue::{
    CallerEnd, Cause, Content, Message, Options, Outcome, OutcomeKind, Reason, RedirectRequest,
    Redirected, Source,
};
use serde_json::json;
use simulator::{Account, Config, Fault, Rule};
use tokio::sync::Notify;
use twilio::rest::{Endpoint, EventSchema, FlowDraft, WorkspaceChange};
use twilio::{AuthToken, CLOUD_EVENT_PREFIX, EVENTS_PATH, FormParams, SIGNATURE_HEADER, sign_form};

use crate::doctor::Ready;
use crate::support::{Answers, Operator, RunningIngest, env_value};

const PRIMARY: &str = "0123456789abcdef0123456789abcdef";
const SECONDARY: &str = "fedcba9876543210fedcba9876543210";

#[tokio::test]
async fn the_secondary_auth_token_is_accepted_and_signs_nothing() {
    let account = Account {
        secondary_auth_token: Some(SECONDARY.to_owned()),
        ..Account::new(format!("AC{:032x}", 1).parse().unwrap(), PRIMARY.to_owned())
    };
    let config = Config {
        account: Some(account),
        ..Config::default()
    };
    let mut ready = Ready::with(Operator::with(config).await, &[]).await;
    ready.operator = ready.operator.with_auth_token(SECONDARY);
    ready
        .finds(&["auth token", "secondary", "signs with the primary"])
        .await;

    let both = format!("{SECONDARY},{PRIMARY}");
    ready.operator = ready.operator.with_auth_token(&both);
    let output = ready.doctor(&[]).await.done();
    assert!(
        output.contains("auth token 2 of 2 is the account's primary one"),
        "{output}"
    );
    assert!(
        !output.contains(PRIMARY) && !output.contains(SECONDARY),
        "{output}"
    );
}

#[tokio::test]
async fn a_sink_that_twilio_gave_up_on_is_found() {
    let ready = Ready::with(Operator::new().await, &["--via", "event-streams"]).await;
    ready.operator.simulator.fail_sinks();
    ready.finds(&["event stream", "has failed"]).await;

    // By the callback, redirects work; the sink is worth a look.
    set_callback(
        &ready,
        &format!("{}{EVENTS_PATH}", ready.operator.public_url),
    )
    .await;
    ready
        .warns(&["event stream", "has failed", "another way works"])
        .await;
}

#[tokio::test]
async fn a_subscription_to_other_events_is_found_whoever_made_it() {
    let ready = Ready::new().await;
    let client = ready.operator.client();
    set_callback(&ready, "https://crm.example.com/").await;
    let destination = format!("{}/taskrouter/event-stream", ready.operator.public_url);
    let sink = client
        .create_webhook_sink("Made by hand", &destination)
        .await
        .unwrap();
    let subscribe = async |events: &[&str]| {
        let types: Vec<_> = events
            .iter()
            .map(|event| EventSchema {
                event_type: format!("{CLOUD_EVENT_PREFIX}{event}"),
                schema_version: 1,
            })
            .collect();
        let subscribed = client.create_subscription("By hand", &sink.sid, &types);
        subscribed.await.unwrap();
    };
    ready
        .finds(&["event stream", "gets no task-queue.entered"])
        .await;
    subscribe(&["task.canceled", "workflow.timeout"]).await;
    ready
        .finds(&["event stream", "gets no task-queue.entered"])
        .await;
    subscribe(&["task-queue.entered"]).await;
    let output = ready.doctor(&[]).await.done();
    assert!(output.contains("✓ event stream"), "{output}");

    set_callback(
        &ready,
        &format!("{}{EVENTS_PATH}", ready.operator.public_url),
    )
    .await;
    ready.warns(&["event callback", "more than once"]).await;
}

/// The workspace sends all events there.
async fn set_callback(ready: &Ready, url: &str) {
    let change = WorkspaceChange {
        event_callback_url: url,
        events_filter: "",
    };
    let workspace = ready.operator.workspace_sid();
    let client = ready.operator.client();
    client.update_workspace(&workspace, change).await.unwrap();
}

#[tokio::test]
async fn a_key_or_region_without_event_streams_or_studio_does_without() {
    let ready = Ready::new().await;
    let faults = ready.operator.simulator.faults();
    for status in [401, 403, 404] {
        let denied = Fault::Status {
            status,
            code: 20_000 + u32::from(status),
            retry_after: None,
        };
        let lookups = [Endpoint::ListSink, Endpoint::ListFlow];
        faults.add(Rule::on(lookups, denied));
        let output = ready.doctor(&[]).await.done();
        assert!(!output.contains("event stream"), "{output}");
        assert!(output.contains("! Studio flow"), "{output}");
        set_callback(&ready, "https://crm.example.com/").await;
        let output = ready.doctor(&[]).await.failed();
        assert!(output.contains("! event stream"), "{output}");
        assert!(output.contains("✗ event callback"), "{output}");
        faults.clear();
        let ours = format!("{}{EVENTS_PATH}#rc=5", ready.operator.public_url);
        set_callback(&ready, &ours).await;
    }
}

#[tokio::test]
async fn addresses_are_compared_as_urls_are() {
    let ready = Ready::new().await;
    let ours = format!("{}{EVENTS_PATH}#rc=5", ready.operator.public_url);
    let port = ours.rsplit(':').next().unwrap().split('/').next().unwrap();
    set_callback(&ready, &ours.replace("http://", "HTTP://")).await;
    ready
        .warns(&["event callback", "other letters than PUBLIC_URL"])
        .await;
    set_callback(&ready, &ours.replace("http://", "http://user:hush@")).await;
    let output = ready.doctor(&[]).await.done();
    assert!(
        output.contains("✓ event callback") && !output.contains("hush"),
        "{output}"
    );
    set_callback(&ready, &ours.replace(port, "1")).await;
    ready.finds(&["event callback", "go to", ":1/", port]).await;
}

#[tokio::test]
async fn a_proxy_may_keep_the_path_of_the_public_url_or_cut_it_off() {
    let mut operator = Operator::new().await;
    operator.setup(&[]).await.done();
    let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
    let ingest = RunningIngest::start_below(&mut operator, &placeholder, "/hooks").await;
    operator.setup(&[]).await.done();
    let report = operator.doctor(&placeholder, "+14155550100", &[]).await;
    assert!(report.output.contains("✓ ingest"), "{}", report.output);

    let url = format!("{}{EVENTS_PATH}", operator.public_url);
    let account = operator.simulator.account_sid();
    let form = [
        ("EventType", "worker.created"),
        ("AccountSid", account.as_str()),
    ];
    let params: FormParams = form.into_iter().collect();
    let token = AuthToken::new(operator.simulator.auth_token());
    let signature = sign_form(&token, &url, &params);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(url.replace("/hooks", "")).form(&form);
    let answer = request.header(SIGNATURE_HEADER, signature).send().await;
    assert_eq!(answer.unwrap().status(), 204);
    ingest.stop().await;
}

#[tokio::test]
async fn widgets_that_run_for_redirected_callers_are_listed() {
    let ready = Ready::new().await;
    let client = ready.operator.client();
    let workflows = client
        .workflows(&ready.operator.workspace_sid())
        .await
        .unwrap();
    let workflow = workflows.last().unwrap().sid;
    let channels = client.task_channels(&ready.operator.workspace_sid()).await;
    let channel = channels.unwrap()[0].sid;
    let definition = json!({
        "description": "", "flags": {}, "initial_state": "Trigger",
        "states": [
            {
                "name": "Trigger", "type": "trigger", "properties": {},
                "transitions": [{ "event": "incomingCall", "next": "agents" }],
            },
            {
                "name": "agents", "type": "send-to-flex",
                "properties": { "workflow": workflow, "channel": channel },
                "transitions": [{ "event": "callComplete", "next": "thanks" }],
            },
            {
                "name": "thanks", "type": "send-message", "properties": {}, "transitions": [],
            },
        ],
    });
    let draft = FlowDraft {
        friendly_name: "Support line",
        definition: &definition.to_string(),
        commit_message: "by hand",
    };
    client.create_flow(&draft).await.unwrap();
    ready
        .warns(&[
            "Studio flow",
            "Support line",
            "\"agents\"",
            "\"thanks\" (send-message)",
        ])
        .await;
}

#[tokio::test]
async fn dialling_is_judged_by_calling_codes() {
    let mut ready = Ready::new().await;
    let simulator = &ready.operator.simulator;
    let cases = [
        // Canada, which Twilio lists with the United States.
        (
            "+16045550123",
            "✓ geo permissions",
            "United States/Canada (+1)",
        ),
        // A number library may name the Vatican.
        ("+390669812345", "✓ geo permissions", "Italy (+39)"),
        ("+18765550123", "✗ geo permissions", "Jamaica (+1876)"),
        ("+77015550123", "! geo permissions", "Kazakhstan"),
        // An international network, which is of no country.
        ("+883510012345678", "! geo permissions", "calling code"),
    ];
    simulator.set_country_allowed("JM", false);
    simulator.set_country_allowed("KZ", false);
    for (number, sign, words) in cases {
        ready.forward_to = number;
        let output = ready.doctor(&[]).await.output;
        let mut lines = output.lines().filter(|line| line.starts_with(sign));
        assert!(lines.any(|line| line.contains(words)), "{number}: {output}");
    }
    let output = ready.doctor(&[]).await.done();
    assert!(!output.contains("forward number"), "no verdict: {output}");
}

#[tokio::test]
async fn callers_who_were_given_up_lately_are_a_problem() {
    let ready = Ready::new().await;
    let url = format!("sqlite:{}", ready.operator.path("queue.db").display());
    let queue = queue::open(&url.parse().unwrap(), Options::default())
        .await
        .unwrap();
    queue.publish(&request()).await.unwrap();
    let delivery = queue
        .consume(queue::Lane::Redirects, 1)
        .await
        .unwrap()
        .next()
        .await
        .unwrap();
    let cause = Cause {
        reason: Reason::Refused,
        attempts: 3,
        last_error: None,
    };
    delivery.dead_letter(&cause).await.unwrap();
    queue.close().await;
    ready
        .finds(&[
            "dead letters",
            "1 dead letter",
            "within the past hour: refused",
        ])
        .await;
}

#[tokio::test]
async fn it_is_tried_whether_ingest_hears_how_calls_end() {
    let mut ready = Ready::new().await;
    let output = ready.doctor(&[]).await.done();
    assert!(
        output.contains("✓ endings          ingest hears how calls"),
        "{output}"
    );
    ready.ingest.take().unwrap().stop().await;
    ready.finds(&["endings", "nobody hears how calls"]).await;
}

#[tokio::test]
async fn redirects_that_nobody_answers_are_a_problem() {
    let ready = Ready::new().await;
    let url = format!("sqlite:{}", ready.operator.path("queue.db").display());
    let queue = queue::open(&url.parse().unwrap(), Options::default())
        .await
        .unwrap();
    let redirected = |number: u32| Redirected {
        account_sid: sid("AC"),
        call_sid: format!("CA{number:032x}").parse().unwrap(),
        task_sid: format!("WT{number:032x}").parse().unwrap(),
        plan: "default".to_owned(),
        entered_at: Timestamp::now(),
        redirected_at: Timestamp::now(),
        in_doubt: false,
        was_over: false,
    };
    for number in 0..5 {
        let redirected = redirected(number);
        let missed = redirected.missed(Timestamp::now(), OutcomeKind::Failed);
        queue.tell(&redirected.into()).await;
        queue.tell(&Content::Outcome(missed)).await;
    }
    let missed = "5 redirected, of whom 0 were taken, 0 left a message and 5 were missed";
    ready.finds(&["outcomes", missed]).await;
    let taken = Outcome {
        outcome: OutcomeKind::Answered,
        caller: Some(CallerEnd::Taken),
        ..redirected(5).missed(Timestamp::now(), OutcomeKind::HungUp)
    };
    queue.tell(&Content::Outcome(taken)).await;
    queue.close().await;
    let output = ready.doctor(&[]).await.done();
    assert!(output.contains("of whom 1 were taken"), "{output}");
}

fn sid<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str) -> T {
    format!("{prefix}{:032x}", 1).parse().unwrap()
}

fn request() -> Message {
    RedirectRequest {
        event_sid: sid("EV"),
        account_sid: sid("AC"),
        workspace_sid: sid("WS"),
        task_sid: sid("WT"),
        call_sid: sid("CA"),
        task_queue_sid: sid("WQ"),
        workflow_sid: None,
        entered_at: jiff::Timestamp::now(),
        task_created_at: None,
        source: Source::Callback,
        verify: false,
        requeued_at: None,
        caller: twilio::Caller::default(),
    }
    .into()
}

/// What was written, for somebody who reads along.
#[derive(Clone, Default)]
struct Screen {
    text: Arc<Mutex<String>>,
    written: Arc<Notify>,
}

impl io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.lock().push_str(&String::from_utf8_lossy(bytes));
        self.written.notify_one();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    async fn shows(&self, words: &str) {
        while !self.text.lock().contains(words) {
            self.written.notified().await;
        }
    }
}

#[tokio::test]
async fn each_check_is_shown_as_it_ends_and_has_a_limit_of_its_own() {
    let ready = Ready::new().await;
    let hang = || Rule::on([Endpoint::ListQueue], Fault::Hang);
    ready.operator.simulator.faults().add(hang());
    let screen = Screen::default();
    let mut output = screen.clone();
    let arguments = [
        "doctor",
        "--forward-call-task-queue-sid",
        &ready.placeholder,
        "--forward-to-number",
        ready.forward_to,
        "--check-timeout",
        "1h",
        "--twilio-timeout",
        "1h",
    ];
    let mut nobody = Answers::default();
    tokio::select! {
        _ = ready.operator.run_to(&mut output, &arguments, &mut nobody) => panic!("it waits for nobody"),
        () = screen.shows("✓ workspace") => {}
    }

    let limited = ["--check-timeout", "1s", "--twilio-timeout", "1h"];
    let output = ready.doctor(&limited).await.failed();
    assert!(output.contains("✗ voice queue"), "{output}");
    assert!(output.contains("took longer than 1s"), "{output}");
    assert!(output.contains(" problem"), "{output}");
}
