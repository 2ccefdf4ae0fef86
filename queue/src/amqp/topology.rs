//! Our names on the broker, and how they are declared.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use super::fault::{
    ACCESS_REFUSED, ANSWER_WITHIN, NOT_FOUND, PRECONDITION_FAILED, Unanswered, answer,
    answer_within,
};
use crate::{Options, QueueError};

/// RabbitMQ 4 gives each quorum queue a limit of 20 deliveries and drops what exceeds it; every
/// look at the dead letters counts as one. 3.x takes no negative number for "none".
const NO_LIMIT: i32 = i32::MAX;

/// How long an intent stays, at least; far more than readers read back. Trimmed by age only, for a
/// burst must not push out what is young.
pub(super) const INTENTS_KEPT: Duration = Duration::from_secs(600);

/// Bytes. The broker removes whole segments, and only when it begins a new one.
const INTENTS_SEGMENT: i64 = 1_000_000;

/// Leaves room for the longest suffix and lease name within AMQP's 255 bytes.
const LONGEST_PREFIX: usize = 100;

/// The exchange and queue for requests, those for dead letters, and the log of intents.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    prefix: String,
    /// The exchange that requests are published to.
    pub(super) exchange: ShortString,
    /// The queue that requests wait in; also the key that routes to it.
    pub(super) queue: ShortString,
    /// The exchange, and the queue, of the dead letters.
    pub(super) dead: ShortString,
    /// The stream of intents; also the key that routes to it.
    pub(super) intents: ShortString,
    delivery_limit: u32,
    max_length: Option<u64>,
    existing_only: bool,
}

/// The names of the queues of requests and of dead letters.
pub fn message_queues(prefix: &str) -> [String; 2] {
    [format!("{prefix}.redirect"), format!("{prefix}.dead")]
}

/// How a queue stands that is there already.
pub(super) async fn look(
    channel: &Channel,
    queue: &ShortString,
    within: Duration,
) -> Result<lapin::Queue, Unanswered> {
    let passive = QueueDeclareOptions::default().passive();
    let asked = channel.queue_declare(queue.clone(), passive, FieldTable::default());
    answer_within(within, asked).await
}

impl Topology {
    pub(super) fn new(options: &Options) -> Result<Self, QueueError> {
        let prefix = &options.prefix;
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || prefix.starts_with("amq.") {
            return Err(QueueError::Mismatch(format!(
                "the prefix {prefix:?} can't start names on the broker: it needs 1 to \
                 {LONGEST_PREFIX} bytes, and amq. is RabbitMQ's own"
            )));
        }
        let [queue, dead] = message_queues(prefix);
        Ok(Self {
            prefix: prefix.clone(),
            exchange: name(prefix.clone())?,
            queue: name(queue)?,
            dead: name(dead)?,
            intents: name(format!("{prefix}.intents"))?,
            delivery_limit: options.delivery_limit,
            max_length: options.max_length,
            existing_only: options.existing_only,
        })
    }

    /// The queue whose exclusive owner holds the lease `lease`.
    pub(super) fn lease(&self, lease: &str) -> Result<ShortString, QueueError> {
        name(format!("{}.lease.{lease}", self.prefix))
    }

    /// Sees that everything is there.
    pub(super) async fn ensure(&self, channel: &Channel) -> Result<(), QueueError> {
        match self.existing_only {
            true => self.find(channel).await,
            false => self.declare(channel).await,
        }
    }

    async fn find(&self, channel: &Channel) -> Result<(), QueueError> {
        for queue in [&self.queue, &self.dead] {
            let found = look(channel, queue, ANSWER_WITHIN).await;
            found.map_err(|error| self.refused("queue", queue, error))?;
        }
        Ok(())
    }

    /// Declares everything; what exists already as we need it is left alone.
    async fn declare(&self, channel: &Channel) -> Result<(), QueueError> {
        // Whatever its routing key was: a letter that the broker makes keeps that of the request.
        self.declare_exchange(channel, &self.dead, ExchangeKind::Fanout)
            .await?;
        self.declare_queue(channel, &self.dead, self.dead_arguments())
            .await?;
        self.bind(channel, &self.dead, &self.dead).await?;

        self.declare_exchange(channel, &self.exchange, ExchangeKind::Direct)
            .await?;
        self.declare_queue(channel, &self.queue, self.queue_arguments())
            .await?;
        self.bind(channel, &self.queue, &self.exchange).await?;

        self.declare_queue(channel, &self.intents, intents_arguments())
            .await?;
        self.bind(channel, &self.intents, &self.exchange).await
    }

    /// Removes everything, with all that is in it.
    pub(super) async fn remove(&self, channel: &Channel) -> Result<(), QueueError> {
        for queue in [&self.queue, &self.dead, &self.intents] {
            let asked = channel.queue_delete(queue.clone(), QueueDeleteOptions::default());
            answer(asked)
                .await
                .map_err(|error| self.refused("queue", queue, error))?;
        }
        for exchange in [&self.exchange, &self.dead] {
            let asked = channel.exchange_delete(exchange.clone(), ExchangeDeleteOptions::default());
            answer(asked)
                .await
                .map_err(|error| self.refused("exchange", exchange, error))?;
        }
        Ok(())
    }

    fn queue_arguments(&self) -> FieldTable {
        let mut arguments = quorum();
        insert(
            &mut arguments,
            "x-delivery-limit",
            i64::from(self.delivery_limit),
        );
        insert(
            &mut arguments,
            "x-dead-letter-exchange",
            text(self.dead.as_str()),
        );
        // The default is at most once: a dead letter would be lost with the node that moves it.
        insert(
            &mut arguments,
            "x-dead-letter-strategy",
            text("at-least-once"),
        );
        if let Some(limit) = self.max_length {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            insert(&mut arguments, "x-max-length", limit);
        }
        arguments
    }

    fn dead_arguments(&self) -> FieldTable {
        let mut arguments = quorum();
        insert(&mut arguments, "x-delivery-limit", NO_LIMIT);
        arguments
    }

    async fn declare_exchange(
        &self,
        channel: &Channel,
        exchange: &ShortString,
        kind: ExchangeKind,
    ) -> Result<(), QueueError> {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let asked =
            channel.exchange_declare(exchange.clone(), kind, options, FieldTable::default());
        answer(asked)
            .await
            .map_err(|error| self.refused("exchange", exchange, error))
    }

    async fn declare_queue(
        &self,
        channel: &Channel,
        queue: &ShortString,
        arguments: FieldTable,
    ) -> Result<(), QueueError> {
        let asked = channel.queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments);
        answer(asked)
            .await
            .map(drop)
            .map_err(|error| self.refused("queue", queue, error))
    }

    /// Binds by the queue's own name.
    async fn bind(
        &self,
        channel: &Channel,
        queue: &ShortString,
        exchange: &ShortString,
    ) -> Result<(), QueueError> {
        let asked = channel.queue_bind(
            queue.clone(),
            exchange.clone(),
            queue.clone(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        answer(asked)
            .await
            .map_err(|error| self.refused("queue", queue, error))
    }

    fn refused(&self, what: &str, name: &ShortString, error: Unanswered) -> QueueError {
        match error.reply_code() {
            // The broker's words name the argument and both its values.
            Some(PRECONDITION_FAILED) => QueueError::Mismatch(format!(
                "the {what} {name:?} exists on the broker, but not as we need it ({error}); delete \
                 it once nothing in it is needed any more, or set the options that it was declared \
                 with, or choose another prefix than {:?}",
                self.prefix,
                name = name.as_str(),
            )),
            // A broker that is starting says so of queues that it will have in a moment, too: that is
            // only an answer to who may not make them.
            Some(NOT_FOUND) if self.existing_only => QueueError::Missing(format!(
                "there is no {what} {name:?} on the broker: name the virtual host (QUEUE_URL) and the \
                 prefix (QUEUE_PREFIX) that the services use",
                name = name.as_str(),
            )),
            Some(ACCESS_REFUSED) => QueueError::AccessRefused(format!(
                "the broker doesn't let us declare the {what} {name:?} ({error}); give the user \
                 the permissions configure, write and read on names that start with {:?}",
                self.prefix,
                name = name.as_str(),
            )),
            _ => error.into(),
        }
    }
}

fn name(text: String) -> Result<ShortString, QueueError> {
    ShortString::try_new(text)
        .map_err(|e| QueueError::Mismatch(format!("a name on the broker is too long: {e}")))
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    insert(&mut arguments, "x-queue-type", text("quorum"));
    // A full queue says no to the publisher; the default drops the oldest message.
    insert(&mut arguments, "x-overflow", text("reject-publish"));
    arguments
}

fn intents_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    insert(&mut arguments, "x-queue-type", text("stream"));
    let kept = format!("{}s", INTENTS_KEPT.as_secs());
    insert(&mut arguments, "x-max-age", text(&kept));
    insert(
        &mut arguments,
        "x-stream-max-segment-size-bytes",
        INTENTS_SEGMENT,
    );
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn insert(arguments: &mut FieldTable, name: &str, value: impl Into<AMQPValue>) {
    arguments.insert(name.into(), value.into());
}
