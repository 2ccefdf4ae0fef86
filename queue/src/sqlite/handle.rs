//! The way to the writer thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::change::{Change, ConsumerId, Outcome, Pending};
use super::failure::Failure;
use super::intents::Reading;
use super::messages::Delivered;
use crate::{Health, Lane};

/// What the writer thread is told.
pub(super) enum Command {
    Do(Pending),
    Subscribe {
        consumer: ConsumerId,
        lane: Lane,
        prefetch: u16,
        deliveries: UnboundedSender<Delivered>,
    },
    /// With the deliveries that the consumer has not looked at.
    Unsubscribe {
        consumer: ConsumerId,
        unseen: UnboundedReceiver<Delivered>,
    },
    /// Tells the reader what is in the log of intents, until it is dropped.
    Read(Weak<Reading>),
    Close,
}

/// The writer thread ends when the last of these is dropped.
#[derive(Clone)]
pub(super) struct Handle {
    inbox: Sender<Command>,
    status: Arc<Status>,
}

/// What the writer thread lets others see.
pub(super) struct Status {
    /// Nothing is held any more.
    pub(super) has_ended: AtomicBool,
    /// Another process consumes, and this one would.
    pub(super) stands_by: AtomicBool,
    pub(super) health: Mutex<Health>,
}

impl Handle {
    pub(super) fn new(inbox: Sender<Command>, status: Arc<Status>) -> Self {
        Self { inbox, status }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.status.has_ended.load(Ordering::Acquire)
    }

    pub(super) fn stands_by(&self) -> bool {
        self.status.stands_by.load(Ordering::Relaxed)
    }

    pub(super) fn health(&self) -> Health {
        self.status.health.lock().clone()
    }

    pub(super) fn send(&self, command: Command) -> Result<(), Failure> {
        self.inbox.send(command).map_err(|_| Failure::Closed)
    }

    /// Makes a change; returns once it is committed.
    pub(super) async fn perform(
        &self,
        change: Change,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Outcome, Failure> {
        let (pending, answer) = Pending::new(change, permit);
        self.send(Command::Do(pending))?;
        answer.await.unwrap_or(Err(Failure::Closed))
    }

    /// Makes a change without waiting for it. If the writer can't be told, it has ended, and gave
    /// everything back.
    pub(super) fn perform_later(&self, change: Change) {
        let _ = self.send(Command::Do(Pending::unattended(change)));
    }
}
