//! A process of ours under load.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rabbitmq::free_address;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::callbacks::{ACCOUNT, PLACEHOLDER, PUBLIC_URL, TOKEN};

/// A running process. It is killed when it is dropped.
pub struct Service {
    child: Child,
    /// Where ingest, or the page, listens.
    pub address: SocketAddr,
    _watch: Option<Watch>,
}

/// Somebody who has the page open.
struct Watch {
    browser: JoinHandle<()>,
    _page: Box<Service>,
}

/// What a process has cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Of processors, in user mode and in the kernel.
    pub time: Duration,
    /// The memory that it has, in MiB.
    pub memory: f64,
    /// The most that it had.
    pub peak: f64,
}

impl Service {
    /// Starts `name` of these binaries in a folder of its own, and waits until it listens.
    pub async fn start(
        binaries: &Path,
        name: &str,
        folder: &Path,
        queue: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let (address, admin) = (free_address(), free_address());
        let mut words = name.split(' ');
        let binary = binaries.join(words.next().unwrap_or_default());
        let mut child = Command::new(&binary)
            .args(words)
            .current_dir(folder)
            .env_clear()
            .env("TWILIO_ACCOUNT_SID", ACCOUNT)
            .env("TWILIO_AUTH_TOKEN", TOKEN)
            .env("FORWARD_CALL_TASK_QUEUE_SID", PLACEHOLDER)
            .env("FORWARD_TO_NUMBER", "+14155550100")
            .env("PUBLIC_URL", PUBLIC_URL)
            .env("LISTEN", address.to_string())
            .envs((name == "overflow page").then(|| ("PAGE_LISTEN", address.to_string())))
            .env("ADMIN_LISTEN", admin.to_string())
            .env("QUEUE_URL", queue)
            .env("SWEEP_INTERVAL", "0")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // As it is in a container: JSON into a pipe that is read.
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        if let Some(mut log) = child.stderr.take() {
            std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(admin).await.is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("{name} ended with {status}");
            }
            if Instant::now() > deadline {
                bail!("{name} does not start");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Self {
            child,
            address,
            _watch: None,
        })
    }

    /// While somebody has this page open, whose browser asks for it every other second.
    pub fn watched_by(mut self, page: Self) -> Self {
        let url = format!("http://{}/", page.address);
        let browser = tokio::spawn(async move {
            loop {
                if let Ok(answer) = reqwest::get(&url).await {
                    let _ = answer.bytes().await;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let _page = Box::new(page);
        self._watch = Some(Watch { browser, _page });
        self
    }

    /// What it has cost by now.
    pub fn cost(&self) -> anyhow::Result<Cost> {
        let proc = Path::new("/proc").join(self.child.id().to_string());
        let stat = std::fs::read_to_string(proc.join("stat"))?;
        // The name, in parentheses, may hold blanks.
        let fields = stat.rsplit_once(')').context("no name")?.1;
        let ticks = |nth: usize| -> anyhow::Result<u64> {
            Ok(fields
                .split_whitespace()
                .nth(nth)
                .context("a field")?
                .parse()?)
        };
        let status = std::fs::read_to_string(proc.join("status"))?;
        let memory = |name: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next());
            Ok(kib.context("memory")?.parse::<f64>()? / 1024.0)
        };
        Ok(Cost {
            // A hundred a second, on Linux.
            time: Duration::from_millis(10) * u32::try_from(ticks(11)? + ticks(12)?)?,
            memory: memory("VmRSS:")?,
            peak: memory("VmHWM:")?,
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.browser.abort();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the machine's processors have done since it started, in ticks.
pub struct Processors {
    idle: u64,
    all: u64,
}

impl Processors {
    /// As it is now.
    pub fn now() -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().context("a line")?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        // Idle, and waiting for a disk.
        let idle = ticks.iter().skip(3).take(2).sum();
        Ok(Self {
            idle,
            all: ticks.iter().sum(),
        })
    }

    /// The part of the time since then in which they were at work, of 1.
    pub fn busy_since(&self, before: &Self) -> f64 {
        1.0 - (self.idle - before.idle) as f64 / (self.all - before.all) as f64
    }
}
