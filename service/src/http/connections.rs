//! The connections of a listener: so many at most, and room for a new one by closing the one that
//! has kept us waiting for longest.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::metrics::{Cut, ListenerMetrics};
use super::open_files;
use super::progress::Progress;

/// How soon another connection is looked for that can be closed.
const PAUSE: Duration = Duration::from_millis(50);

/// How often the log says that connections are closed to make room.
const WARN_EVERY: Duration = Duration::from_secs(30);

/// The connections of a listener.
pub(super) struct Connections {
    allowed: u32,
    room: Arc<Semaphore>,
    open: Mutex<HashMap<u64, Arc<Progress>>>,
    next: AtomicU64,
    warned: Mutex<Option<Instant>>,
    pub(super) metrics: ListenerMetrics,
}

/// One of them. It counts until it is dropped.
pub(super) struct Connection {
    pub(super) progress: Arc<Progress>,
    pub(super) connections: Arc<Connections>,
    id: u64,
    _room: OwnedSemaphorePermit,
}

impl Connections {
    /// At most `wanted`, or as many as this process may have files open.
    pub(super) fn new(wanted: usize, metrics: ListenerMetrics) -> Arc<Self> {
        let affordable = open_files::for_connections();
        let allowed = wanted.min(affordable).min(Semaphore::MAX_PERMITS);
        let allowed = u32::try_from(allowed).unwrap_or(u32::MAX);
        if affordable < wanted {
            tracing::info!(
                listener = metrics.listener(),
                wanted,
                allowed,
                "fewer connections than wanted: the limit of open files (ulimit -n) allows no more"
            );
        }
        Arc::new(Self {
            allowed,
            room: Arc::new(Semaphore::new(allowed as usize)),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            warned: Mutex::new(None),
            metrics,
        })
    }

    /// Waits until there is room for a connection, and sees to it that there is.
    pub(super) async fn admit(self: &Arc<Self>) -> Connection {
        let room = loop {
            if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
                break room;
            }
            // If all connections are being answered, the next one to end makes room.
            self.shed_one();
            let room = Arc::clone(&self.room).acquire_owned();
            if let Ok(Ok(room)) = timeout(PAUSE, room).await {
                break room;
            }
        };
        let progress = Arc::new(Progress::new());
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(id, Arc::clone(&progress));
        self.metrics.opened();
        Connection {
            progress,
            connections: Arc::clone(self),
            id,
            _room: room,
        }
    }

    /// After an accept that failed: the client has gone already, or, most likely, too many files are
    /// open.
    pub(super) async fn none_accepted(&self, error: &io::Error) {
        if matches!(
            error.kind(),
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
        ) {
            return;
        }
        self.warn(&format!("no connection can be accepted: {error}"));
        self.shed_one();
        tokio::time::sleep(PAUSE).await;
    }

    /// Waits until each has ended.
    pub(super) async fn all_ended(&self) {
        let _ = self.room.acquire_many(self.allowed).await;
    }

    /// Closes the connection that has kept us waiting for longest, if any does.
    fn shed_one(&self) {
        let mut open = self.open.lock();
        let waiting = open
            .iter()
            .filter_map(|(id, progress)| Some((progress.waiting_since()?, *id)));
        let longest = waiting.min().map(|(_, id)| id);
        let Some(shed) = longest.and_then(|id| open.remove(&id)) else {
            return;
        };
        drop(open);
        shed.shed.notify_one();
        self.metrics.cut(Cut::Shed);
        self.warn("no room for more connections: those that send nothing whole are closed");
    }

    fn warn(&self, what: &str) {
        let mut warned = self.warned.lock();
        if warned.is_some_and(|at| at.elapsed() < WARN_EVERY) {
            return;
        }
        *warned = Some(Instant::now());
        tracing::warn!(
            listener = self.metrics.listener(),
            allowed = self.allowed,
            "{what}"
        );
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.open.lock().remove(&self.id);
        self.connections.metrics.closed();
    }
}
