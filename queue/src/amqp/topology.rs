//! Our names on the broker, and how they are declared.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use super::error::{
    ACCESS_REFUSED, ANSWER_TIMEOUT, BrokerError, NOT_FOUND, PRECONDITION_FAILED, answer,
    answer_within,
};
use super::wire::{table, text};
use crate::{Lane, Options, QueueError};

/// RabbitMQ 4 gives each quorum queue a limit of 20 deliveries and drops what exceeds it; every
/// look at the dead letters counts as one. 3.x takes no negative number for "none".
const NO_LIMIT: i32 = i32::MAX;

/// How long an intent stays, at least; far more than readers read back. Trimmed by age only: a
/// burst must not push out what is young.
pub(super) const INTENTS_KEPT: Duration = Duration::from_secs(600);

/// Bytes. The broker removes whole segments, and only when it begins a new one.
const INTENTS_SEGMENT: i64 = 1_000_000;

/// How long is kept what was told.
const HISTORY_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes, as above.
const HISTORY_SEGMENT: i64 = 10_000_000;

/// Leaves room for the longest suffix and lock name within AMQP's 255 bytes.
const LONGEST_PREFIX: usize = 100;

/// The exchange and queues for messages, those for dead letters and for what is told, and the log of
/// intents.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    prefix: String,
    /// The exchange that messages are published to.
    pub(super) exchange: ShortString,
    /// The queue of each lane; also the key that routes to it.
    lanes: [ShortString; 4],
    /// The exchange, and the queue, of the dead letters.
    pub(super) dead: ShortString,
    /// The exchange of what is told, for users' queues.
    pub(super) outcomes: ShortString,
    /// The stream of what was told; also the key that routes to it.
    pub(super) history: ShortString,
    /// The exchange by which those who watch say so.
    pub(super) watch: ShortString,
    /// The exchange of what processes say of themselves.
    pub(super) reports: ShortString,
    /// The stream of intents; also the key that routes to it.
    pub(super) intents: ShortString,
    delivery_limit: u32,
    max_length: Option<u64>,
    later: Duration,
    /// Whether what is missing is not to be made.
    pub(super) existing_only: bool,
}

/// A queue, what it is bound to, and its arguments.
type Declared<'a> = (&'a ShortString, &'a ShortString, FieldTable);

/// The names of the queues that hold messages, one for each lane, the last one for dead letters.
pub fn message_queues(prefix: &str) -> [String; 5] {
    ["redirect", "outcome", "later", "notify", "dead"].map(|name| format!("{prefix}.{name}"))
}

/// Looks at a queue that is there already.
pub(super) async fn inspect(
    channel: &Channel,
    queue: &ShortString,
    within: Duration,
) -> Result<lapin::Queue, BrokerError> {
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
        let [redirect, outcome, later, notify, dead] = message_queues(prefix);
        Ok(Self {
            prefix: prefix.clone(),
            exchange: name(prefix.clone())?,
            lanes: [name(redirect)?, name(outcome)?, name(later)?, name(notify)?],
            dead: name(dead)?,
            outcomes: name(format!("{prefix}.outcomes"))?,
            history: name(format!("{prefix}.history"))?,
            watch: name(format!("{prefix}.watch"))?,
            reports: name(format!("{prefix}.reports"))?,
            intents: name(format!("{prefix}.intents"))?,
            delivery_limit: options.delivery_limit,
            max_length: options.max_length,
            later: options.later,
            existing_only: options.existing_only,
        })
    }

    pub(super) fn queue(&self, lane: Lane) -> &ShortString {
        &self.lanes[lane as usize]
    }

    /// The queue whose exclusive owner holds the lock `lock`.
    pub(super) fn lock(&self, lock: &str) -> Result<ShortString, QueueError> {
        name(format!("{}.lock.{lock}", self.prefix))
    }

    /// A queue for one listener; no other one has this name.
    pub(super) fn listener(&self) -> Result<ShortString, QueueError> {
        name(format!(
            "{}.listener.{:016x}",
            self.prefix,
            fastrand::u64(..)
        ))
    }

    /// Sees that everything is there.
    pub(super) async fn ensure(&self, channel: &Channel) -> Result<(), QueueError> {
        if !self.existing_only {
            return self.declare(channel).await;
        }
        for queue in self.lanes.iter().chain([&self.dead]) {
            let found = inspect(channel, queue, ANSWER_TIMEOUT).await;
            found.map_err(|error| self.refused("queue", queue, error))?;
        }
        Ok(())
    }

    /// Declares everything; what exists already as we need it is left alone.
    async fn declare(&self, channel: &Channel) -> Result<(), QueueError> {
        for (exchange, kind, durable) in [
            // A letter that the broker makes keeps the routing key of its request.
            (&self.dead, ExchangeKind::Fanout, true),
            (&self.exchange, ExchangeKind::Direct, true),
            (&self.outcomes, ExchangeKind::Topic, true),
            (&self.watch, ExchangeKind::Fanout, false),
            (&self.reports, ExchangeKind::Fanout, false),
        ] {
            let options = ExchangeDeclareOptions {
                durable,
                ..ExchangeDeclareOptions::default()
            };
            let asked =
                channel.exchange_declare(exchange.clone(), kind, options, FieldTable::default());
            let declared = answer(asked).await;
            declared.map_err(|error| self.refused("exchange", exchange, error))?;
        }
        for (queue, exchange, arguments) in [
            (&self.dead, &self.dead, dead_arguments()),
            self.in_lane(Lane::Redirects, []),
            self.in_lane(Lane::Outcomes, [("x-single-active-consumer", true.into())]),
            self.in_lane(Lane::Later, self.moves_on()),
            self.in_lane(Lane::Notifications, []),
            self.stream(&self.intents, INTENTS_KEPT, INTENTS_SEGMENT),
            self.stream(&self.history, HISTORY_KEPT, HISTORY_SEGMENT),
        ] {
            let durable = QueueDeclareOptions::durable();
            let declared = answer(channel.queue_declare(queue.clone(), durable, arguments)).await;
            declared.map_err(|error| self.refused("queue", queue, error))?;
            let asked = channel.queue_bind(
                queue.clone(),
                exchange.clone(),
                queue.clone(),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            let bound = answer(asked).await;
            bound.map_err(|error| self.refused("queue", queue, error))?;
        }
        Ok(())
    }

    /// Removes everything, with all that is in it.
    pub(super) async fn remove(&self, channel: &Channel) -> Result<(), QueueError> {
        let others = [&self.dead, &self.intents, &self.history];
        for queue in self.lanes.iter().chain(others) {
            let asked = channel.queue_delete(queue.clone(), QueueDeleteOptions::default());
            let removed = answer(asked).await;
            removed.map_err(|error| self.refused("queue", queue, error))?;
        }
        let Self {
            exchange,
            dead,
            outcomes,
            watch,
            reports,
            ..
        } = self;
        for exchange in [exchange, dead, outcomes, watch, reports] {
            let asked = channel.exchange_delete(exchange.clone(), ExchangeDeleteOptions::default());
            let removed = answer(asked).await;
            removed.map_err(|error| self.refused("exchange", exchange, error))?;
        }
        Ok(())
    }

    /// The queue of a lane, with `further` arguments.
    fn in_lane<const N: usize>(&self, lane: Lane, further: [(&str, AMQPValue); N]) -> Declared<'_> {
        let mut arguments = quorum([
            ("x-delivery-limit", i64::from(self.delivery_limit).into()),
            ("x-dead-letter-exchange", text(self.dead.as_str())),
            // The default is at most once: a dead letter would be lost with the node that moves it.
            ("x-dead-letter-strategy", text("at-least-once")),
        ]);
        for (name, value) in further {
            arguments.insert(name.into(), value);
        }
        if let Some(limit) = self.max_length.filter(|_| lane.is_limited()) {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            arguments.insert("x-max-length".into(), limit.into());
        }
        (self.queue(lane), &self.exchange, arguments)
    }

    fn stream<'a>(&'a self, name: &'a ShortString, kept: Duration, segment: i64) -> Declared<'a> {
        let kept = format!("{}s", kept.as_secs());
        let arguments = table([
            ("x-queue-type", text("stream")),
            ("x-max-age", text(&kept)),
            ("x-stream-max-segment-size-bytes", segment.into()),
        ]);
        (name, &self.exchange, arguments)
    }

    /// What is in the lane for later dies of age, as the broker has it, and its afterlife is the lane
    /// of outcomes.
    fn moves_on(&self) -> [(&'static str, AMQPValue); 3] {
        let later = i64::try_from(self.later.as_millis()).unwrap_or(i64::MAX);
        let outcomes = self.queue(Lane::Outcomes);
        [
            ("x-message-ttl", later.into()),
            ("x-dead-letter-exchange", text(self.exchange.as_str())),
            ("x-dead-letter-routing-key", text(outcomes.as_str())),
        ]
    }

    fn refused(&self, what: &str, name: &ShortString, error: BrokerError) -> QueueError {
        let (name, prefix) = (name.as_str(), &self.prefix);
        match error.reply_code() {
            // The broker's words name the argument and both its values.
            Some(PRECONDITION_FAILED) => QueueError::Mismatch(format!(
                "the {what} {name:?} exists on the broker, but not as we need it ({error}); delete \
                 it once nothing in it is needed any more, or set the options that it was declared \
                 with, or choose another prefix than {prefix:?}"
            )),
            // A broker that is starting says so, too, of queues that it will have in a moment. It is
            // an answer only to a caller that may not make them.
            Some(NOT_FOUND) if self.existing_only => QueueError::Missing(format!(
                "there is no {what} {name:?} on the broker: name the virtual host (QUEUE_URL) and the \
                 prefix (QUEUE_PREFIX) that the services use"
            )),
            Some(ACCESS_REFUSED) => QueueError::AccessRefused(format!(
                "the broker doesn't let us declare the {what} {name:?} ({error}); give the user \
                 the permissions configure, write and read on names that start with {prefix:?}"
            )),
            _ => error.into(),
        }
    }
}

fn name(text: String) -> Result<ShortString, QueueError> {
    ShortString::try_new(text)
        .map_err(|e| QueueError::Mismatch(format!("a name on the broker is too long: {e}")))
}

fn quorum<const N: usize>(further: [(&str, AMQPValue); N]) -> FieldTable {
    let mut arguments = table(further);
    arguments.insert("x-queue-type".into(), text("quorum"));
    // A full queue says no to the publisher; the default drops the oldest message.
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments
}

fn dead_arguments() -> FieldTable {
    quorum([("x-delivery-limit", NO_LIMIT.into())])
}
