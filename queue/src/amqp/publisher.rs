//! The task that publishes for all who ask, over one channel that nobody else uses.
//!
//! A message that no queue takes is returned by the broker, and confirmed after that. lapin attaches
//! the return to whichever confirm comes next. So a confirm without a return shows that its message
//! is on a queue only if those that came before it had none either. Here all of them are seen: those
//! that are there are read to the last before any is told, none while a message is being written,
//! and none is dropped. A return counts for all that are unconfirmed; some may be on their queue, and
//! come twice.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::try_join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Confirmation, PublisherConfirm};
use tokio::sync::{mpsc, oneshot};
use tokio::time::interval;

use super::connection::Connection;
use super::error::{answer, message};
use super::publish::Outgoing;
use super::session::PooledChannel;
use crate::QueueError;

/// How many messages are unconfirmed at a time; more of them don't go faster.
const UNCONFIRMED: usize = 256;

/// A confirm that took longer than this on a session that still lives won't come any more.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(60);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A message to be published.
pub(super) struct Submitted {
    pub(super) outgoing: Outgoing,
    pub(super) outcome: Outcome,
}

/// Whom to tell what came of a message. Dropped, it says that the connection was lost.
pub(super) type Outcome = oneshot::Sender<Result<(), QueueError>>;

/// Starts the task, which ends when nobody can submit any more.
pub(super) fn start(connection: Arc<Connection>) -> mpsc::Sender<Submitted> {
    let (sender, submitted) = mpsc::channel(UNCONFIRMED);
    tokio::spawn(publish_all(connection, submitted));
    sender
}

async fn publish_all(connection: Arc<Connection>, mut submitted: mpsc::Receiver<Submitted>) {
    let mut batch = Vec::new();
    while !batch.is_empty() || submitted.recv_many(&mut batch, UNCONFIRMED).await > 0 {
        match open(&connection).await {
            Ok(channel) => publish_over(&channel, &mut batch, &mut submitted).await,
            Err(error) => {
                for submitted in batch.drain(..) {
                    tell(Some(submitted.outcome), Err(error.clone()));
                }
            }
        }
    }
}

/// A channel with confirms.
async fn open(connection: &Connection) -> Result<PooledChannel, QueueError> {
    let channel = connection.channel().await?;
    answer(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// Publishes the batch, and what is submitted then, for as long as the channel can be used.
async fn publish_over(
    channel: &PooledChannel,
    batch: &mut Vec<Submitted>,
    submitted: &mut mpsc::Receiver<Submitted>,
) {
    let session = channel.session();
    let mut unconfirmed = Unconfirmed::default();
    let ended = tokio::select! {
        ended = unconfirmed.publish(channel, batch, submitted) => ended,
        () = session.lost() => Err(lost()),
    };
    let Err(error) = ended else { return };
    if matches!(error, QueueError::Unroutable(_)) {
        session.redeclare();
    }
    for waiting in unconfirmed.0 {
        tell(waiting.outcome, Err(error.clone()));
    }
}

/// The messages that were published on a channel, and not confirmed yet.
#[derive(Default)]
struct Unconfirmed(FuturesUnordered<Waiting>);

impl Unconfirmed {
    /// Returns when nobody can submit any more, or why the channel can't be used any more.
    async fn publish(
        &mut self,
        channel: &PooledChannel,
        batch: &mut Vec<Submitted>,
        submitted: &mut mpsc::Receiver<Submitted>,
    ) -> Result<(), QueueError> {
        let mut looks = interval(LOOK_EVERY);
        while channel.is_open() {
            let wanted = batch.drain(..).filter(|one| !one.outcome.is_closed());
            let written = try_join_all(wanted.map(|submitted| write(channel, submitted)));
            self.0.extend(written.await?);
            let room = UNCONFIRMED - self.0.len();
            tokio::select! {
                biased;
                Some(first) = self.0.next() => self.confirmed(first)?,
                count = submitted.recv_many(batch, room), if room > 0 => if count == 0 {
                    return Ok(());
                },
                _ = looks.tick() => if self.0.iter().any(Waiting::is_overdue) {
                    return Err(QueueError::TimedOut(CONFIRM_TIMEOUT));
                },
            }
        }
        Err(lost())
    }

    /// Tells of all that are confirmed by now.
    fn confirmed(&mut self, first: Confirmed) -> Result<(), QueueError> {
        let mut confirmed = vec![first];
        while let Some(Some(next)) = self.0.next().now_or_never() {
            confirmed.push(next);
        }
        let returned = confirmed.iter().find_map(|(taken, _)| match taken {
            Err(error @ QueueError::Unroutable(_)) => Some(error.clone()),
            _ => None,
        });
        for (taken, outcome) in confirmed {
            tell(outcome, returned.clone().map_or(taken, Err));
        }
        returned.map_or(Ok(()), Err)
    }
}

/// Returns once the message is written.
async fn write(channel: &PooledChannel, submitted: Submitted) -> Result<Waiting, QueueError> {
    let Submitted { outgoing, outcome } = submitted;
    let Outgoing {
        exchange,
        key,
        properties,
        body,
    } = outgoing;
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let written = channel.basic_publish(exchange, key, options, &body, properties);
    Ok(Waiting {
        confirm: written.await.map_err(failed)?,
        since: Instant::now(),
        outcome: Some(outcome),
    })
}

/// A message that was written.
struct Waiting {
    confirm: PublisherConfirm,
    since: Instant,
    /// Taken when the broker has answered.
    outcome: Option<Outcome>,
}

/// Whether a message was taken, and whom to tell.
type Confirmed = (Result<(), QueueError>, Option<Outcome>);

impl Waiting {
    fn is_overdue(&self) -> bool {
        self.since.elapsed() > CONFIRM_TIMEOUT
    }
}

impl Future for Waiting {
    type Output = Confirmed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Confirmed> {
        let confirmation = ready!(self.confirm.poll_unpin(context));
        let taken = confirmation.map_err(failed).and_then(taken);
        Poll::Ready((taken, self.outcome.take()))
    }
}

fn taken(confirmation: Confirmation) -> Result<(), QueueError> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            Err(QueueError::Unroutable(returned.reply_text.to_string()))
        }
        Confirmation::Nack(None) => Err(QueueError::Refused(
            "the broker did not accept it: the queue is full, or has no majority of its nodes"
                .to_owned(),
        )),
        Confirmation::NotRequested => Err(QueueError::Unavailable(
            "the channel gives no confirms".to_owned(),
        )),
    }
}

fn tell(outcome: Option<Outcome>, taken: Result<(), QueueError>) {
    if let Some(outcome) = outcome {
        // An error means that nobody waits for it any more.
        let _ = outcome.send(taken);
    }
}

fn failed(error: lapin::Error) -> QueueError {
    QueueError::Unavailable(message(&error))
}

pub(super) fn lost() -> QueueError {
    QueueError::Unavailable("the connection was lost".to_owned())
}
