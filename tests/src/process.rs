//! One process of ours, started as a user would start it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rabbitmq::free_address;

use crate::PATIENCE;

/// The binary `name` of this workspace, built by `cargo build --workspace --bins`.
///
/// # Panics
/// It isn't built.
pub fn binary(name: &str) -> PathBuf {
    let binary = build_folder().join(name);
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build --workspace --bins`, or tests/run",
        binary.display()
    );
    binary
}

/// Where the binaries are: `target/debug`.
pub(crate) fn build_folder() -> PathBuf {
    // target/debug/deps/pair-… or target/debug/chaos
    let ours = std::env::current_exe().unwrap();
    let folder = ours.parent().unwrap();
    match folder.ends_with("deps") {
        true => folder.parent().unwrap().to_owned(),
        false => folder.to_owned(),
    }
}

/// What a process is started into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// How many files it may have open; as many as the tests where it is `None`.
    pub open_files: Option<u32>,
    /// Its log goes into a pipe that nobody reads.
    pub log_unread: bool,
}

/// A running process, killed when it is dropped. Its log is shown if the test fails.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    admin: SocketAddr,
}

impl Process {
    /// Starts a service of ours with just these settings, and waits until its admin listener is
    /// up.
    pub async fn start(
        name: &str,
        folder: &Path,
        settings: &[(&str, String)],
        surroundings: Surroundings,
    ) -> Self {
        Self::command(name, &[], folder, settings, surroundings).await
    }

    /// Starts a command of ours that stays up, in the same way.
    pub async fn command(
        name: &str,
        arguments: &[&str],
        folder: &Path,
        settings: &[(&str, String)],
        surroundings: Surroundings,
    ) -> Self {
        let admin = free_address();
        let number = std::fs::read_dir(folder).unwrap().count();
        let log = folder.join(format!("{number}-{name}.log"));
        let mut command = match surroundings.open_files {
            None => Command::new(binary(name)),
            Some(limit) => {
                let mut shell = Command::new("/bin/sh");
                let limited = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
                shell.args(["-c", &limited]).arg(binary(name));
                shell
            }
        };
        let stderr = match surroundings.log_unread {
            true => Stdio::piped(),
            false => std::fs::File::create(&log).unwrap().into(),
        };
        let child = command
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env("ADMIN_LISTEN", admin.to_string())
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut process = Self {
            name: name.to_owned(),
            child,
            log,
            admin,
        };
        process.await_up().await;
        process
    }

    async fn await_up(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.get("/livez").await.is_none() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{}", self.name, self.log());
            }
            assert!(
                Instant::now() < deadline,
                "{} is not up:\n{}",
                self.name,
                self.log()
            );
            // A port that opens can't be awaited.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The status and body of a path of the admin listener; `None` where nobody answers.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://{}{path}", self.admin);
        let answer = crate::stack::http().get(url).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.text().await.ok()?))
    }

    /// Waits until its readiness is as `wanted`, and tells what it says then.
    pub async fn readiness(&self, wanted: impl Fn(u16, &str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, said) = self.get("/readyz").await.expect("it lives");
            if wanted(status, &said) {
                return said;
            }
            assert!(Instant::now() < deadline, "not as wanted: {status} {said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where its admin listener is.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What `--health` says of the process: its exit code.
    pub fn health(&self) -> ExitStatus {
        Command::new(binary(&self.name))
            .arg("--health")
            .env_clear()
            .env("ADMIN_LISTEN", self.admin.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
    }

    /// The sum of a metric over its labels, or of one series of it, as the admin listener shows it now.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await.unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with(['{', ' ']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Sends a signal, such as `TERM`, `KILL`, `STOP` or `CONT`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "cannot send {signal} to {}", self.name);
    }

    /// Ends the process as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not end:\n{}",
                self.name,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks the process to stop, and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// What it logged, once `line` is in it: a line is written soon after what it tells of.
    pub async fn logged(&self, line: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.contains(line) {
                return log;
            }
            assert!(Instant::now() < deadline, "no {line:?} in:\n{log}");
            // A file that grows can't be awaited.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(25)..];
            eprintln!(
                "--- the end of {}'s log ---\n{}",
                self.name,
                tail.join("\n")
            );
        }
    }
}
