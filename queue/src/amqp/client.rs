//! What all parts of the queue share.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use lapin::types::ShortString;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::publisher::Submitted;
use super::tell::Teller;
use super::topology::Topology;

/// What all parts of the queue share.
pub(super) struct Client {
    pub(super) publishing: Arc<Connection>,
    pub(super) publisher: mpsc::Sender<Submitted>,
    pub(super) consuming: Connection,
    /// For users' queues, and for the stream of what was told.
    pub(super) tellers: [Teller; 2],
    pub(super) topology: Topology,
    pub(super) locks: Locks,
    pub(super) publish_timeout: Duration,
    /// For each question about dead letters.
    pub(super) answer_timeout: Duration,
    pub(super) runtime: Handle,
}

impl Client {
    /// The way to what is ours.
    pub(super) fn teller(&self) -> &Teller {
        &self.tellers[1]
    }
}

/// The locks that this process holds or is about to take. To the broker they all have the same
/// owner, the connection, so it takes this to keep them apart.
pub(super) type Locks = Arc<Mutex<HashSet<ShortString>>>;
