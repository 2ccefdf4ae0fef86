//! The rehearsal of a first day, command by command, as a user types them: a simulated account, setup,
//! run, doctor, and a call that nobody takes.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rabbitmq::free_address;
use tests::{PATIENCE, binary, http};

/// A folder with a `.env`, and a simulator that plays a new Flex account.
struct Rehearsal {
    folder: tempfile::TempDir,
    simulator: SocketAddr,
    ingest: SocketAddr,
    running: Vec<Child>,
}

impl Rehearsal {
    /// Starts the simulator and writes the settings that it prints into `.env`.
    async fn start() -> Self {
        let mut rehearsal = Self {
            folder: tempfile::tempdir().unwrap(),
            simulator: free_address(),
            ingest: free_address(),
            running: Vec::new(),
        };
        rehearsal.begin("simulator", &["simulator", "--speed", "40"]);
        until("the simulator says what is next", async || {
            rehearsal.printed("simulator").contains("Next: ")
        })
        .await;
        rehearsal.append_settings();
        rehearsal
    }

    /// Writes what the simulator printed to the end of `.env`.
    fn append_settings(&self) {
        let printed = self.printed("simulator");
        let settings = printed.lines().filter(|line| {
            let name = line.split_once('=').map(|(name, _)| name);
            name.is_some_and(|name| !name.contains(' '))
        });
        let settings: String = settings.map(|line| format!("{line}\n")).collect();
        let env = self.path().join(".env");
        let before = std::fs::read_to_string(&env).unwrap_or_default();
        std::fs::write(env, before + &settings).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("overflow"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            // Tests run beside each other; a user takes the defaults.
            .env("SIMULATOR_LISTEN", self.simulator.to_string())
            .env("SIMULATOR_URL", format!("http://{}", self.simulator))
            .env("PUBLIC_URL", format!("http://{}", self.ingest))
            .env("LISTEN", self.ingest.to_string())
            .stdin(Stdio::null());
        command
    }

    /// Starts a command that stays up.
    fn begin(&mut self, name: &str, arguments: &[&str]) {
        let printed = File::create(self.path().join(name)).unwrap();
        let mut command = self.command(arguments);
        command.stderr(printed.try_clone().unwrap()).stdout(printed);
        self.running.push(command.spawn().unwrap());
    }

    fn printed(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Runs a command to its end.
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command to its end; what it printed, if it went well.
    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = said(&output);
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    /// `overflow run`, until it is ready.
    async fn run_services(&mut self) {
        let admin = free_address().to_string();
        self.begin("run", &["run", "--admin-listen", &admin]);
        let ready = format!("http://{admin}/readyz");
        until("overflow is ready", async || {
            let answer = http().get(&ready).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not yet: {what}");
        // Neither a file that grows nor a port that opens can be awaited.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn said(output: &Output) -> String {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&said).into_owned()
}

const NUMBER: &str = "+14155550150";

#[tokio::test]
async fn each_way_of_setting_up_is_rehearsed_to_the_redirect() {
    for setup in [
        &["--number", NUMBER][..],
        &[],
        &["--via", "event-streams"],
        &["--prefix", "Mine", "--number", NUMBER],
    ] {
        let mut rehearsal = Rehearsal::start().await;
        rehearsal.done(&[&["setup", "--yes"], setup].concat());
        rehearsal.run_services().await;
        let found = rehearsal.done(&["doctor"]);
        assert!(found.contains("Redirects work"), "{setup:?}: {found}");
        let call = rehearsal.done(&["call", "--wait"]);
        assert!(
            call.contains("redirected to +14155550100, "),
            "{setup:?}: {call}"
        );
        rehearsal.done(&["teardown", "--yes", "--force"]);
    }
}

#[tokio::test]
async fn the_settings_of_one_account_may_stand_there_twice_and_another_is_told_apart() {
    let rehearsal = Rehearsal::start().await;
    // As the simulator prints it.
    let public_url = ["--public-url", "http://127.0.0.1:8080"];
    rehearsal.done(&[&["setup", "--yes"][..], &public_url].concat());
    rehearsal.append_settings();
    rehearsal.done(&[&["setup", "--dry-run"][..], &public_url].concat());

    // As of a simulator that was started anew.
    let other = "0123456789abcdef0123456789abcdef";
    for command in [&["setup", "--yes"][..], &["doctor"]] {
        let refused = rehearsal.run(&[command, &["--auth-token", other]].concat());
        let said = said(&refused);
        assert!(
            said.contains("each start of the simulator is a new account"),
            "{said}"
        );
        assert!(!said.contains("Console > Account > API keys"), "{said}");
    }
}

#[tokio::test]
async fn a_workflow_that_was_there_is_extended_and_takes_the_calls() {
    let mut rehearsal = Rehearsal::start().await;
    let state = format!("http://{}/simulator/state", rehearsal.simulator);
    let state = http().get(state).send().await.unwrap();
    let state: serde_json::Value = state.json().await.unwrap();
    let workflow = state["workflow_sid"].as_str().unwrap();
    rehearsal.done(&["setup", "--yes", "--workflow", workflow]);
    rehearsal.run_services().await;
    let call = rehearsal.done(&["call", "--wait", "--count", "2"]);
    let redirected = call.matches("redirected to +14155550100").count();
    assert_eq!(redirected, 2, "{call}");
}

#[tokio::test]
async fn a_call_onto_a_ladder_is_followed_to_who_has_the_caller() {
    let mut rehearsal = Rehearsal::start().await;
    rehearsal.done(&["setup", "--yes"]);
    let env = rehearsal.path().join(".env");
    let settings = std::fs::read_to_string(&env).unwrap();
    let mut lines = settings.lines();
    let queue = lines.find_map(|line| line.strip_prefix("FORWARD_CALL_TASK_QUEUE_SID="));
    let plans = format!(
        "[[plan]]\nname = \"sales\"\ntask_queue_sid = \"{}\"\n\
         [[plan.step]]\ndial = [\"+14155550101\", \"+14155550102\"]\naccept = \"Press 1.\"\n",
        queue.unwrap()
    );
    std::fs::write(rehearsal.path().join("plans.toml"), plans).unwrap();
    let others = settings
        .lines()
        .filter(|line| !line.starts_with("FORWARD_"));
    let others: Vec<_> = others.chain(["REDIRECT_PLANS=plans.toml\n"]).collect();
    std::fs::write(&env, others.join("\n")).unwrap();
    rehearsal.run_services().await;
    let phone = async |number: &str, phone: &str| {
        let url = format!("http://{}/simulator/phones/{number}", rehearsal.simulator);
        let answer = http().put(url).json(phone).send().await.unwrap();
        assert!(answer.status().is_success());
    };
    phone("+14155550101", "busy").await;
    let call = rehearsal.done(&["call", "--wait"]);
    assert!(call.contains("redirected to +14155550102, "), "{call}");
    phone("+14155550102", "silent").await;
    let call = rehearsal.done(&["call", "--wait"]);
    assert!(call.contains(": nobody took it, "), "{call}");
    assert!(call.contains("“Nobody can take your call"), "{call}");
}

#[tokio::test]
async fn a_call_that_nobody_redirects_is_told_as_one() {
    let rehearsal = Rehearsal::start().await;
    let unset = rehearsal.run(&["call", "--to", NUMBER]);
    assert!(!unset.status.success());
    assert!(said(&unset).contains("leads to no"), "{}", said(&unset));
    // The account's workflow knows no end.
    let call = rehearsal.run(&["call", "--wait=300ms"]);
    assert_eq!(call.status.code(), Some(1));
    let said = said(&call);
    assert!(said.contains("still waits, in Everyone"), "{said}");
    assert!(said.contains("1 of 1 calls was not redirected"), "{said}");
}

#[tokio::test]
async fn a_call_needs_a_caller_and_a_simulator() {
    let mut rehearsal = Rehearsal::start().await;
    let none = rehearsal.run(&["call", "--count", "0"]);
    assert_eq!(none.status.code(), Some(78));
    assert!(said(&none).contains("--count: "), "{}", said(&none));

    rehearsal.done(&["setup", "--yes"]);
    rehearsal.run_services().await;
    let ingest = format!("http://{}", rehearsal.ingest);
    let wrong = rehearsal.run(&["call", "--simulator", &ingest]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        said(&wrong).contains("is not a simulator (404"),
        "{}",
        said(&wrong)
    );
}
