//! A private, throwaway Prometheus that watches the processes of a test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use rabbitmq::free_address;

use crate::PATIENCE;
use crate::process::Process;
use crate::stack::{Stack, http};

/// A running Prometheus, killed when it is dropped. Its log is shown if the test fails.
pub struct Prometheus {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Prometheus {
    /// Starts Debian's, and waits until it is up. It scrapes the services of a stack, each as a job
    /// of its name, and evaluates the rules in a file, all every second.
    ///
    /// # Panics
    /// Prometheus is not installed.
    pub async fn start(stack: &Stack, rules: &Path) -> Self {
        let folder = stack.folder();
        let settings = folder.join("prometheus.json");
        // What is JSON is YAML.
        std::fs::write(&settings, configuration(stack, rules).to_string()).unwrap();
        let log = folder.join("prometheus.log");
        let address = free_address();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("prometheus").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "Prometheus can't be started ({error}): run `apt-get install prometheus` (the \
                     service that the package sets up is not used), or `tests/run`, which \
                     installs what it needs"
                )
            });
        let mut prometheus = Self {
            child,
            url: format!("http://{address}"),
            log,
        };
        prometheus.await_up().await;
        prometheus
    }

    async fn await_up(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let ready = format!("{}/-/ready", self.url);
        while !matches!(http().get(&ready).send().await, Ok(answer) if answer.status().is_success())
        {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "not up");
            // A port that opens can't be awaited.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The result of an expression now.
    ///
    /// # Panics
    /// Prometheus doesn't understand it.
    pub async fn query(&self, expression: &str) -> Vec<Value> {
        let mut data = self.get("query", &[("query", expression)]).await;
        match data["result"].take() {
            Value::Array(result) => result,
            other => panic!("{expression}: {other}"),
        }
    }

    /// What its HTTP API answers, below `/api/v1/`.
    ///
    /// # Panics
    /// It is an error.
    pub async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("{}/api/v1/{path}", self.url);
        let answer = http().get(url).query(parameters).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        assert_eq!(
            answer["status"], "success",
            "{path} {parameters:?}: {answer}"
        );
        answer["data"].take()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("--- Prometheus's log ---\n{log}");
        }
    }
}

fn configuration(stack: &Stack, rules: &Path) -> Value {
    let job = |name: &str, services: &[Process]| {
        let targets: Vec<_> = services.iter().map(Process::admin).collect();
        json!({ "job_name": name, "static_configs": [{ "targets": targets }] })
    };
    json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": [rules],
        "scrape_configs": [job("ingest", &stack.ingests), job("redirector", &stack.redirectors)],
    })
}
