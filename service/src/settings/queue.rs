//! Which queue lies between ingest and redirector.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::queue::{Options, Queue, QueueError, QueueUrl};
use secrecy::ExposeSecret;

use super::{Problems, Setting, Value};
use crate::policies::ManagementUrl;

/// The queue.
#[derive(Debug, Clone, clap::Args)]
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
        value_name = "URL",
        default_value = ""
    )]
    pub management_url: Setting<Option<ManagementUrl>>,

    /// What every name on the broker starts with
    #[arg(
        long = "queue-prefix",
        env = "QUEUE_PREFIX",
        value_name = "NAME",
        default_value = "overflow"
    )]
    pub prefix: Setting<Prefix>,

    /// How often a message that never gets an outcome is delivered again before it becomes a dead
    /// letter
    #[arg(long, env = "QUEUE_DELIVERY_LIMIT", value_name = "N", default_value = "10")]
    pub delivery_limit: Setting<NonZeroU32>,

    /// How many messages the queue holds at most, and as many outcomes  [default: no limit]
    #[arg(long, env = "QUEUE_MAX_LENGTH", value_name = "N", default_value = "")]
    pub max_length: Setting<Option<NonZeroU64>>,
}

/// What names on the broker start with.
#[derive(Debug, Clone)]
pub struct Prefix(String);

impl Value for Prefix {
    fn read(text: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let problem = match text {
            text if !text.chars().all(is_plain) => {
                "may hold letters, digits, - _ and . only: it is part of names on the broker"
            }
            text if text.len() > MAX_PREFIX => "is longer than 200 characters",
            text if text.starts_with("amq.") => "must not start with amq., the broker's own",
            text => return Ok(Self(text.to_owned())),
        };
        Err(problem.to_owned())
    }
}

const DEFAULT_URL: &str = "sqlite:overflow.db";

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
        let url_file = self
            .url_file
            .clone()
            .filter(|file| !file.as_os_str().is_empty());
        let url = problems.secret("QUEUE_URL", self.url, self.url_file, DEFAULT_URL);
        let url = url
            .as_ref()
            .map_or(DEFAULT_URL, ExposeSecret::expose_secret);
        let url = url
            .parse()
            .map_err(|problem| problems.add("QUEUE_URL", problem, DEFAULT_URL))
            .ok();
        let Prefix(prefix) = problems.take(self.prefix);
        let options = Options {
            prefix,
            delivery_limit: problems.take(self.delivery_limit).get(),
            max_length: problems.take(self.max_length).map(NonZeroU64::get),
            waits_for_access: true,
            url_file,
            ..Options::default()
        };
        let management = problems.take(self.management_url);
        Some(QueueSettings {
            url: url?,
            options,
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
