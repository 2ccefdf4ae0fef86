//! What the parts can do by themselves: the limits that our processes are measured against. Each
//! runs in a process of its own, as ours do.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use clap::Subcommand;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use rusqlite::params;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

use crate::callbacks::{self, PLACEHOLDER};
use crate::round::Round;

/// How many are under way at a time.
pub const IN_FLIGHT: usize = 64;

/// What the message of a redirect request takes up, about, in bytes.
const MESSAGE: usize = 420;

/// One part by itself.
#[derive(Debug, Clone, Subcommand)]
pub enum Limit {
    /// An axum handler that reads the body and answers 204; says where it listens
    Bare,
    /// One channel, mandatory publishes with confirms; says how many a second
    Publisher {
        /// The broker
        url: String,
        /// For so long
        millis: u64,
    },
    /// Rows written to a file by group commits with fsync; says how many a second
    Commits {
        /// For so long
        millis: u64,
    },
}

impl Limit {
    /// Runs it in this process.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Bare => {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
                println!("{}", listener.local_addr()?);
                let answer = async |_: Bytes| StatusCode::NO_CONTENT;
                let router = Router::new().route("/taskrouter/events", post(answer));
                Ok(axum::serve(listener, router).await?)
            }
            Self::Publisher { url, millis } => {
                let round = publish(&url, Duration::from_millis(millis)).await?;
                println!("{} {}", round.rate, round.percentile(99));
                Ok(())
            }
            Self::Commits { millis } => {
                println!("{}", commit(Duration::from_millis(millis))?);
                Ok(())
            }
        }
    }
}

async fn publish(url: &str, time: Duration) -> anyhow::Result<Round> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let mut quorum = FieldTable::default();
    quorum.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    let queue = format!("bench.raw.{}", std::process::id());
    channel
        .queue_declare(
            queue.as_str().into(),
            QueueDeclareOptions::durable(),
            quorum,
        )
        .await?;
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let payload = vec![b'x'; MESSAGE];
    let properties = BasicProperties::default().with_delivery_mode(2);
    let mut pending = FuturesUnordered::new();
    let mut took = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < time {
        while pending.len() < IN_FLIGHT {
            let sent = Instant::now();
            let confirm = channel
                .basic_publish(
                    "".into(),
                    queue.as_str().into(),
                    options,
                    &payload,
                    properties.clone(),
                )
                .await?;
            pending.push(async move { (confirm.await, sent) });
        }
        if let Some((confirmed, sent)) = pending.next().await {
            anyhow::ensure!(
                matches!(confirmed?, Confirmation::Ack(None)),
                "the broker did not take a message"
            );
            took.push(sent.elapsed());
        }
    }
    let round = Round::new(took, begin.elapsed());
    channel
        .queue_delete(queue.as_str().into(), Default::default())
        .await?;
    Ok(round)
}

fn commit(time: Duration) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(".")?;
    let mut db = rusqlite::Connection::open(folder.path().join("rows.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE messages (seq INTEGER PRIMARY KEY, id TEXT, body BLOB)",
    )?;
    let body = vec![b'x'; MESSAGE];
    let begin = Instant::now();
    let mut rows = 0_u32;
    while begin.elapsed() < time {
        let transaction = db.transaction()?;
        for _ in 0..IN_FLIGHT {
            transaction
                .prepare_cached("INSERT INTO messages (id, body) VALUES (?, ?)")?
                .insert(params![callbacks::call_sid(rows.into()), body])?;
            rows += 1;
        }
        transaction.commit()?;
    }
    Ok(f64::from(rows) / begin.elapsed().as_secs_f64())
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

/// How many publishes a second one channel does, and the slowest hundredth's milliseconds.
pub async fn publisher(url: &str, time: Duration) -> anyhow::Result<(f64, f64)> {
    let millis = time.as_millis().to_string();
    let said = Running::start(&["publisher", url, &millis])?.says().await?;
    let (rate, late) = said.split_once(' ').context("two figures")?;
    Ok((rate.parse()?, late.parse()?))
}

/// How many rows a second group commits write.
pub async fn commits(time: Duration) -> anyhow::Result<f64> {
    let millis = time.as_millis().to_string();
    Ok(Running::start(&["commits", &millis])?
        .says()
        .await?
        .parse()?)
}

/// Requests that nothing comes of, and such that are put on the queue.
pub fn requests(count: u64) -> [(&'static str, Vec<Vec<u8>>); 2] {
    [
        ("irrelevant", callbacks::pool(count, callbacks::SALES)),
        ("relevant", callbacks::pool(count, PLACEHOLDER)),
    ]
}
