//! The durable hand-over between ingest and redirector.
//!
//! Behind one set of traits stand RabbitMQ ([`amqp`]) where many consumers share the work, an embedded
//! SQLite file ([`sqlite`]) for one machine, and one in memory for simulations. [`open`] picks by URL.

pub mod amqp;
mod dead_letter;
mod error;
mod intents;
#[cfg(feature = "memory")]
pub mod memory;
mod message;
mod outcome;
mod patient;
mod request;
pub mod sqlite;
mod traits;
mod url;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use dead_letter::{Cause, DeadLetter, DeadLetterId, Filter, Listed, Reason, Settlement};
pub use error::QueueError;
pub use intents::{Intent, IntentLog, IntentReader, Logged, READ_BACK};
pub use message::{
    CONTENT_TYPE, Content, DecodeError, InvalidTraceParent, Lane, Message, NOTIFY_V1, OUTCOME_V1,
    REDIRECT_V1, REDIRECTED_V1, RawMessage, TraceParent,
};
pub use outcome::{CallerEnd, Outcome, OutcomeKind, Redirected};
pub use patient::Patient;
pub use request::{RedirectRequest, Source};
pub use traits::{
    Consumer, DeadLetters, Delivery, Done, Health, History, Lock, Publish, Queue, Report, Stats,
    Watch,
};
pub use url::{InvalidQueueUrl, OnBroker, QueueUrl};

/// How long after a redirect it is seen to that something became of the caller.
pub const LATER: Duration = Duration::from_secs(15 * 60);

/// How a queue is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// RabbitMQ: what every name on the broker starts with.
    pub prefix: String,
    /// How many times a message is redelivered before it becomes a dead letter by itself.
    pub delivery_limit: u32,
    /// How long a publish may take, its confirm included.
    pub publish_timeout: Duration,
    /// How many messages each lane holds at most; further publishes are refused. `None` for no limit.
    pub max_length: Option<u64>,
    /// SQLite: the queue that this one stands in for. A file that holds messages for another one is
    /// refused.
    pub stands_in_for: Option<OnBroker>,
    /// RabbitMQ: whether to wait if access is refused at the very start, as is done later.
    pub waits_for_access: bool,
    /// RabbitMQ: the file that the URL came from, read again for each connection.
    pub url_file: Option<PathBuf>,
    /// RabbitMQ: how long opening, and each question about dead letters, waits for a slow broker;
    /// `None` for a few seconds.
    pub answer_timeout: Option<Duration>,
    /// How long [`Lane::Later`] holds a message.
    pub later: Duration,
    /// Whether to open only a queue that is there already, and create nothing.
    pub existing_only: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: "overflow".to_owned(),
            delivery_limit: 10,
            publish_timeout: Duration::from_secs(3),
            max_length: None,
            stands_in_for: None,
            waits_for_access: false,
            url_file: None,
            answer_timeout: None,
            later: LATER,
            existing_only: false,
        }
    }
}

/// Opens the queue at `url`. A broker that is away is no error: the queue is then down until it
/// is back.
///
/// # Errors
/// Waiting won't help: the file is no queue, or the broker has other things under our names. Or the
/// broker doesn't let us in, unless the options say to wait for that.
pub async fn open(url: &QueueUrl, options: Options) -> Result<Arc<dyn Queue>, QueueError> {
    Ok(match url {
        QueueUrl::Sqlite(path) => Arc::new(sqlite::SqliteQueue::open(path, options).await?),
        QueueUrl::Amqp(nodes) => Arc::new(amqp::AmqpQueue::open(nodes, options).await?),
    })
}
