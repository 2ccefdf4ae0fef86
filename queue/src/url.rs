//! `QUEUE_URL`: which backend, and where.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the queue is.
#[derive(Clone, PartialEq, Eq)]
pub enum QueueUrl {
    /// `sqlite:PATH`: an embedded queue in a file of this machine.
    Sqlite(PathBuf),
    /// `amqp://` or `amqps://`: RabbitMQ.
    Amqp(url::Url),
}

/// Why a string names no queue. It doesn't repeat the string, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; expected sqlite:PATH, for example sqlite:overflow.db, or amqp://USER:PASSWORD@HOST:5672/VHOST (amqps:// with TLS)"
)]
pub struct InvalidQueueUrl(String);

impl FromStr for QueueUrl {
    type Err = InvalidQueueUrl;

    fn from_str(text: &str) -> Result<Self, InvalidQueueUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains('?') {
                return Err(InvalidQueueUrl("sqlite: needs the path of a file".into()));
            }
            return Ok(Self::Sqlite(path.into()));
        }
        let url = url::Url::parse(text).map_err(|e| InvalidQueueUrl(format!("not a URL ({e})")))?;
        match url.scheme() {
            "amqp" | "amqps" if url.has_host() => Ok(Self::Amqp(url)),
            "amqp" | "amqps" => Err(InvalidQueueUrl("the URL names no host".into())),
            scheme => Err(InvalidQueueUrl(format!("unknown scheme {scheme:?}"))),
        }
    }
}

/// Without the password, fit for logs.
impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Amqp(url) => {
                let host = url.host_str().unwrap_or_default();
                write!(f, "{}://{host}", url.scheme())?;
                if let Some(port) = url.port() {
                    write!(f, ":{port}")?;
                }
                f.write_str(url.path())
            }
        }
    }
}

impl fmt::Debug for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
