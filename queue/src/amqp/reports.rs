//! What processes say of themselves. Whoever watches says so to all, again and again; for as long as
//! that is heard, each process says how it stands to all who watch. Nothing of it is durable, and
//! nothing waits for it: it goes over the connection that tells.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::client::Client;
use super::connection::RECONNECT;
use super::error::{BrokerError, answer};
use super::outgoing::Outgoing;
use super::session::{PooledChannel, Session};
use super::wire::table;
use crate::{QueueError, Report, Watch};

/// How often a process says something.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often whoever watches says so, and for how long that holds.
const SAY_SO: Duration = Duration::from_secs(2);
const HOLDS: Duration = Duration::from_secs(5);

/// Milliseconds: what a process that hangs has not read by then is of no interest any more. Its queue
/// goes with its consumer, or its connection.
const FRESH: i32 = 10_000;
const UNUSED: i32 = 60_000;
const MOST_UNREAD: i32 = 1000;

/// What this process says of itself: by whom, and the task that does.
#[derive(Default)]
pub(super) struct Reporting(Mutex<Option<(Arc<Reporter>, JoinSet<()>)>>);

struct Reporter {
    report: Report,
    watched_until: Mutex<Option<Instant>>,
}

impl Reporting {
    pub(super) fn start(&self, client: &Arc<Client>, report: Report) {
        let reporter = Arc::new(Reporter {
            report,
            watched_until: Mutex::new(None),
        });
        let (says, client) = (Arc::clone(&reporter), Arc::downgrade(client));
        let mut task = JoinSet::new();
        task.spawn(async move { while says.report(&client).await.is_ok() {} });
        *self.0.lock() = Some((reporter, task));
    }

    /// Says a last word, before the queue is closed.
    pub(super) fn close(&self, client: &Client) {
        let Some((reporter, task)) = self.0.lock().take() else {
            return;
        };
        drop(task);
        if reporter.is_watched() {
            reporter.say(client);
        }
    }
}

impl Reporter {
    fn is_watched(&self) -> bool {
        let until = *self.watched_until.lock();
        until.is_some_and(|until| Instant::now() < until)
    }

    fn say(&self, client: &Client) {
        let said = Outgoing::report(&client.topology, (self.report)());
        client.teller().tell(said);
    }

    /// Listens for those who watch, and says something while they do, until the connection is lost.
    ///
    /// # Errors
    /// The queue is gone.
    async fn report(&self, client: &Weak<Client>) -> Result<(), QueueError> {
        let gone = || QueueError::Unavailable("the queue was closed".to_owned());
        let mut listening = {
            let client = client.upgrade().ok_or_else(gone)?;
            let watch = client.topology.watch.clone();
            Listening::open(&client, &watch).await?
        };
        let mut due = interval(INTERVAL);
        loop {
            let is_watched = self.is_watched();
            let is_due = tokio::select! {
                heard = listening.next() => {
                    if heard.is_none() {
                        return Ok(());
                    }
                    *self.watched_until.lock() = Some(Instant::now() + HOLDS);
                    !is_watched
                }
                _ = due.tick(), if is_watched => true,
            };
            if is_due {
                due.reset();
                self.say(&*client.upgrade().ok_or_else(gone)?);
            }
        }
    }
}

pub(super) struct AmqpWatch {
    client: Arc<Client>,
    listening: Listening,
    _says_so: JoinSet<()>,
}

impl AmqpWatch {
    pub(super) async fn start(client: Arc<Client>) -> Result<Self, QueueError> {
        let listening = Listening::open(&client, &client.topology.reports).await?;
        let mut says_so = JoinSet::new();
        let watching = Arc::clone(&client);
        says_so.spawn(async move {
            loop {
                let watch = Outgoing::watch(&watching.topology);
                watching.teller().tell(watch);
                sleep(SAY_SO).await;
            }
        });
        Ok(Self {
            client,
            listening,
            _says_so: says_so,
        })
    }
}

#[async_trait]
impl Watch for AmqpWatch {
    async fn next(&mut self) -> Result<Vec<u8>, QueueError> {
        loop {
            match self.listening.next().await {
                Some(said) => return Ok(said),
                None => {
                    let reports = &self.client.topology.reports;
                    self.listening = Listening::open(&self.client, reports).await?;
                }
            }
        }
    }
}

/// What goes to an exchange from now on, for as long as the connection lasts.
struct Listening {
    deliveries: lapin::Consumer,
    channel: PooledChannel,
}

impl Listening {
    /// Listens to `exchange`, as often as it takes: no process of this version may have made it yet.
    async fn open(client: &Client, exchange: &ShortString) -> Result<Self, QueueError> {
        let mut delays = RECONNECT.delays();
        loop {
            let session = client.consuming.connected().await?;
            let queue = client.topology.listener()?;
            match listen(&session, queue, exchange).await {
                Ok(listening) => return Ok(listening),
                Err(error) if error.is_not_found() && !client.topology.existing_only => {
                    session.redeclare();
                }
                Err(error) => tracing::debug!(%error, "could not listen"),
            }
            sleep(delays.next_delay()).await;
        }
    }

    /// The next message; `None` if it takes a new queue. Cancel safe.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let session = self.channel.session().clone();
        tokio::select! {
            biased;
            delivered = self.deliveries.next() => Some(delivered?.ok()?.data),
            () = session.lost() => None,
        }
    }
}

/// Makes a queue for this connection alone.
async fn listen(
    session: &Arc<Session>,
    queue: ShortString,
    exchange: &ShortString,
) -> Result<Listening, BrokerError> {
    let channel = session.channel().await?;
    let ours_alone = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let arguments = table([
        ("x-message-ttl", FRESH.into()),
        ("x-expires", UNUSED.into()),
        ("x-max-length", MOST_UNREAD.into()),
    ]);
    answer(channel.queue_declare(queue.clone(), ours_alone, arguments)).await?;
    let bind = channel.queue_bind(
        queue.clone(),
        exchange.clone(),
        ShortString::default(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    answer(bind).await?;
    let options = BasicConsumeOptions {
        no_ack: true,
        exclusive: true,
        ..BasicConsumeOptions::default()
    };
    let tag = ShortString::default();
    let consume = channel.basic_consume(queue, tag, options, FieldTable::default());
    let deliveries = answer(consume).await?;
    Ok(Listening {
        deliveries,
        channel,
    })
}
