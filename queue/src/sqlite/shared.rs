//! What the writer thread and everybody else know of each other.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::intents::Reading;
use super::tables::Leased;
use super::work::{Job, Verdict, Work};
use crate::{Health, QueueError};

/// Names one consumer of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConsumerId(pub(super) u64);

/// What the writer thread is told.
pub(super) enum Command {
    Do(Job),
    Subscribe {
        consumer: ConsumerId,
        prefetch: u16,
        deliveries: UnboundedSender<Leased>,
    },
    /// Comes with what the consumer has not looked at.
    Unsubscribe {
        consumer: ConsumerId,
        unseen: UnboundedReceiver<Leased>,
    },
    /// Reads the log of intents, for as long as this lives.
    Read(Weak<Reading>),
    Close,
}

/// Why the file did not take a change.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    Closed,
    Storage(String),
}

const CLOSED: &str = "it is closed";

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Closed => Self::Unavailable(CLOSED.to_owned()),
            Failure::Storage(error) => Self::Storage(error),
        }
    }
}

/// The way to the writer thread, which ends when nobody has one any more.
#[derive(Clone)]
pub(super) struct Handle {
    inbox: Sender<Command>,
    state: Arc<State>,
}

/// What the writer thread lets others see.
pub(super) struct State {
    lease: Duration,
    owner: AtomicI64,
    beat: Mutex<Instant>,
    health: Mutex<Health>,
}

impl Handle {
    pub(super) fn new(inbox: Sender<Command>, state: Arc<State>) -> Self {
        Self { inbox, state }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn send(&self, command: Command) -> Result<(), Failure> {
        self.inbox.send(command).map_err(|_| Failure::Closed)
    }

    /// Has `work` done, and returns once it is committed.
    pub(super) async fn perform(
        &self,
        work: Work,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Verdict, Failure> {
        let (job, answer) = Job::new(work, permit);
        self.send(Command::Do(job))?;
        answer.await.unwrap_or(Err(Failure::Closed))
    }

    /// Has `work` done without waiting. What can't be told to the writer needs no telling: it gave
    /// everything back when it ended.
    pub(super) fn perform_later(&self, work: Work) {
        let _ = self.send(Command::Do(Job::unattended(work)));
    }
}

impl State {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            lease,
            owner: AtomicI64::new(0),
            beat: Mutex::new(Instant::now()),
            health: Mutex::new(Health::Up),
        }
    }

    /// Notes a beat that was begun at `begun`.
    pub(super) fn has_beaten(&self, owner: i64, begun: Instant) {
        // In this order: an owner that was given up must not look alive by the new one's beat.
        self.owner.store(owner, Ordering::Release);
        *self.beat.lock() = begun;
    }

    /// Notes that nothing is held any more.
    pub(super) fn has_ended(&self) {
        self.owner.store(0, Ordering::Release);
    }

    /// Whether `owner` was given up for dead, as far as we heard.
    pub(super) fn was_given_up(&self, owner: i64) -> bool {
        self.owner.load(Ordering::Acquire) != owner
    }

    /// Whether what `owner` holds may be somebody else's by now.
    pub(super) fn may_be_lost(&self, owner: i64) -> bool {
        self.was_given_up(owner) || self.beat.lock().elapsed() >= self.lease
    }

    pub(super) fn health(&self) -> Health {
        self.health.lock().clone()
    }

    pub(super) fn set_health(&self, health: Health) {
        *self.health.lock() = health;
    }
}
