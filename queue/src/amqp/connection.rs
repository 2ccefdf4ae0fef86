//! A connection that comes back: to any of the broker's nodes, with the credentials of the day.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::uri::AMQPUri;
use retry::Policy;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::connect::Role;
use super::error::ANSWER_TIMEOUT;
use super::session::{PooledChannel, Session};
use super::topology::Topology;
use crate::{Health, QueueError, QueueUrl};

/// Many clients that lost the same broker don't all come back at the same moment, but soon after it
/// is up again, for callers are on hold meanwhile.
pub(super) const RECONNECT: Policy =
    match Policy::new(Duration::from_millis(100), Duration::from_secs(1)) {
        Ok(policy) => policy,
        Err(_) => unreachable!(),
    };

/// After a session that lasted this long, the first attempts come fast again.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Seconds; RabbitMQ proposes 60. A peer that is silent for twice this long is dead.
const HEARTBEAT: u16 = 5;

/// A connection that is made again, in the background, whenever it is lost.
pub(super) struct Connection {
    status: watch::Sender<Status>,
    task: AbortHandle,
}

enum Status {
    /// The first attempt is under way.
    Connecting,
    Up(Arc<Session>),
    /// Between attempts, which go on.
    Down(QueueError),
    /// For good.
    Closed,
}

impl Connection {
    pub(super) fn start(nodes: Nodes, role: Role, topology: Topology) -> Self {
        let status = watch::Sender::new(Status::Connecting);
        let task = tokio::spawn(keep_connected(nodes, role, topology, status.clone()));
        Self {
            status,
            task: task.abort_handle(),
        }
    }

    /// Waits for the outcome of the first attempt, or until `deadline`.
    ///
    /// # Errors
    /// Waiting won't help, or access was refused and that is not waited out.
    pub(super) async fn first_attempt(
        &self,
        deadline: Instant,
        waits_for_access: bool,
    ) -> Result<(), QueueError> {
        let mut status = self.status.subscribe();
        let first = status.wait_for(|status| !matches!(status, Status::Connecting));
        match tokio::time::timeout_at(deadline.into(), first).await {
            Ok(Ok(status)) => match &*status {
                Status::Down(error @ QueueError::AccessRefused(_)) if !waits_for_access => {
                    Err(error.clone())
                }
                Status::Down(error) if !error.is_transient() => Err(error.clone()),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The session, if there is one now.
    pub(super) fn session(&self) -> Result<Arc<Session>, QueueError> {
        let unavailable = |why: &str| Err(QueueError::Unavailable(why.to_owned()));
        match &*self.status.borrow() {
            Status::Up(session) if session.is_up() => Ok(session.clone()),
            Status::Up(_) => unavailable("just lost"),
            Status::Connecting => unavailable("still connecting"),
            Status::Down(error) => Err(error.clone()),
            Status::Closed => Err(closed()),
        }
    }

    /// The session, waiting for one.
    ///
    /// # Errors
    /// Waiting won't help.
    pub(super) async fn connected(&self) -> Result<Arc<Session>, QueueError> {
        let mut status = self.status.subscribe();
        let ready = status.wait_for(|status| match status {
            Status::Connecting => false,
            Status::Up(session) => session.is_up(),
            Status::Down(error) => !error.is_transient(),
            Status::Closed => true,
        });
        match ready.await.as_deref() {
            Ok(Status::Up(session)) => Ok(session.clone()),
            Ok(Status::Down(error)) => Err(error.clone()),
            _ => Err(closed()),
        }
    }

    /// A channel of the present session, within a bounded time.
    pub(super) async fn channel(&self) -> Result<PooledChannel, QueueError> {
        let session = self.session()?;
        match tokio::time::timeout(ANSWER_TIMEOUT, session.channel()).await {
            Ok(channel) => Ok(channel?),
            Err(_) => Err(QueueError::Unavailable(
                "all channels are in use".to_owned(),
            )),
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.session() {
            Ok(session) => session.blocked().map_or(Health::Up, Health::Down),
            Err(error) if error.is_transient() => Health::Down(error.to_string()),
            Err(error) => Health::Broken(error.to_string()),
        }
    }

    /// Disconnects for good, within a bounded time.
    pub(super) async fn close(&self) {
        self.task.abort();
        if let Status::Up(session) = self.status.send_replace(Status::Closed) {
            session.close().await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn closed() -> QueueError {
    QueueError::Unavailable("the queue was closed".to_owned())
}

async fn keep_connected(
    mut nodes: Nodes,
    role: Role,
    topology: Topology,
    status: watch::Sender<Status>,
) {
    let mut delays = RECONNECT.delays();
    let mut reported = HashSet::new();
    // Since there was a session, or since all nodes were tried.
    let mut tried = 0;
    loop {
        nodes.refresh();
        let (outage, was_up) = match Session::begin(nodes.next(), role, &topology).await {
            Ok(session) => {
                reported.clear();
                tracing::info!(%role, "connected to the broker");
                advance(&status, Status::Up(session.clone()));
                let since = Instant::now();
                let outage = session.supervise(&topology).await;
                session.end();
                if since.elapsed() >= GOOD_AFTER {
                    delays.reset();
                }
                (outage, true)
            }
            Err(outage) => (outage, false),
        };
        report(&outage, role, &mut reported);
        nodes.turn();
        tried = if was_up { 0 } else { tried + 1 };
        let all_tried = tried >= nodes.uris.len();
        // Until all were tried, the attempt is still under way.
        if was_up || all_tried || !matches!(outage, QueueError::Unavailable(_)) {
            advance(&status, Status::Down(outage));
        }
        if was_up || all_tried {
            tried = 0;
            tokio::time::sleep(delays.next_delay()).await;
        }
    }
}

/// Logs each outage once.
fn report(outage: &QueueError, role: Role, reported: &mut HashSet<String>) {
    let reason = outage.to_string();
    if !reported.insert(reason.clone()) {
        return;
    }
    match outage {
        QueueError::AccessRefused(_) => {
            tracing::error!(%role, reason, "not let in by the broker");
        }
        _ => tracing::warn!(%role, reason, "not connected to the broker"),
    }
}

/// A closed connection stays closed, even if it was closed this very moment.
fn advance(status: &watch::Sender<Status>, next: Status) {
    status.send_if_modified(|status| {
        let is_open = !matches!(status, Status::Closed);
        if is_open {
            *status = next;
        }
        is_open
    });
}

/// The broker's nodes, with our credentials. They come from the queue's URL, which may change while
/// we run: passwords are rotated.
#[derive(Clone)]
pub(super) struct Nodes {
    /// At least one.
    uris: Vec<AMQPUri>,
    file: Option<PathBuf>,
    turn: usize,
}

impl Nodes {
    pub(super) fn new(nodes: &[url::Url], file: Option<PathBuf>) -> Result<Self, QueueError> {
        let uris = uris(nodes)?;
        // Not always the first, or everybody would be on that node.
        let turn = fastrand::usize(..uris.len());
        Ok(Self { uris, file, turn })
    }

    /// The node whose turn it is, and how many turns each had before.
    fn next(&self) -> (&AMQPUri, usize) {
        let count = self.uris.len();
        (&self.uris[self.turn % count], self.turn / count)
    }

    fn turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// Reads the file again, if the URL came from one.
    fn refresh(&mut self) {
        let Some(file) = &self.file else { return };
        let read = std::fs::read_to_string(file)
            .map_err(|error| error.to_string())
            .and_then(|text| text.trim().parse().map_err(|error| format!("{error}")))
            .and_then(|url| match url {
                QueueUrl::Amqp(nodes) => uris(&nodes).map_err(|error| error.to_string()),
                QueueUrl::Sqlite(_) => Err("it names a file now, which takes a restart".to_owned()),
            });
        match read {
            Ok(uris) => self.uris = uris,
            // It may be in the middle of being written.
            Err(error) => tracing::warn!(
                file = %file.display(), error,
                "the queue's URL can't be read again; using the one before"
            ),
        }
    }
}

fn uris(nodes: &[url::Url]) -> Result<Vec<AMQPUri>, QueueError> {
    match nodes {
        [] => Err(QueueError::Mismatch(
            "the queue's URL names no host".to_owned(),
        )),
        nodes => nodes.iter().map(uri).collect(),
    }
}

fn uri(url: &url::Url) -> Result<AMQPUri, QueueError> {
    let mut uri: AMQPUri = url
        .as_str()
        .parse()
        // The error may repeat the URL, with its password.
        .map_err(|_| {
            QueueError::Mismatch(
                "the queue's URL is not one that RabbitMQ takes: \
                 amqp://USER:PASSWORD@HOST:5672/VHOST?heartbeat=SECONDS"
                    .to_owned(),
            )
        })?;
    // lapin's parser finds no host in an IPv6 address, and connects to localhost.
    if let Some(url::Host::Ipv6(address)) = url.host() {
        uri.authority.host = address.to_string();
    }
    // Taken literally, amqp://HOST/ names a virtual host without a name. Nobody means that.
    if uri.vhost.is_empty() {
        uri.vhost = "/".to_owned();
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    Ok(uri)
}
