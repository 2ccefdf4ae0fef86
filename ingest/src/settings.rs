//! Ingest's own settings.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use service::Problems;
use service::http::max_connections;
use service::settings::listen_address;
use twilio::PublicUrl;

/// Ingest.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Ingest")]
pub struct IngestArgs {
    /// Where to listen for Twilio, an IP address with a port  [default: 0.0.0.0:8080]
    #[arg(long, env = "LISTEN", value_name = "ADDRESS")]
    pub listen: Option<String>,

    /// How many connections there are at most, within the limit of open files; those that send
    /// nothing whole make room for others  [default: 2000]
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<String>,

    /// The URL by which Twilio reaches that address: signatures are made over it  [required]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// How long a callback may wait to be durable, on the queue or else in the spool, before it is
    /// answered with 503  [default: 3s]
    #[arg(long, env = "PUBLISH_TIMEOUT", value_name = "DURATION")]
    pub publish_timeout: Option<String>,

    /// With RabbitMQ: the file that keeps requests while the broker is away; off for none
    /// [default: overflow-spool.db]
    #[arg(long, env = "SPOOL", value_name = "FILE")]
    pub spool: Option<String>,

    /// How many requests the spool holds at most  [default: 100000]
    #[arg(long, env = "SPOOL_MAX_LENGTH", value_name = "N")]
    pub spool_max_length: Option<String>,

    /// How long a stop waits for the callbacks under way  [default: 10s]
    #[arg(long, env = "INGEST_STOP_TIMEOUT", value_name = "DURATION")]
    pub ingest_stop_timeout: Option<String>,
}

/// Ingest's own settings, resolved.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How many connections there are at most.
    pub max_connections: usize,
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

const PUBLIC_URL_EXAMPLE: &str = "https://overflow.example.com";

impl IngestArgs {
    /// Parses them.
    pub fn resolve(self, problems: &mut Problems) -> Option<IngestSettings> {
        let listen = listen_address(
            problems,
            "LISTEN",
            self.listen,
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
        );
        let max_connections =
            max_connections(problems, "MAX_CONNECTIONS", self.max_connections, 2000);
        let public_url = problems.required("PUBLIC_URL", self.public_url, PUBLIC_URL_EXAMPLE);
        let publish_timeout = problems.duration(
            "PUBLISH_TIMEOUT",
            self.publish_timeout,
            Duration::from_secs(3),
            "3s",
        );
        if publish_timeout.is_zero() || publish_timeout > Duration::from_secs(14) {
            problems.add(
                "PUBLISH_TIMEOUT",
                "must be more than 0 and below the 15s that Twilio waits",
                "3s",
            );
        }
        let spool_file: PathBuf = problems.with_default(
            "SPOOL",
            self.spool,
            "overflow-spool.db".into(),
            "overflow-spool.db",
        );
        let spool = SpoolSettings {
            max_length: problems.with_default(
                "SPOOL_MAX_LENGTH",
                self.spool_max_length,
                100_000,
                "100000",
            ),
            file: spool_file,
        };
        let stop_timeout = problems.duration(
            "INGEST_STOP_TIMEOUT",
            self.ingest_stop_timeout,
            Duration::from_secs(10),
            "10s",
        );
        Some(IngestSettings {
            listen,
            max_connections,
            public_url: public_url?,
            publish_timeout,
            spool: (spool.file.as_os_str() != "off").then_some(spool),
            stop_timeout,
        })
    }
}
