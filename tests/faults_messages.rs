//! Messages that can't be done, and what an operator does with them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Output;
use std::time::Instant;

use rabbitmq::Node;
use serde_json::Value;
use simulator::{Caller, Endpoint, Fault, PlaceCall, Rule};
use tests::{Backend, Foreign, PATIENCE, Stack, StackOptions};

const OF_THE_FUTURE: Foreign = Foreign {
    id: "EV00000000000000000000000000000009",
    kind: "redirect.v9",
    body: r#"{"who":"nobody knows yet"}"#,
};

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

/// What `overflow dead-letters` says, which it does with success.
fn dead_letters(stack: &Stack, arguments: &[&str]) -> String {
    let output = stack.run("overflow", &[&["dead-letters"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The dead letters, once there are so many.
async fn listed(stack: &Stack, count: usize) -> Vec<Value> {
    loop {
        let json = dead_letters(stack, &["list", "--json"]);
        let Value::Array(letters) = serde_json::from_str(&json).unwrap() else {
            panic!("no list: {json}");
        };
        if letters.len() == count {
            return letters;
        }
        // The queue tells nobody of a new dead letter.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn waiting_caller(stack: &Stack) -> Caller {
    let caller = stack.simulator.place_call(PlaceCall::into_placeholder());
    let caller = caller.unwrap();
    stack
        .expect("the callback", |state| {
            let mut callbacks = state.journal().callbacks();
            callbacks.any(|sent| sent.call == Some(caller.call_sid) && sent.outcome.is_success())
        })
        .await;
    caller
}

#[tokio::test]
async fn a_message_that_kills_its_consumer_again_and_again_becomes_a_dead_letter() {
    for backend in Backend::all() {
        let options = StackOptions {
            redirectors: 0,
            settings: vec![
                ("QUEUE_DELIVERY_LIMIT", "2".to_owned()),
                ("SWEEP_INTERVAL", "0".to_owned()),
                // The simulator forgets what hangs.
                ("TWILIO_LATE", "0s".to_owned()),
            ],
            ..StackOptions::default()
        };
        let stack = Stack::start(backend, options).await;
        let caller = waiting_caller(&stack).await;
        let hang = Rule::on([Endpoint::UpdateCall], Fault::Hang);
        let hang = stack.simulator.faults().add(hang);
        for deaths in 1..=3 {
            let mut redirector = stack.start_redirector().await;
            stack
                .expect("an attempt", |state| {
                    let requests = state.journal().requests();
                    let attempts = requests.filter(|r| r.endpoint == Some(Endpoint::UpdateCall));
                    attempts.count() == deaths
                })
                .await;
            redirector.kill();
        }
        stack.simulator.faults().remove(hang);
        let _redirector = stack.start_redirector().await;
        let letters = listed(&stack, 1).await;
        assert_eq!(letters[0]["reason"], "delivery_limit");
        assert_eq!(stack.simulator.redirects(caller.call_sid), 0);

        // Once the cause is gone, a replay helps a caller who still waits.
        dead_letters(&stack, &["replay", "--all"]);
        stack
            .expect("a redirect", |state| state.waiting_count() == 0)
            .await;
        let journal = stack.simulator.journal();
        let heard = journal.caller(&caller.call_sid).unwrap();
        assert!(heard.was_redirected_once(), "{heard:?}");
        listed(&stack, 0).await;
    }
}

#[tokio::test]
async fn a_message_of_a_future_version_is_kept_for_an_operator() {
    for backend in Backend::all() {
        let options = StackOptions {
            redirectors: 0,
            settings: vec![("SWEEP_INTERVAL", "0".to_owned())],
            ..StackOptions::default()
        };
        let stack = Stack::start(backend, options).await;
        stack.put(OF_THE_FUTURE).await;
        let caller = waiting_caller(&stack).await;
        let _redirector = stack.start_redirector().await;
        stack
            .expect("the caller behind it redirected", |state| {
                state.journal().redirects(&caller.call_sid) == 1
            })
            .await;
        let id = OF_THE_FUTURE.id;
        let letters = listed(&stack, 1).await;
        assert_eq!(letters[0]["id"], id);
        assert_eq!(letters[0]["reason"], "undecodable");
        assert_eq!(letters[0]["body"], OF_THE_FUTURE.body);
        let problem = letters[0]["last_error"].as_str().unwrap();
        assert!(problem.contains(OF_THE_FUTURE.kind), "{problem}");

        let table = dead_letters(&stack, &["list"]);
        assert!(
            table.contains(id) && table.contains("undecodable"),
            "{table}"
        );
        assert!(dead_letters(&stack, &["show", id]).contains(OF_THE_FUTURE.body));
        for (filter, found) in [
            (&["--reason", "undecodable"][..], true),
            (&["--reason", "expired"], false),
            (&["--newer-than", "1h"], true),
            (&["--older-than", "1h"], false),
        ] {
            let table = dead_letters(&stack, &[&["list"], filter].concat());
            assert_eq!(table.contains(id), found, "{filter:?}: {table}");
        }

        for action in ["show", "replay", "discard"] {
            let output = stack.run("overflow", &["dead-letters", action, "EVnone"]);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("no such dead letter: EVnone"), "{said}");
        }
        let dry = dead_letters(&stack, &["discard", "--all", "--dry-run"]);
        assert!(dry.contains(id), "{dry}");
        listed(&stack, 1).await;

        // This version understands it no better the second time.
        assert!(dead_letters(&stack, &["replay", id]).contains("1 replayed"));
        listed(&stack, 1).await;
        let discarded = dead_letters(&stack, &["discard", id, "--json"]);
        assert_eq!(serde_json::from_str::<Value>(&discarded).unwrap()[0], id);
        let none = dead_letters(&stack, &["list"]);
        assert!(none.starts_with("no dead letters in "), "{none}");
    }
}

#[tokio::test]
async fn a_queue_that_exists_with_other_arguments_is_a_clear_error_at_the_start() {
    let options = StackOptions {
        ingests: 0,
        redirectors: 0,
        ..StackOptions::default()
    };
    let node = Backend::Amqp(rabbitmq::Node::shared());
    let stack = Stack::start(node, options).await;
    stack.declare_otherwise().await;
    let output = stack.run("redirector", &[]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("exists on the broker, but not as we need it"),
        "{said}"
    );
    assert!(said.contains(".redirect"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_lets_messages_vanish_is_named_at_the_start_and_by_doctor() {
    let node = Node::start();
    let management = node.manage();
    let everything = r#"{"message-ttl":60000,"overflow":"drop-head"}"#;
    node.ctl(&["set_policy", "everything", ".*", everything]);
    let options = StackOptions {
        settings: vec![("QUEUE_MANAGEMENT_URL", management)],
        ..StackOptions::default()
    };
    let stack = Stack::start_at(node.url(), tempfile::tempdir().unwrap(), options).await;
    let doctor = |more: &[&str]| said(&stack.run("overflow", &[&["doctor"], more].concat()));
    let sets = "sets message-ttl = 60000, overflow = drop-head for";
    for process in stack.ingests.iter().chain(&stack.redirectors) {
        let log = process.logged(sets).await;
        assert!(log.contains("everything"), "{log}");
    }
    let found = doctor(&[]);
    for queue in [
        ".redirect\"",
        ".outcome\"",
        ".later\"",
        ".notify\"",
        ".dead\"",
    ] {
        let mut lines = found.lines().filter(|line| line.starts_with("! policies"));
        assert!(
            lines.any(|line| [r#"the policy "everything""#, sets, queue]
                .iter()
                .all(|part| line.contains(part))),
            "{queue}: {found}"
        );
    }

    // One for our names only goes before it.
    let ours = r#"{"overflow":"reject-publish"}"#;
    node.ctl(&["set_policy", "ours", "^test-", ours, "--priority", "10"]);
    let deadline = Instant::now() + PATIENCE;
    while !doctor(&[]).contains("✓ policies") {
        assert!(Instant::now() < deadline, "{}", doctor(&[]));
    }

    let nobody = format!("http://{}", tests::free_address());
    for (url, why) in [
        (nobody, "can't be asked"),
        (node.manage().replace("//", "//nobody:hush@"), "management"),
    ] {
        let found = doctor(&["--queue-management-url", &url]);
        let line = found.lines().find(|line| line.starts_with("! policies"));
        assert!(line.is_some_and(|line| line.contains(why)), "{found}");
        assert!(!found.contains("hush"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_let_expire_is_told_from_what_we_gave_up() {
    let node = Node::start();
    let options = StackOptions {
        redirectors: 0,
        ..StackOptions::default()
    };
    let stack = Stack::start_at(node.url(), tempfile::tempdir().unwrap(), options).await;
    node.ctl(&["set_policy", "soon", "redirect$", r#"{"message-ttl":1}"#]);
    waiting_caller(&stack).await;
    assert_eq!(listed(&stack, 1).await[0]["reason"], "message_ttl");
}
