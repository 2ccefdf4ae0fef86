//! The task that publishes for all who ask, over one channel that nobody else uses.
//!
//! A message that no queue takes is returned by the broker, and confirmed after that. lapin attaches
//! the return to whichever confirm comes next. So a confirm without a return shows that its message
//! is on a queue only if none that came before it carried one. Here all are seen: what is there is
//! read to the last before anybody is told, none is dropped, and none is read while messages are being
//! written, for those may be confirmed before they are in the set. A return puts all in doubt that are
//! unconfirmed: they may be on their queue, and come twice. So may those that are confirmed while a
//! blocked broker lets nothing be written.
//!
//! That rests on lapin's one thread, which settles confirms in order, and on `FuturesUnordered`, which
//! yields in the order of wakes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
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
use super::outgoing::Outgoing;
use super::session::PooledChannel;
use crate::QueueError;

/// How many messages are unconfirmed at a time, and how many more wait; with more it goes no faster.
const UNCONFIRMED: usize = 256;

/// A confirm that took longer than this on a session that still lives won't come any more.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(60);

/// How often that is looked at, and how long a confirm may take before it is asked whether the broker
/// still answers: version 3.10 may hang a channel, and with it the connection, over a queue that is
/// deleted.
const LOOK_EVERY: Duration = Duration::from_secs(2);

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
    // What could not be written over a channel that was closed goes out over the next one.
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
                Some(first) = self.0.next() => if self.confirmed(first) {
                    channel.session().redeclare();
                    return Err(beside_a_return());
                },
                count = submitted.recv_many(batch, room), if room > 0 => if count == 0 {
                    return Ok(());
                },
                _ = looks.tick() => match self.longest_wait() {
                    Some(wait) if wait > CONFIRM_TIMEOUT => {
                        return Err(QueueError::TimedOut(CONFIRM_TIMEOUT));
                    }
                    Some(wait) if wait > LOOK_EVERY => channel.session().check(),
                    _ => {}
                },
            }
        }
        Err(lost())
    }

    fn longest_wait(&self) -> Option<Duration> {
        self.0.iter().map(|waiting| waiting.since.elapsed()).max()
    }

    /// Tells of all that are confirmed by now. Whether one was returned.
    fn confirmed(&mut self, first: Confirmed) -> bool {
        let mut confirmed = vec![first];
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            match self.0.poll_next_unpin(&mut context) {
                Poll::Ready(Some(next)) => confirmed.push(next),
                Poll::Ready(None) => break,
                // It may have more, and let others go first.
                Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
                Poll::Pending => break,
            }
        }
        let is_returned = |taken: &_| matches!(taken, Err(QueueError::Unroutable(_)));
        let any_returned = confirmed.iter().any(|(taken, _)| is_returned(taken));
        for (taken, outcome) in confirmed {
            tell(
                outcome,
                match taken {
                    Ok(()) if any_returned => Err(beside_a_return()),
                    taken => taken,
                },
            );
        }
        any_returned
    }
}

/// Remembers that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
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

pub(super) fn failed(error: lapin::Error) -> QueueError {
    QueueError::Unavailable(message(&error))
}

fn beside_a_return() -> QueueError {
    QueueError::Unavailable("a message that was published with it was returned".to_owned())
}

pub(super) fn lost() -> QueueError {
    QueueError::Unavailable("the connection was lost".to_owned())
}
