//! The changes that the writer thread makes.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::failure::Failure;
use super::intents::{self, Reading};
use super::messages::{self, Return, Token};
use super::outcomes;
use super::said;
use crate::{Cause, Content, Intent, Lane, RawMessage};

/// Names one consumer of this handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConsumerId(pub(super) u64);

/// What the queue allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// In each lane.
    pub(super) max_length: Option<u64>,
    /// How long what is for later waits, in milliseconds.
    pub(super) later: i64,
    pub(super) deliveries: u32,
}

/// A change to the file.
pub(super) enum Change {
    Publish(RawMessage),
    /// To those who listen.
    Tell(Box<Content>),
    /// Of a process, about itself.
    Say(i64, Vec<u8>),
    /// Somebody watches.
    Watch,
    /// To the log of intents; the reader is told of it.
    Append(Intent, Arc<Reading>),
    Settle {
        token: Token,
        how: Settled,
        /// This one may have another delivery in its place.
        consumer: Option<ConsumerId>,
    },
    Replay {
        row: i64,
        message: RawMessage,
    },
    Discard {
        row: i64,
    },
}

/// How a delivery ends.
pub(super) enum Settled {
    Acked,
    DeadLetter(Cause, Timestamp),
    /// To the end of the queue, in another form.
    PublishedAgain(RawMessage),
    Returned(Return),
}

/// What came of a change that could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// Not done: the queue is full.
    Full,
    /// Not done: the delivery or dead letter is gone.
    Gone,
    /// The entry has this place in the log.
    Appended(i64),
}

impl Outcome {
    /// The place of the new entry in the log.
    pub(super) fn appended(&self) -> Option<i64> {
        match self {
            Self::Appended(seq) => Some(*seq),
            _ => None,
        }
    }
}

impl Change {
    /// Gives back what no consumer will settle.
    pub(super) fn give_back(token: Token, how: Return) -> Self {
        Self::Settle {
            token,
            how: Settled::Returned(how),
            consumer: None,
        }
    }

    /// What must be done later if this could not be done: nobody holds the delivery any more, or tells
    /// again.
    pub(super) fn owes(&self) -> Option<Self> {
        match self {
            Self::Settle { token, how, .. } => {
                let how = match how {
                    Settled::Returned(how) => *how,
                    _ => Return::Abandoned,
                };
                Some(Self::give_back(*token, how))
            }
            Self::Tell(told) => Some(Self::Tell(told.clone())),
            _ => None,
        }
    }

    /// Makes the change, within a transaction.
    pub(super) fn perform(&self, db: &Connection, limits: Limits) -> rusqlite::Result<Outcome> {
        let was_there = match self {
            Self::Publish(message) if is_full(db, message.lane(), limits)? => {
                return Ok(Outcome::Full);
            }
            Self::Replay { message, .. } if is_full(db, message.lane_again(), limits)? => {
                return Ok(Outcome::Full);
            }
            Self::Append(intent, _) => return Ok(Outcome::Appended(intents::append(db, intent)?)),
            Self::Publish(message) => {
                messages::insert(db, message.lane(), message)?;
                true
            }
            Self::Tell(told) => {
                outcomes::insert(db, told)?;
                true
            }
            Self::Say(process, said) => {
                said::say(db, *process, said)?;
                true
            }
            Self::Watch => {
                said::watch(db, Timestamp::now())?;
                true
            }
            Self::Replay { row, message } => messages::replay(db, *row, message)?,
            Self::Discard { row } => messages::discard(db, *row)?,
            Self::Settle { token, how, .. } => match how {
                Settled::Acked => messages::remove(db, *token)?,
                Settled::DeadLetter(cause, died_at) => {
                    messages::dead_letter(db, *token, cause, *died_at)?
                }
                Settled::PublishedAgain(message) => messages::publish_again(db, *token, message)?,
                Settled::Returned(how) => messages::give_back(db, *token, *how, limits.deliveries)?,
            },
        };
        Ok(match was_there {
            true => Outcome::Done,
            false => Outcome::Gone,
        })
    }
}

fn is_full(db: &Connection, lane: Lane, limits: Limits) -> rusqlite::Result<bool> {
    match limits.max_length {
        Some(max_length) if lane.is_limited() => Ok(messages::length(db, lane)? >= max_length),
        _ => Ok(false),
    }
}

/// A change, and who waits for it.
pub(super) struct Pending {
    pub(super) change: Change,
    reply: Option<oneshot::Sender<Result<Outcome, Failure>>>,
    /// Held until the change is made: it limits how many wait for a disk that hangs.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pending {
    pub(super) fn new(
        change: Change,
        permit: Option<OwnedSemaphorePermit>,
    ) -> (Self, oneshot::Receiver<Result<Outcome, Failure>>) {
        let (reply, answer) = oneshot::channel();
        let pending = Self {
            change,
            reply: Some(reply),
            _permit: permit,
        };
        (pending, answer)
    }

    /// One that nobody waits for.
    pub(super) fn unattended(change: Change) -> Self {
        Self {
            change,
            reply: None,
            _permit: None,
        }
    }

    /// Whether nobody wants it any more: a publisher that stopped waiting has told its client that the
    /// message is not durable.
    pub(super) fn is_given_up(&self) -> bool {
        let nobody_waits = self.reply.as_ref().is_some_and(oneshot::Sender::is_closed);
        nobody_waits && matches!(self.change, Change::Publish(_) | Change::Append(..))
    }

    pub(super) fn answer(self, outcome: Result<Outcome, Failure>) {
        if let Some(reply) = self.reply {
            // The caller may have gone.
            let _ = reply.send(outcome);
        }
    }
}
