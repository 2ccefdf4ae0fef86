//! Clients that send callbacks, each over a connection of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::round::Round;

/// One connection.
pub struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    /// Connects.
    pub async fn connect(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(1024),
        })
    }

    /// Sends a request, and waits for its 204, or for a document.
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let is_whole = |answer: &[u8]| match answer.starts_with(b"HTTP/1.1 200") {
            true => answer.ends_with(b"</Response>"),
            false => answer.ends_with(b"\r\n\r\n"),
        };
        while !is_whole(&self.answer) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the connection was closed");
            }
        }
        ensure!(
            self.answer.starts_with(b"HTTP/1.1 20"),
            "answered with {}",
            String::from_utf8_lossy(&self.answer)
        );
        Ok(())
    }
}

/// Sends over so many connections, over each the next request once the one before was answered.
pub async fn as_fast_as_answered(
    to: SocketAddr,
    connections: usize,
    time: Duration,
    requests: &Arc<Vec<Vec<u8>>>,
) -> anyhow::Result<Round> {
    let mut clients = JoinSet::new();
    let begin = Instant::now();
    let share = requests.len() / connections;
    for nth in 0..connections {
        let requests = Arc::clone(requests);
        clients.spawn(async move {
            let mut client = Client::connect(to).await?;
            let mut took = Vec::with_capacity(1 << 16);
            for request in requests[nth * share..][..share].iter().cycle() {
                let sent = Instant::now();
                if sent - begin >= time {
                    break;
                }
                client.send(request).await?;
                took.push(sent.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(client) = clients.join_next().await {
        took.extend(client??);
    }
    Ok(Round::new(took, begin.elapsed()))
}

/// Sends each of these once, over many connections.
pub async fn all(to: SocketAddr, requests: Vec<Vec<u8>>) -> anyhow::Result<()> {
    const CONNECTIONS: usize = 64;
    let requests = Arc::new(requests);
    let mut clients = JoinSet::new();
    for nth in 0..CONNECTIONS {
        let requests = Arc::clone(&requests);
        clients.spawn(async move {
            let mut client = Client::connect(to).await?;
            for request in requests.iter().skip(nth).step_by(CONNECTIONS) {
                client.send(request).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

/// Sends `rate` requests a second, each made when it is due, whatever became of the others.
pub async fn at_a_rate(
    to: SocketAddr,
    rate: u32,
    time: Duration,
    request: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> anyhow::Result<Round> {
    const CONNECTIONS: u32 = 100;
    const SLACK: Duration = Duration::from_millis(3);
    let request = Arc::new(request);
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for nth in 0..CONNECTIONS {
        let request = Arc::clone(&request);
        clients.spawn(async move {
            let mut client = Client::connect(to).await?;
            let mut took = Vec::new();
            for turn in 0.. {
                let number = turn * CONNECTIONS + nth;
                let due = Duration::from_secs(1) * number / rate;
                if due >= time {
                    break;
                }
                tokio::time::sleep_until((begin + due).into()).await;
                // Timers are late by a millisecond; more is the fault of the answer before.
                let sent = match Instant::now() {
                    now if now - begin - due < SLACK => now,
                    _ => begin + due,
                };
                client
                    .send(&request(number.into()))
                    .await
                    .with_context(|| format!("callback {number}"))?;
                took.push(sent.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(client) = clients.join_next().await {
        took.extend(client??);
    }
    Ok(Round::new(took, begin.elapsed()))
}
