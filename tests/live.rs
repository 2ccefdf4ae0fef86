//! `overflow verify-live` as a user runs it, before a simulated Twilio. Each of its readings is told apart in
//! `provision/src/live/tests.rs`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use simulator::{Account, Config, Endpoint, Phone, Readings, RefusedWhisper, Simulator, Speed};
use tests::{PATIENCE, binary, free_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

const CALLER: &str = "+14155550101";
const RUNG: &str = "+14155550102";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PHONES: [&str; 4] = ["--phone", CALLER, "--phone", RUNG];

/// A simulated account, and a folder with its settings.
struct Scene {
    simulator: Simulator,
    folder: tempfile::TempDir,
    listen: SocketAddr,
}

impl Scene {
    async fn start(readings: Readings, phones: [&str; 2]) -> Self {
        let phone = |(number, phone): (&str, &str)| {
            (number.parse().unwrap(), phone.parse::<Phone>().unwrap())
        };
        let account = "AC0123456789abcdef0123456789abcdef".parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(
            listener,
            Config {
                account: Some(Account::new(account, TOKEN.to_owned())),
                speed: Speed::new(4.0).unwrap(),
                phones: [CALLER, RUNG].into_iter().zip(phones).map(phone).collect(),
                readings,
                ..Config::default()
            },
        );
        let simulator = simulator.unwrap();
        simulator.add_number(
            "+14155550150".parse().unwrap(),
            "https://ivr.example.com/",
            None,
        );
        let folder = tempfile::tempdir().unwrap();
        let listen = free_address();
        let settings = format!(
            "TWILIO_API_URL={}\nTWILIO_ACCOUNT_SID={account}\nTWILIO_AUTH_TOKEN={TOKEN}\n\
             PUBLIC_URL=http://{listen}\n",
            simulator.api_url().origin().ascii_serialization()
        );
        std::fs::write(folder.path().join(".env"), settings).unwrap();
        Self {
            simulator,
            folder,
            listen,
        }
    }

    async fn by_default() -> Self {
        Self::start(Readings::default(), ["answers,rings=1", "answers,rings=1"]).await
    }

    /// The command in the folder, without a terminal.
    fn run(&self, arguments: &[&str]) -> Running {
        let command = [
            &["verify-live", "--listen", &self.listen.to_string()],
            &PHONES[..],
            arguments,
        ];
        Running::start(
            Command::new(binary("overflow")).args(command.concat()),
            self.folder.path(),
        )
    }

    /// The same at a terminal.
    fn run_at_a_terminal(&self) -> Running {
        let command = format!(
            "{} verify-live --listen {} {}",
            binary("overflow").display(),
            self.listen,
            PHONES.join(" ")
        );
        let mut script = Command::new("script");
        Running::start(
            script
                .args(["-qec", &command, "/dev/null"])
                .env("PATH", "/usr/bin:/bin"),
            self.folder.path(),
        )
    }

    fn calls(&self) -> usize {
        let journal = self.simulator.journal();
        let requests = journal.requests();
        requests
            .filter(|request| request.endpoint == Some(Endpoint::CreateCall))
            .count()
    }

    fn hang_up_the_caller(&self) {
        let journal = self.simulator.journal();
        assert!(
            self.simulator
                .hang_up(journal.callers().next().unwrap().call)
        );
    }

    fn nothing_is_left(&self) {
        let journal = self.simulator.journal();
        self.simulator.inspect(|state| {
            assert!(
                journal
                    .callers()
                    .all(|log| !state.is_in_progress(&log.call))
            );
            assert_eq!(state.open_tasks(), 0);
        });
        let named = |endpoint| {
            let requests = journal.requests();
            requests
                .filter(|request| request.endpoint == Some(endpoint))
                .count()
        };
        assert_eq!(
            named(Endpoint::CreateWorkflow),
            named(Endpoint::DeleteWorkflow)
        );
        assert_eq!(
            named(Endpoint::CreateTaskQueue),
            named(Endpoint::DeleteTaskQueue)
        );
    }
}

/// A command under way, and what it has written.
struct Running {
    child: Child,
    written: String,
}

impl Running {
    fn start(command: &mut Command, folder: &Path) -> Self {
        let path = std::env::var_os("PATH");
        let command = command.current_dir(folder).env_clear();
        let command = command.envs(path.map(|path| ("PATH", path)));
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        Self {
            child: child.unwrap(),
            written: String::new(),
        }
    }

    /// Reads until that is written.
    async fn until(&mut self, text: &str) {
        while !self.written.contains(text) {
            let mut read = [0; 1024];
            let out = self.child.stdout.as_mut().unwrap();
            let length = timeout(PATIENCE, out.read(&mut read)).await;
            let length = length.unwrap().unwrap();
            assert!(length > 0, "no {text:?} in:\n{}", self.written);
            self.written
                .push_str(&String::from_utf8_lossy(&read[..length]));
        }
    }

    async fn types(&mut self, keys: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(keys.as_bytes()).await.unwrap();
        input.flush().await.unwrap();
    }

    /// How it ended, and all that it wrote.
    async fn ended(mut self) -> (ExitStatus, String) {
        let mut rest = Vec::new();
        self.child
            .stdout
            .as_mut()
            .unwrap()
            .read_to_end(&mut rest)
            .await
            .unwrap();
        self.child
            .stderr
            .as_mut()
            .unwrap()
            .read_to_end(&mut rest)
            .await
            .unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        self.written.push_str(&String::from_utf8_lossy(&rest));
        assert!(names_no_number(&self.written), "{}", self.written);
        (status, self.written)
    }
}

fn names_no_number(text: &str) -> bool {
    ![CALLER, RUNG, "+14155550150"]
        .iter()
        .any(|number| text.contains(&number[1..]))
}

async fn finds_out(readings: Readings, expected: [&str; 3]) {
    let scene = Scene::start(readings, ["answers,rings=1", "answers,rings=1"]).await;
    let mut running = scene.run(&["--yes", "--wait", "5s"]);
    running.until("Now hang up +…01").await;
    scene.hang_up_the_caller();
    let (status, written) = running.ended().await;
    assert!(status.success(), "{written}");
    assert!(written.contains("4 real calls"), "{written}");
    let mut doctor = Command::new(binary("overflow"));
    let doctor = Running::start(doctor.arg("doctor"), scene.folder.path());
    let (_, shown) = doctor.ended().await;
    for expected in ["with the reason \"redirected\""].iter().chain(&expected) {
        assert!(written.contains(expected), "{expected}\n{written}");
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    scene.nothing_is_left();
    let kept = std::fs::read_to_string(scene.folder.path().join(".overflow-live.json")).unwrap();
    assert!(names_no_number(&kept), "{kept}");
}

#[tokio::test]
async fn what_is_found_out_is_told_and_kept_and_doctor_shows_it() {
    let other = Readings {
        others_ring_on: true,
        refused_whisper: RefusedWhisper::CompletedAndBridged,
        action_after_hang_up: true,
        ..Readings::default()
    };
    let default = [
        "DialCallStatus is completed, DialBridged false",
        "others are hung up",
        "action is not requested",
    ];
    let opposite = [
        "DialCallStatus is completed, DialBridged true",
        "others ring on",
        "action is requested",
    ];
    tokio::join!(
        finds_out(Readings::default(), default),
        finds_out(other, opposite)
    );
}

#[tokio::test]
async fn without_a_yes_no_call_is_made() {
    let scene = Scene::by_default().await;
    let (status, written) = scene.run(&[]).ended().await;
    assert_eq!(status.code(), Some(1), "{written}");
    assert!(
        written.contains("there is no terminal to ask at; pass --yes"),
        "{written}"
    );

    let mut running = scene.run_at_a_terminal();
    running.until("1. Call +…01, the caller? [y/N]").await;
    running.types("n\n").await;
    let (status, written) = running.ended().await;
    assert_eq!(status.code(), Some(1), "{written}");
    assert_eq!(scene.calls(), 0);
    scene.nothing_is_left();
}

#[tokio::test]
async fn a_signal_ends_the_call_and_removes_what_was_made() {
    // At a prompt, by a key.
    let scene = Scene::by_default().await;
    let mut running = scene.run_at_a_terminal();
    running.until("1. Call").await;
    running.types("y\n").await;
    running.until("2. Ring +…02? [y/N]").await;
    running.types("\x03").await;
    let (status, written) = running.ended().await;
    assert_eq!(status.code(), Some(130), "{written}");
    assert_eq!(scene.calls(), 1);
    scene.nothing_is_left();

    // While a phone rings.
    let scene = Scene::start(Readings::default(), ["silent", "silent"]).await;
    let mut running = scene.run(&["--yes"]);
    running.until("Pick up +…01").await;
    let id = running.child.id().unwrap().to_string();
    let killed = std::process::Command::new("kill").arg(id).status();
    assert!(killed.unwrap().success());
    let (status, written) = running.ended().await;
    assert_eq!(status.code(), Some(130), "{written}");
    scene.nothing_is_left();
}

#[tokio::test]
async fn what_keeps_calls_from_being_made_is_told_before() {
    let mut scene = Scene::by_default().await;
    let elsewhere = format!("http://{}", free_address());
    let (status, written) = scene
        .run(&["--yes", "--public-url", &elsewhere])
        .ended()
        .await;
    assert_eq!(status.code(), Some(1), "{written}");
    assert!(
        written.contains("the public URL does not lead to this command"),
        "{written}"
    );
    assert!(
        written.contains("cloudflared tunnel --url http://127."),
        "{written}"
    );

    let free = scene.listen;
    scene.listen = scene.simulator.api_url().socket_addrs(|| None).unwrap()[0];
    let (_, written) = scene.run(&["--yes"]).ended().await;
    let problem = format!("cannot listen on {}", scene.listen);
    assert!(written.contains(&problem), "{written}");
    scene.listen = free;

    for (arguments, problem) in [
        (
            &["--phone", CALLER][..],
            "--phone: give two or three different phones",
        ),
        (&["--phone", "0123"], "--phone: not an E.164 number"),
        (&["--wait", "soon"], "--wait: "),
        (&["--public-url", " "], "--public-url: is not set"),
        (
            &["--api-url", "https://api.twilio.com"],
            "is on this machine or in a private network",
        ),
    ] {
        let (status, written) = scene.run(arguments).ended().await;
        assert_eq!(status.code(), Some(78), "{written}");
        assert!(written.contains(problem), "{problem}: {written}");
    }
    assert_eq!(scene.calls(), 0);
}
