//! Which queue lies between ingest and redirector.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ::queue::{Options, Queue, QueueError, QueueUrl};
use secrecy::ExposeSecret;

use super::Problems;
use crate::policies::ManagementUrl;

/// The queue.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Queue")]
pub struct QueueArgs {
    /// The queue: sqlite:FILE on one machine, amqp://… or amqps://… for RabbitMQ, with commas
    /// between the hosts of a cluster
    /// [default: sqlite:overflow.db]
    #[arg(long = "queue", env = "QUEUE_URL", value_name = "URL")]
    pub url: Option<String>,

    /// A file that holds the queue's URL, for it may hold a password; read again for each
    /// connection
    #[arg(long = "queue-url-file", env = "QUEUE_URL_FILE", value_name = "FILE")]
    pub url_file: Option<PathBuf>,

    /// RabbitMQ's management API, asked for policies that let messages vanish
    /// [default: port 15672 of the queue's host, as the queue's user]
    #[arg(
        long = "queue-management-url",
        env = "QUEUE_MANAGEMENT_URL",
        value_name = "URL"
    )]
    pub management_url: Option<String>,

    /// What every name on the broker starts with  [default: overflow]
    #[arg(long = "queue-prefix", env = "QUEUE_PREFIX", value_name = "NAME")]
    pub prefix: Option<String>,

    /// How often a message that never gets an outcome is delivered again before it becomes a dead
    /// letter  [default: 10]
    #[arg(long, env = "QUEUE_DELIVERY_LIMIT", value_name = "N")]
    pub delivery_limit: Option<String>,

    /// How many messages the queue holds at most  [default: no limit]
    #[arg(long, env = "QUEUE_MAX_LENGTH", value_name = "N")]
    pub max_length: Option<String>,
}

/// What names on the broker start with.
struct Prefix(String);

impl FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        match text {
            text if !text.chars().all(is_plain) => {
                Err("may hold letters, digits, - _ and . only: it is part of names on the broker")
            }
            text if text.len() > MAX_PREFIX => Err("is longer than 200 characters"),
            text if text.starts_with("amq.") => Err("must not start with amq., the broker's own"),
            text => Ok(Self(text.to_owned())),
        }
    }
}

/// How long an operator's command waits for a broker that is slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// AMQP's names take up 255 bytes at most, what follows the prefix included.
const MAX_PREFIX: usize = 200;

/// The queue, resolved.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// Where.
    pub url: QueueUrl,
    /// How.
    pub options: Options,
    /// The broker's management API, if it is elsewhere than expected.
    pub management: Option<ManagementUrl>,
}

impl QueueArgs {
    /// Parses them.
    pub fn resolve(self, problems: &mut Problems) -> Option<QueueSettings> {
        let defaults = Options::default();
        let url_file = self
            .url_file
            .clone()
            .filter(|file| !file.as_os_str().is_empty());
        let url = match problems.secret("QUEUE_URL", self.url, self.url_file, "sqlite:overflow.db")
        {
            Some(url) => problems.optional(
                "QUEUE_URL",
                Some(url.expose_secret().to_owned()),
                "sqlite:overflow.db",
            ),
            None => Some(QueueUrl::Sqlite("overflow.db".into())),
        };
        let management = problems.optional(
            "QUEUE_MANAGEMENT_URL",
            self.management_url,
            "http://rabbitmq:15672",
        );
        let prefix = problems.optional("QUEUE_PREFIX", self.prefix, "overflow");
        let prefix = prefix.map_or(defaults.prefix, |Prefix(prefix)| prefix);
        let delivery_limit = problems.with_default(
            "QUEUE_DELIVERY_LIMIT",
            self.delivery_limit,
            defaults.delivery_limit,
            "10",
        );
        let max_length = problems.optional("QUEUE_MAX_LENGTH", self.max_length, "100000");
        if delivery_limit == 0 {
            problems.add("QUEUE_DELIVERY_LIMIT", "must be at least 1", "10");
        }
        Some(QueueSettings {
            url: url?,
            options: Options {
                prefix,
                delivery_limit,
                max_length,
                waits_for_access: true,
                url_file,
                ..defaults
            },
            management,
        })
    }
}

impl QueueSettings {
    /// Opens the queue.
    ///
    /// # Errors
    /// What no waiting mends; see [`::queue::open`].
    pub async fn open(&self) -> Result<Arc<dyn Queue>, QueueError> {
        ::queue::open(&self.url, self.options.clone()).await
    }

    /// Opens the queue if there is one, to look into it: nothing is made.
    ///
    /// # Errors
    /// [`QueueError::Missing`], and as [`Self::open`].
    pub async fn open_existing(&self) -> Result<Arc<dyn Queue>, QueueError> {
        let options = Options {
            waits_for_access: false,
            existing_only: true,
            answer_timeout: Some(PATIENCE),
            ..self.options.clone()
        };
        ::queue::open(&self.url, options).await
    }
}
