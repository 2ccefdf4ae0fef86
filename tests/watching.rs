//! `overflow status` and `overflow watch`: what an operator is told from any machine that reaches the
//! queue.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use queue::{CallerEnd, Cause, Content, Lane, Outcome, OutcomeKind, Queue, Reason, Redirected};
use rabbitmq::Node;
use serde_json::Value;
use simulator::{Endpoint, Fault, PlaceCall, Rule};
use tests::{Backend, PATIENCE, Stack, StackOptions, binary};

#[allow(dead_code, reason = "for the queue's own tests")]
#[path = "../queue/tests/conformance/requests.rs"]
mod requests;

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What `overflow status --json` says, and its exit code.
fn status(stack: &Stack) -> (Value, i32) {
    let output = stack.run("overflow", &["status", "--json"]);
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (said, output.status.code().unwrap())
}

/// Asks until the status is as wanted.
fn status_becomes(stack: &Stack, what: &str, wanted: impl Fn(&Value) -> bool) -> (Value, i32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (said, code) = status(stack);
        if wanted(&said) {
            return (said, code);
        }
        assert!(Instant::now() < deadline, "never {what}: {said:#}");
    }
}

fn unavailable() -> Fault {
    Fault::Status {
        status: 503,
        code: 20503,
        retry_after: None,
    }
}

fn not_well(status: &Value) -> String {
    status["not_well"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_who_waits_why_and_that_all_is_well_afterwards() {
    for backend in Backend::all() {
        let stack = Stack::start(backend, StackOptions::default()).await;
        let all_answer = |said: &Value| said["processes"].as_array().unwrap().len() == 2;
        let (said, code) = status_becomes(&stack, "answered by both", all_answer);
        assert_eq!(code, 0, "{said:#}");
        assert_eq!(said["sentence"], "Nobody is waiting; all parts well.");

        let faults = stack.simulator.faults();
        faults.add(Rule::on([Endpoint::UpdateCall], unavailable()));
        let caller = PlaceCall::into_placeholder();
        let caller = stack.simulator.place_call(caller).unwrap();
        let is_retried = |said: &Value| {
            let attempts = said["waiting"][0]["attempts"].as_u64();
            attempts.is_some_and(|attempts| attempts >= 3)
        };
        let (said, _) = status_becomes(&stack, "retried", is_retried);
        let waiting = &said["waiting"][0];
        assert_eq!(waiting["call_sid"], caller.call_sid.as_str());
        assert_eq!(waiting["task_sid"], caller.task_sid.as_str());
        assert_eq!(waiting["where"], "retried");
        assert_eq!(waiting["plan"], "default");
        let error = waiting["last_error"].as_str().unwrap();
        assert!(error.contains("503"), "{error}");
        assert_eq!(said["callers"], 1);
        let told = text(&stack.run("overflow", &["status"]));
        for part in ["1 caller waiting, for ", caller.call_sid.as_str(), "503"] {
            assert!(told.contains(part), "{part} in:\n{told}");
        }
        assert!(!told.contains("5550100"), "{told}");

        faults.clear();
        stack
            .expect("a redirect", |state| {
                state.journal().redirects(&caller.call_sid) == 1
            })
            .await;
        let (said, code) = status_becomes(&stack, "well", |said| said["callers"] == 0);
        assert_eq!(code, i32::from(not_well(&said) != "[]"), "{said:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_what_is_not_well_and_what_to_do() {
    for backend in Backend::all() {
        let options = StackOptions {
            redirectors: 0,
            ..StackOptions::default()
        };
        let stack = Stack::start(backend, options).await;
        let caller = PlaceCall::into_placeholder();
        stack.simulator.place_call(caller).unwrap();
        let (said, code) = status_becomes(&stack, "queued", |said| said["queued"] == 1);
        assert_eq!(code, 1);
        assert_eq!(said["callers"], 1);
        let found = not_well(&said);
        assert!(found.contains("no redirector is at the queue"), "{found}");
        let output = stack.run("overflow", &["status"]);
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output);
        assert!(told.contains("start it (`overflow run`)"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirector_that_hangs_is_missed() {
    for backend in Backend::all() {
        // Where one consumes and the other stands by, it is the first.
        let mute = match backend {
            Backend::Amqp(_) => "1 of 2 redirectors at the queue don't say how they stand",
            Backend::Sqlite => "1 of 1 redirectors at the queue don't say how they stand",
        };
        let options = StackOptions {
            redirectors: 2,
            ..StackOptions::default()
        };
        let stack = Stack::start(backend, options).await;
        let is_well = |said: &Value| {
            let processes = said["processes"].as_array().unwrap();
            processes.len() == 3 && not_well(said) == "[]"
        };
        status_becomes(&stack, "well", is_well);
        stack.redirectors[0].signal("STOP");
        let (said, code) = status(&stack);
        stack.redirectors[0].signal("CONT");
        assert_eq!(code, 1, "{said:#}");
        let found = not_well(&said);
        assert!(found.contains(mute), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_is_gone_is_missed() {
    for backend in Backend::all() {
        let options = StackOptions {
            ingests: 0,
            ..StackOptions::default()
        };
        let stack = Stack::start(backend, options).await;
        let (said, code) = status(&stack);
        assert_eq!(code, 1, "{said:#}");
        let found = not_well(&said);
        assert!(found.contains("no ingest says how it stands"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_does_not_come_through_is_told() {
    let options = StackOptions {
        settings: vec![("SWEEP_INTERVAL", "1s".to_owned())],
        ..StackOptions::default()
    };
    let stack = Stack::start(Backend::Sqlite, options).await;
    let has_swept = |said: &Value| said["swept_at"].is_string();
    let (said, code) = status_becomes(&stack, "swept", has_swept);
    assert_eq!((code, not_well(&said)), (0, "[]".to_owned()));
    let faults = stack.simulator.faults();
    faults.add(Rule::on([Endpoint::ListTask], unavailable()));
    let sweep_fails = "has not seen all who are on hold at Twilio for ";
    let (_, code) = status_becomes(&stack, "told of", |said| {
        not_well(said).contains(sweep_fails)
    });
    assert_eq!(code, 1);
    faults.clear();
    status_becomes(&stack, "well", |said| not_well(said) == "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_in_the_spool_are_told() {
    let options = StackOptions {
        redirectors: 0,
        settings: vec![("QUEUE_MAX_LENGTH", "1".to_owned())],
        ..StackOptions::default()
    };
    let stack = Stack::start(Backend::Amqp(Node::shared()), options).await;
    for _ in 0..3 {
        assert_eq!(stack.callback().await, Some(204));
    }
    let is_spooled = |said: &Value| {
        let waiting = said["waiting"].as_array().unwrap();
        !waiting.is_empty() && waiting.iter().all(|caller| caller["where"] == "spool")
    };
    let (said, code) = status_becomes(&stack, "spooled", is_spooled);
    assert_eq!(code, 1);
    let found = not_well(&said);
    assert!(found.contains(" in the spool of ingest "), "{found}");
}

#[test]
fn a_queue_that_is_not_there_is_no_status() {
    for command in ["status", "watch"] {
        let output = Command::new(binary("overflow"))
            .args([command, "--queue", "sqlite:nowhere.db"])
            .current_dir(std::env::temp_dir())
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("nowhere.db"), "{said}");
    }
}

/// A command that runs, and what it prints.
struct Watching {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Watching {
    fn start(stack: &Stack, arguments: &[&str]) -> Self {
        let mut child = Command::new(binary("overflow"))
            .arg("watch")
            .args(arguments)
            .current_dir(stack.folder())
            .env_clear()
            .envs(stack.queue_settings())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }
}

fn sid<T: std::str::FromStr<Err: std::fmt::Debug>>(kind: &str, n: u32) -> T {
    format!("{kind}{n:032x}").parse().unwrap()
}

fn redirected(n: u32) -> Content {
    let entered_at = Timestamp::now();
    Content::from(Redirected {
        account_sid: sid("AC", 1),
        call_sid: sid("CA", n),
        task_sid: sid("WT", n),
        plan: "sales".to_owned(),
        entered_at,
        in_doubt: false,
        was_over: false,
        redirected_at: entered_at + Duration::from_millis(340),
    })
}

fn answered(n: u32) -> Content {
    Content::Outcome(Outcome {
        id: sid::<twilio::CallSid>("CA", 1000 + n).to_string(),
        at: Timestamp::now(),
        account_sid: sid("AC", 1),
        call_sid: sid("CA", n),
        task_sid: None,
        plan: "sales".to_owned(),
        step: Some("1.2".to_owned()),
        outcome: OutcomeKind::Answered,
        caller: Some(CallerEnd::Taken),
        dialed_call_sid: Some(sid("CA", 1000 + n)),
        recording_sid: None,
        seconds: Some(34),
    })
}

/// A request that nobody can do dies.
async fn dies(queue: &dyn Queue) {
    let request = requests::message(7);
    queue.publish(&request).await.unwrap();
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    let cause = Cause {
        reason: Reason::Refused,
        attempts: 2,
        last_error: Some("Twilio answered 400".to_owned()),
    };
    let delivery = consumer.next().await.unwrap();
    delivery.dead_letter(&cause).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_callers_is_told_line_by_line_as_it_happens() {
    for backend in Backend::all() {
        let options = StackOptions {
            ingests: 0,
            redirectors: 0,
            ..StackOptions::default()
        };
        let stack = Stack::start(backend, options).await;
        let queue = stack.queue().await;
        queue.tell(&redirected(1)).await;
        let mut watching = Watching::start(&stack, &["--past", "1h"]);
        let line = watching.line();
        let (_, told) = line.split_once("  ").unwrap();
        let first = format!("CA{:032x}  sales         redirected after 340 ms", 1);
        assert_eq!(told, first);
        queue.tell(&answered(1)).await;
        let line = watching.line();
        assert!(
            line.ends_with("  answered at step 1.2 for 34 s: taken"),
            "{line}"
        );
        dies(&*queue).await;
        let line = watching.line();
        let given_up = "given up (refused), Twilio refused the redirect for good, after 2 attempts: \
                        Twilio answered 400";
        assert!(line.ends_with(given_up), "{line}");
        assert_eq!(watching.stop(), Some(0));

        let mut watching = Watching::start(&stack, &["--past", "1h", "--json"]);
        let mut object = || serde_json::from_str::<Value>(&watching.line()).unwrap();
        let told = object();
        assert_eq!(told["what"], "redirected");
        assert_eq!(told["plan"], "sales");
        let told = object();
        assert_eq!(
            (&told["what"], &told["caller"]),
            (&"outcome".into(), &"taken".into())
        );
        assert_eq!(watching.stop(), Some(0));
        queue.close().await;
    }
}
