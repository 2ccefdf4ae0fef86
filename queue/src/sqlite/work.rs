//! The changes that the writer thread is asked for.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::database::Durability;
use super::entries;
use super::intents::Reading;
use super::shared::{ConsumerId, Failure};
use super::tables::{self, GivenBack, Return, Token};
use crate::{Cause, Intent, RawMessage};

/// What the queue allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_length: Option<u64>,
    pub(super) deliveries: u32,
}

/// A change to the file.
pub(super) enum Work {
    Publish(RawMessage),
    /// To the log of intents; the reader is told of it.
    Append(Intent, Arc<Reading>),
    Ack(Token, ConsumerId),
    DeadLetter(Token, ConsumerId, Cause, Timestamp),
    /// To the end of the queue, in another form.
    PublishAgain(Token, ConsumerId, RawMessage),
    GiveBack {
        token: Token,
        how: Return,
        consumer: Option<ConsumerId>,
    },
    Replay {
        row: i64,
        message: RawMessage,
    },
    Discard {
        row: i64,
    },
    TakeLease {
        name: String,
        ticket: i64,
    },
    ReturnLease {
        name: String,
        ticket: i64,
    },
}

/// How a change ended that the file took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    /// Not done: the queue holds as many messages as it may.
    Full,
    /// Not done: the delivery, dead letter or lease is somebody else's.
    Gone,
    /// The lease is taken, by this owner.
    Leased(i64),
    /// The entry has this place in the log.
    Appended(i64),
}

impl Verdict {
    /// The place that an entry got in the log.
    pub(super) fn appended(&self) -> Option<i64> {
        match self {
            Self::Appended(seq) => Some(*seq),
            _ => None,
        }
    }
}

impl Work {
    pub(super) fn give_back_unseen(token: Token) -> Self {
        Self::GiveBack {
            token,
            how: Return::Unseen,
            consumer: None,
        }
    }

    pub(super) fn durability(&self) -> Durability {
        match self {
            Self::Publish(_)
            | Self::Append(..)
            | Self::Ack(..)
            | Self::DeadLetter(..)
            | Self::PublishAgain(..)
            | Self::Replay { .. }
            | Self::Discard { .. } => Durability::Power,
            Self::GiveBack { .. } | Self::TakeLease { .. } | Self::ReturnLease { .. } => {
                Durability::Process
            }
        }
    }

    /// The consumer that may have another delivery in place of this one.
    pub(super) fn settles_for(&self) -> Option<ConsumerId> {
        match self {
            Self::Ack(_, consumer)
            | Self::DeadLetter(_, consumer, ..)
            | Self::PublishAgain(_, consumer, _) => Some(*consumer),
            Self::GiveBack { consumer, .. } => *consumer,
            _ => None,
        }
    }

    pub(super) fn takes_lease(&self) -> bool {
        matches!(self, Self::TakeLease { .. })
    }

    /// Whether a consumer may find a message by it.
    pub(super) fn makes_ready(&self) -> bool {
        matches!(
            self,
            Self::Publish(_) | Self::Replay { .. } | Self::PublishAgain(..) | Self::GiveBack { .. }
        )
    }

    /// What is still to be done, later, if this could not be done: nobody holds the delivery any
    /// more.
    pub(super) fn owes(&self) -> Option<Self> {
        match self {
            Self::Ack(token, _) | Self::DeadLetter(token, ..) | Self::PublishAgain(token, ..) => {
                Some(Self::GiveBack {
                    token: *token,
                    how: Return::Abandoned,
                    consumer: None,
                })
            }
            Self::GiveBack { token, how, .. } => Some(Self::GiveBack {
                token: *token,
                how: *how,
                consumer: None,
            }),
            Self::ReturnLease { name, ticket } => Some(Self::ReturnLease {
                name: name.clone(),
                ticket: *ticket,
            }),
            Self::Publish(_)
            | Self::Append(..)
            | Self::Replay { .. }
            | Self::Discard { .. }
            | Self::TakeLease { .. } => None,
        }
    }

    /// Does it, as `owner`, within a transaction.
    pub(super) fn perform(
        &self,
        db: &Connection,
        owner: Option<i64>,
        limits: Limits,
    ) -> rusqlite::Result<Verdict> {
        let unless = |gone: bool| if gone { Verdict::Gone } else { Verdict::Done };
        Ok(match self {
            Self::Publish(_) | Self::Replay { .. } if is_full(db, limits)? => Verdict::Full,
            Self::Publish(message) => {
                tables::insert(db, message)?;
                Verdict::Done
            }
            Self::Append(intent, _) => Verdict::Appended(entries::append(db, intent)?),
            Self::Replay { row, message } => unless(!tables::replay(db, *row, message)?),
            Self::Discard { row } => unless(!tables::discard(db, *row)?),
            Self::Ack(token, _) => unless(!tables::remove(db, *token)?),
            Self::DeadLetter(token, _, cause, died_at) => {
                unless(!tables::bury(db, *token, cause, *died_at)?)
            }
            Self::PublishAgain(token, _, message) => {
                unless(!tables::publish_again(db, *token, message)?)
            }
            Self::GiveBack { token, how, .. } => {
                let given_back = tables::give_back(db, *token, *how, limits.deliveries)?;
                unless(given_back == GivenBack::Lost)
            }
            Self::TakeLease { name, ticket } => match owner {
                Some(owner) if tables::take_lease(db, name, owner, *ticket)? => {
                    Verdict::Leased(owner)
                }
                _ => Verdict::Gone,
            },
            Self::ReturnLease { name, ticket } => {
                if let Some(owner) = owner {
                    tables::return_lease(db, name, owner, *ticket)?;
                }
                Verdict::Done
            }
        })
    }
}

fn is_full(db: &Connection, limits: Limits) -> rusqlite::Result<bool> {
    match limits.max_length {
        Some(max_length) => Ok(tables::length(db)? >= max_length),
        None => Ok(false),
    }
}

/// A change, and who waits for it.
pub(super) struct Job {
    pub(super) work: Work,
    reply: Option<oneshot::Sender<Result<Verdict, Failure>>>,
    /// Held until the change is through, for it bounds what waits for a disk that hangs.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Job {
    pub(super) fn new(
        work: Work,
        permit: Option<OwnedSemaphorePermit>,
    ) -> (Self, oneshot::Receiver<Result<Verdict, Failure>>) {
        let (reply, answer) = oneshot::channel();
        let job = Self {
            work,
            reply: Some(reply),
            _permit: permit,
        };
        (job, answer)
    }

    /// One that nobody waits for.
    pub(super) fn unattended(work: Work) -> Self {
        Self {
            work,
            reply: None,
            _permit: None,
        }
    }

    /// Whether it need not be done any more: a publisher that went away has told its client that
    /// the message is not durable.
    pub(super) fn is_given_up(&self) -> bool {
        let nobody_waits = self.reply.as_ref().is_some_and(oneshot::Sender::is_closed);
        nobody_waits && matches!(self.work, Work::Publish(_) | Work::Append(..))
    }

    pub(super) fn answer(self, outcome: Result<Verdict, Failure>) {
        if let Some(reply) = self.reply {
            // Whoever asked may have gone.
            let _ = reply.send(outcome);
        }
    }
}
