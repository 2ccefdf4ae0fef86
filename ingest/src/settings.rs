//! Ingest's own settings.

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use service::Problems;
use service::role::RunArgs;
use service::settings::Setting;
use twilio::PublicUrl;

const LONGEST_PUBLISH: Duration = Duration::from_secs(14);

/// Takes Twilio's event callbacks and puts redirect requests on the queue.
///
/// Every setting is a flag or an environment variable; `.env` is read if there is one.
#[derive(Debug, clap::Parser)]
#[command(version)]
pub struct Cli {
    /// All of them.
    #[command(flatten)]
    pub run: RunArgs<IngestArgs>,
}

/// Ingest.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Ingest")]
pub struct IngestArgs {
    /// Where to listen for Twilio, an IP address with a port
    #[arg(long, env = "LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: Setting<SocketAddr>,

    /// How many connections there are at most, within the limit of open files; those that send
    /// nothing whole make room for others
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "N", default_value = "2000")]
    pub max_connections: Setting<NonZeroUsize>,

    /// How long a callback may wait to be durable, on the queue or else in the spool, before it is
    /// answered with 503
    #[arg(long, env = "PUBLISH_TIMEOUT", value_name = "DURATION", default_value = "3s")]
    pub publish_timeout: Setting<Duration>,

    /// With RabbitMQ: the file that keeps requests while the broker is away; off for none
    #[arg(long, env = "SPOOL", value_name = "FILE", default_value = "overflow-spool.db")]
    pub spool: Setting<PathBuf>,

    /// How many requests the spool holds at most, and as many outcomes
    #[arg(long, env = "SPOOL_MAX_LENGTH", value_name = "N", default_value = "100000")]
    pub spool_max_length: Setting<NonZeroU64>,

    /// How long a stop waits for the callbacks under way
    #[arg(long, env = "INGEST_STOP_TIMEOUT", value_name = "DURATION", default_value = "10s")]
    pub ingest_stop_timeout: Setting<Duration>,
}

/// Ingest's own settings, resolved.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How many connections there are at most.
    pub max_connections: NonZeroUsize,
    /// The URL that Twilio knows.
    pub public_url: PublicUrl,
    /// How long it may take until a request is durable.
    pub publish_timeout: Duration,
    /// The spool; none if it is off.
    pub spool: Option<SpoolSettings>,
    /// How long a stop waits.
    pub stop_timeout: Duration,
}

/// The spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Its file.
    pub file: PathBuf,
    /// How many requests it holds at most.
    pub max_length: u64,
}

impl IngestArgs {
    /// Parses them.
    pub fn resolve(
        self,
        public_url: Option<&PublicUrl>,
        problems: &mut Problems,
    ) -> Option<IngestSettings> {
        let publish_timeout = self.publish_timeout.must(
            |timeout| !timeout.is_zero() && *timeout <= LONGEST_PUBLISH,
            "must be more than 0 and below the 15s that Twilio waits",
        );
        let spool = SpoolSettings {
            file: problems.take(self.spool),
            max_length: problems.take(self.spool_max_length).get(),
        };
        Some(IngestSettings {
            listen: problems.take(self.listen),
            max_connections: problems.take(self.max_connections),
            publish_timeout: problems.take(publish_timeout),
            spool: (spool.file.as_os_str() != "off").then_some(spool),
            stop_timeout: problems.take(self.ingest_stop_timeout),
            public_url: public_url?.clone(),
        })
    }
}
