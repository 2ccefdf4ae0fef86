//! Clients that begin a request and don't go on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::{PATIENCE, Process};

/// The beginning of a head.
pub const HALF_A_HEAD: &[u8] = b"POST /taskrouter/events HTTP/1.1\r\nHost: x\r\nX-Long: ";
/// The head of a request that has a body.
pub const HEAD: &[u8] =
    b"POST /taskrouter/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n";

/// Clients that send a byte a second, or nothing more, for as long as this lives.
pub struct SlowSenders(JoinSet<()>);

impl SlowSenders {
    /// Starts so many at each address, and waits until half of them were let in: the rest of them
    /// knock.
    ///
    /// # Panics
    /// They weren't.
    pub async fn start(at: impl IntoIterator<Item = (SocketAddr, usize)>) -> Self {
        may_open_many_files();
        let mut senders = JoinSet::new();
        let connected = Arc::new(Semaphore::new(0));
        for (address, count) in at {
            for nth in 0..count {
                senders.spawn(send_slowly(address, nth, Arc::clone(&connected)));
            }
        }
        let crowd = u32::try_from(senders.len() / 2).unwrap();
        let crowd = tokio::time::timeout(PATIENCE, connected.acquire_many(crowd)).await;
        crowd.unwrap().unwrap().forget();
        Self(senders)
    }

    /// They go.
    pub async fn leave(mut self) {
        self.0.shutdown().await;
    }
}

/// Begins a request and sends a byte a second, or nothing more; over again for as long as somebody
/// listens.
async fn send_slowly(address: SocketAddr, nth: usize, connected: Arc<Semaphore>) {
    let (beginning, goes_on) = match nth % 3 {
        0 => (HALF_A_HEAD, false),
        1 => (HALF_A_HEAD, true),
        _ => (HEAD, true),
    };
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        let Ok(mut stream) = TcpStream::connect(address).await else {
            continue;
        };
        let mut sent = stream.write_all(beginning).await;
        connected.add_permits(1);
        let mut byte = [0];
        while sent.is_ok() {
            tokio::select! {
                _ = stream.read(&mut byte) => break,
                _ = second.tick() => if goes_on {
                    sent = stream.write_all(b"x").await;
                }
            }
        }
    }
}

fn may_open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).unwrap();
}

impl Process {
    /// How many connections of a listener it has ended, for a reason.
    pub async fn cut(&self, listener: &str, reason: &str) -> f64 {
        let name = "overflow_http_connections_cut_total";
        let labels = format!(r#"{{listener="{listener}",reason="{reason}"}}"#);
        self.metric(&format!("{name}{labels}")).await
    }
}
