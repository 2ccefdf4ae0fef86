//! Ingest's own settings.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use service::Problems;
use service::http::max_connections;
use service::settings::listen_address;
use url::Url;

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

/// The URL by which Twilio reaches ingest, up to where our own paths begin, as the operator wrote
/// it: Twilio signs what is configured with it, to the letter.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The URL of one of our paths, which starts with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// Why a string can't be the public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPublicUrl(&'static str);

impl fmt::Display for InvalidPublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url = Url::parse(text).map_err(|_| InvalidPublicUrl("is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(InvalidPublicUrl("must start with https:// and a host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidPublicUrl(
                "must end before any ? or #: the paths of the callbacks are added to it",
            ));
        }
        if url
            .path()
            .trim_end_matches('/')
            .ends_with("/taskrouter/events")
        {
            return Err(InvalidPublicUrl(
                "must end before /taskrouter/events, which is added to it",
            ));
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // User information, if there is some, stays out of logs.
        match (self.0.split_once("://"), self.0.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => write!(f, "{scheme}://{rest}"),
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_is_kept_as_written_but_for_a_slash_at_its_end() {
        for (given, kept) in [
            ("https://Example.com", "https://Example.com"),
            ("https://example.com:8443/", "https://example.com:8443"),
            ("https://example.com/hooks/", "https://example.com/hooks"),
        ] {
            let url: PublicUrl = given.parse().unwrap();
            assert_eq!(url.join("/x"), format!("{kept}/x"));
        }
    }

    #[test]
    fn what_twilio_could_not_reach_is_refused() {
        for bad in [
            "",
            "example.com",
            "ftp://example.com",
            "https://example.com?x=1",
            "https://example.com/#rc=5",
            "https://example.com/taskrouter/events",
        ] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn user_information_stays_out_of_logs() {
        let url: PublicUrl = "https://user:secret@example.com/x".parse().unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://example.com/x https://example.com/x"
        );
    }
}
