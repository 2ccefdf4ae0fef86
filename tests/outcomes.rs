//! What became of callers, as users hear of it: from a consumer of their own, from the file, in the
//! metrics and in the log.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rabbitmq::Node;
use serde_json::Value;
use simulator::{Phone, PlaceCall};
use tests::{Backend, NUMBER, PATIENCE, Stack, StackOptions};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// As they are on the day that this was written; an installed folder is used again.
const LIBRARIES: [&str; 2] = ["pika==1.4.4", "jsonschema==4.26.0"];

const SCHEMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../docs/outcome.v1.schema.json"
);

/// Validates each line of its input.
const VALIDATES: &str = "
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
for line in sys.stdin:
    validator.validate(json.loads(line))
";

fn libraries() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(LIBRARIES.join("+"));
    if !folder.exists() {
        // Whole or not there at all.
        let ours = tempfile::tempdir_in(target).unwrap();
        let pip = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--target"])
            .arg(ours.path())
            .args(LIBRARIES)
            .output()
            .expect("python3 is needed (tests/run installs it)");
        let said = String::from_utf8_lossy(&pip.stderr);
        assert!(pip.status.success(), "they can't be had: {said}");
        // Another test may have been first.
        let _ = std::fs::rename(ours.path(), &folder);
    }
    folder
}

fn python() -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", libraries());
    python
}

/// The consumer that the documents show, on this broker.
struct Consumer {
    process: Child,
    lines: UnboundedReceiver<String>,
}

impl Consumer {
    async fn start(node: &Node, prefix: &str) -> Self {
        let document = include_str!("../docs/outcomes.md");
        let program = document.split("```python\n").nth(1).unwrap();
        let program = program.split("```").next().unwrap();
        let there = "amqp://guest:guest@localhost/";
        assert!(program.contains(there));
        let program = program
            .replace(there, &node.url())
            .replace("overflow.outcomes", &format!("{prefix}.outcomes"))
            .replace("for method", "print(\"bound\", flush=True)\nfor method");
        let mut process = python()
            .args(["-c", &program])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, lines) = unbounded_channel();
        let printed = BufReader::new(process.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in printed.map_while(Result::ok) {
                let _ = told.send(line);
            }
        });
        let mut consumer = Self { process, lines };
        assert_eq!(consumer.next().await, "bound");
        consumer
    }

    async fn next(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
        line.unwrap().unwrap()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn validate(lines: &[String]) {
    let mut validates = python()
        .args(["-c", VALIDATES, SCHEMA])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = validates.stdin.take().unwrap();
    for line in lines {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    assert!(validates.wait().unwrap().success(), "{lines:#?}");
}

/// A pair of which the redirector knows where ingest is, too.
async fn stack(backend: Backend) -> Stack {
    let address = tests::free_address();
    let options = StackOptions {
        ingests: 0,
        redirectors: 0,
        settings: vec![("PUBLIC_URL", format!("http://{address}"))],
        ..StackOptions::default()
    };
    let mut stack = Stack::start(backend, options).await;
    stack.listen_at(address).await;
    let redirector = stack.start_redirector().await;
    stack.redirectors.push(redirector);
    stack
}

fn phone(stack: &Stack, phone: &str) {
    let phone: Phone = phone.parse().unwrap();
    stack.simulator.set_phone(NUMBER.parse().unwrap(), phone);
}

async fn place_call(stack: &Stack) -> simulator::Caller {
    stack
        .simulator
        .place_call(PlaceCall::into_placeholder())
        .unwrap()
}

#[tokio::test]
async fn a_users_own_consumer_hears_what_became_of_callers() {
    let node = Node::shared();
    let stack = stack(Backend::Amqp(node)).await;
    let [_, (_, prefix)] = stack.queue_settings();
    let mut consumer = Consumer::start(node, &prefix).await;
    let mut lines = Vec::new();
    for (answer, outcome, end) in [
        ("answers,rings=5,stays=60", "answered", "taken"),
        ("busy", "busy", "missed"),
        ("failed", "failed", "missed"),
    ] {
        phone(&stack, answer);
        let caller = place_call(&stack).await;
        let line = consumer.next().await;
        let told: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(told["outcome"], outcome, "{told}");
        assert_eq!(told["caller"], end, "{told}");
        assert_eq!(told["plan"], "default");
        assert_eq!(told["call_sid"], caller.call_sid.as_str());
        if end == "taken" {
            // Else Twilio may say so before it answers the update.
            assert_eq!(told["task_sid"], caller.task_sid.as_str());
        }
        assert_eq!(told["id"], told["dialed_call_sid"]);
        assert!(!line.contains("+1"), "no number: {line}");
        lines.push(line);
    }
    validate(&lines);
}

#[tokio::test]
async fn the_file_keeps_what_became_of_callers_and_the_metrics_count_it() {
    let stack = stack(Backend::Sqlite).await;
    phone(&stack, "busy");
    let caller = place_call(&stack).await;
    let [(_, url), _] = stack.queue_settings();
    let file = rusqlite::Connection::open(url.strip_prefix("sqlite:").unwrap()).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    let row = loop {
        let row = file.query_row(
            "SELECT plan, outcome, caller, call_sid FROM outcomes WHERE outcome = 'busy'",
            [],
            |row| Ok([0, 1, 2, 3].map(|column| row.get::<_, String>(column).unwrap())),
        );
        match row {
            Ok(row) => break row,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
        // SQLite tells nobody of a change.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let call = caller.call_sid.to_string();
    assert_eq!(row, ["default", "busy", "missed", call.as_str()]);
    let missed = "overflow_callers_total{end=\"missed\",plan=\"default\"}";
    assert_eq!(stack.redirectors[0].metric(missed).await, 1.0);
}
