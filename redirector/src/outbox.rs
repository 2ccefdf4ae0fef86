//! Puts on the queue what is to be followed up.

use std::sync::Arc;
use std::time::Duration;

use queue::{Content, Message, Queue, Redirected};
use retry::Policy;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::deadline::Interrupted;

/// How many redirects go into one message, and how long the first of them waits for others.
const MOST: usize = 100;
const GATHERED: Duration = Duration::from_millis(50);

/// Once this ends, it is on the queue that a caller was redirected, or it is tried for as long as it takes.
pub(crate) type Kept = oneshot::Receiver<()>;

/// Puts on the queue what is to be followed up, if anything is.
pub(crate) struct Outbox {
    publisher: Publisher,
    redirects: mpsc::UnboundedSender<(Redirected, oneshot::Sender<()>)>,
}

#[derive(Clone)]
struct Publisher {
    queue: Arc<dyn Queue>,
    retry: Policy,
    stop: CancellationToken,
    follows_up: bool,
    /// What could not be published at once.
    late: TaskTracker,
}

impl Outbox {
    /// With up to `held` redirects that wait to be put there.
    pub(crate) fn start(
        queue: Arc<dyn Queue>,
        retry: Policy,
        stop: CancellationToken,
        follows_up: bool,
        held: usize,
    ) -> Self {
        let publisher = Publisher {
            queue,
            retry,
            stop,
            follows_up,
            late: TaskTracker::new(),
        };
        let (redirects, inbox) = mpsc::unbounded_channel();
        // Others must not wait for what can't come.
        let most = MOST.min(held / 4).max(1);
        tokio::spawn(put_together(publisher.clone(), inbox, most));
        Self {
            publisher,
            redirects,
        }
    }

    /// Publishes, however long that takes: what is released too often would be a dead letter.
    pub(crate) async fn publish(&self, content: Content) -> Result<(), Interrupted> {
        self.publisher.publish(&content.into()).await
    }

    /// Returns once it is on the queue or, where that fails, goes on trying.
    pub(crate) async fn put(&self, content: Content) {
        self.publisher.put(content.into()).await;
    }

    /// Once nothing is left, or it was said that it is lost: after a stop.
    pub(crate) async fn close(&self) {
        self.publisher.late.close();
        self.publisher.late.wait().await;
    }

    /// The same for a redirect, together with others of the moment; those who listen are told, too.
    pub(crate) fn redirected(&self, redirected: Redirected) -> Kept {
        let (done, kept) = oneshot::channel();
        // The task ends with this only.
        let _ = self.redirects.send((redirected, done));
        kept
    }
}

async fn put_together(
    publisher: Publisher,
    mut inbox: mpsc::UnboundedReceiver<(Redirected, oneshot::Sender<()>)>,
    most: usize,
) {
    let mut waiting = Vec::new();
    while inbox.recv_many(&mut waiting, most).await > 0 {
        let until = Instant::now() + GATHERED;
        while waiting.len() < most {
            let room = most - waiting.len();
            let more = inbox.recv_many(&mut waiting, room);
            if !matches!(timeout_at(until, more).await, Ok(1..)) {
                break;
            }
        }
        let (redirected, done): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let message = Message::from(Content::Redirected(redirected));
        publisher.queue.tell(&message.content).await;
        let publisher = publisher.clone();
        // Those that follow don't wait for a broker that is slow to take it.
        tokio::spawn(async move {
            publisher.put(message).await;
            drop(done);
        });
    }
}

impl Publisher {
    async fn put(&self, message: Message) {
        if !self.follows_up {
            return;
        }
        if let Err(error) = self.queue.publish(&message).await {
            tracing::warn!(%error, "it can't be seen to yet that something becomes of callers");
            let publisher = self.clone();
            // Their requests are done, and the deliveries go.
            self.late.spawn(async move {
                if publisher.publish(&message).await.is_err()
                    && let Err(error) = publisher.queue.publish(&message).await
                {
                    let calls: Vec<_> = match &message.content {
                        Content::Redirected(all) => all.iter().map(|one| one.call_sid).collect(),
                        other => other.call_sid().into_iter().collect(),
                    };
                    tracing::error!(
                        ?calls,
                        %error,
                        "stopped, and can't put on the queue that these callers are to be followed up: \
                         nobody asks what became of them"
                    );
                }
            });
        }
    }

    async fn publish(&self, message: &Message) -> Result<(), Interrupted> {
        let mut delays = self.retry.delays();
        while let Err(error) = self.queue.publish(message).await {
            let call = message.content.call_sid().map(|call| call.to_string());
            tracing::warn!(call_sid = call, %error, "an outcome can't be put on the queue yet");
            tokio::select! {
                () = self.stop.cancelled() => return Err(Interrupted::Stop),
                () = tokio::time::sleep(delays.next_delay()) => {}
            }
        }
        Ok(())
    }
}
