//! What the parts can do by themselves: the limits that our processes are measured against. Each
//! runs in a process of its own, as ours do, and says one line.

mod commits;
mod http;
mod publisher;
mod redirects;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

pub use self::publisher::remove;
use crate::callbacks;
use crate::service::Processors;

/// How many are under way at a time.
pub const IN_FLIGHT: usize = 64;

/// What the message of a redirect request takes up, about, in bytes.
const MESSAGE: usize = 420;

/// One part by itself.
#[derive(Debug, Clone, Subcommand)]
pub enum Limit {
    /// An axum handler that reads the body and answers 204; says where it listens
    Bare,
    /// One channel, mandatory publishes with confirms
    Publisher {
        /// The broker
        url: String,
        /// For so long
        millis: u64,
        /// How many a second; 0: as fast as they are confirmed
        rate: u32,
    },
    /// Publishes messages to a queue that exists
    Fill {
        /// The broker
        url: String,
        /// The queue
        queue: String,
        /// How many
        count: u32,
    },
    /// Rows written to a file by group commits with fsync
    Commits {
        /// For so long
        millis: u64,
    },
    /// The same at a rate: each waits for two commits
    TwoCommits {
        /// For so long
        millis: u64,
        /// How many a second
        rate: u32,
    },
    /// Published and confirmed, consumed, and an intent read back
    Events {
        /// The broker
        url: String,
        /// For so long
        millis: u64,
        /// How many a second
        rate: u32,
    },
    /// Consumed, an intent read back, an HTTP request answered, acknowledged
    Redirects {
        /// The broker
        url: String,
        /// Whom to ask
        api: String,
        /// How many
        count: u32,
    },
}

impl Limit {
    /// Runs it in this process.
    pub async fn run(self) -> anyhow::Result<()> {
        let time = Duration::from_millis;
        let before = Processors::now()?;
        let round = match self {
            Self::Bare => return http::serve().await,
            Self::Publisher {
                url,
                millis,
                rate: 0,
            } => publisher::fast(&url, time(millis)).await?,
            Self::Publisher { url, millis, rate } => {
                publisher::at_a_rate(&url, time(millis), rate).await?
            }
            Self::Fill { url, queue, count } => publisher::fill(&url, &queue, count).await?,
            Self::Commits { millis } => commits::fast(time(millis))?,
            Self::TwoCommits { millis, rate } => commits::at_a_rate(time(millis), rate)?,
            Self::Events { url, millis, rate } => {
                redirects::events(&url, time(millis), rate).await?
            }
            Self::Redirects { url, api, count } => redirects::backlog(&url, &api, count).await?,
        };
        let figures = Figures {
            rate: round.rate,
            p50: round.percentile(50),
            p99: round.percentile(99),
            busy: Processors::now()?.busy_since(&before),
        };
        println!("{}", serde_json::to_string(&figures)?);
        Ok(())
    }
}

/// What a limit says.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Figures {
    /// In a second.
    pub rate: f64,
    /// How long the middle one took, in ms.
    pub p50: f64,
    /// How long 99 of 100 took at most, in ms.
    pub p99: f64,
    /// How much of the machine's processors was at work, of 1.
    pub busy: f64,
}

/// A limit that runs in a process of its own, until this is dropped.
pub struct Running {
    _child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("limit")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("its output")?;
        Ok(Self {
            _child: child,
            says: BufReader::new(stdout).lines(),
        })
    }

    async fn says(&mut self) -> anyhow::Result<String> {
        self.says.next_line().await?.context("a limit failed")
    }
}

/// The bare handler, and where it listens.
pub async fn bare() -> anyhow::Result<(Running, SocketAddr)> {
    let mut running = Running::start(&["bare"])?;
    let address = running.says().await?.parse()?;
    Ok((running, address))
}

/// Runs a limit to its end.
pub async fn figures(arguments: &[&str]) -> anyhow::Result<Figures> {
    let said = Running::start(arguments)?.says().await?;
    Ok(serde_json::from_str(&said)?)
}

/// Requests that nothing comes of, and such that are put on the queue.
pub fn requests(count: u64) -> [Vec<Vec<u8>>; 2] {
    [callbacks::SALES, callbacks::PLACEHOLDER].map(|queue| callbacks::pool(count, queue))
}
