//! `QUEUE_URL`: which backend, and where.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the queue is.
#[derive(Clone, PartialEq, Eq)]
pub enum QueueUrl {
    /// `sqlite:PATH`: an embedded queue in a file of this machine.
    Sqlite(PathBuf),
    /// `amqp://` or `amqps://`: RabbitMQ. One URL for each node.
    Amqp(Vec<url::Url>),
}

/// Why a string names no queue. It doesn't repeat the string, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; expected sqlite:PATH, for example sqlite:overflow.db, or amqp://USER:PASSWORD@HOST:5672/VHOST (amqps:// with TLS; several hosts with commas)"
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
        let nodes = each_host(text)
            .iter()
            .map(|text| node(text))
            .collect::<Result<_, _>>();
        nodes.map(Self::Amqp)
    }
}

/// The URL once for each of its hosts, which are separated by commas.
fn each_host(text: &str) -> Vec<String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return vec![text.to_owned()];
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // A password may hold commas.
    let hosts = authority.rfind('@').map_or(0, |at| at + 1);
    let (user, hosts) = authority.split_at(hosts);
    hosts
        .split(',')
        .map(|host| format!("{scheme}://{user}{host}{path}"))
        .collect()
}

fn node(text: &str) -> Result<url::Url, InvalidQueueUrl> {
    let url = url::Url::parse(text).map_err(|e| InvalidQueueUrl(format!("not a URL ({e})")))?;
    // It is part of a password, and a path would be shown.
    if [
        url.path(),
        url.query().unwrap_or_default(),
        url.fragment().unwrap_or_default(),
    ]
    .iter()
    .any(|part| part.contains('@'))
    {
        return Err(InvalidQueueUrl(
            "user and password must be percent-encoded, for example / as %2F".into(),
        ));
    }
    match url.scheme() {
        "amqp" | "amqps" if url.has_host() => Ok(url),
        "amqp" | "amqps" => Err(InvalidQueueUrl("the URL names no host".into())),
        scheme => Err(InvalidQueueUrl(format!("unknown scheme {scheme:?}"))),
    }
}

impl QueueUrl {
    /// With the absolute path if it is a file.
    #[must_use]
    pub fn absolute(&self) -> Self {
        match self {
            // It fails only if the working directory is gone.
            Self::Sqlite(path) => {
                Self::Sqlite(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
            }
            Self::Amqp(_) => self.clone(),
        }
    }

    /// The queue on this broker whose names start with `prefix`; `None` for a file.
    pub fn on_broker(&self, prefix: &str) -> Option<OnBroker> {
        let Self::Amqp(nodes) = self else {
            return None;
        };
        let host = |url: &url::Url| {
            let port = match url.scheme() {
                "amqps" => 5671,
                _ => 5672,
            };
            let host = url.host_str().unwrap_or_default();
            format!("{host}:{}", url.port().unwrap_or(port))
        };
        let path = nodes.first().map_or("", url::Url::path);
        let vhost = path.strip_prefix('/').filter(|name| *name != "%2f");
        Some(OnBroker {
            hosts: nodes.iter().map(host).collect(),
            queue: format!("{prefix:?} in {:?}", vhost.unwrap_or_default()),
        })
    }
}

/// A queue on a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnBroker {
    /// Its nodes, with their ports.
    pub hosts: Vec<String>,
    /// Prefix and virtual host.
    pub queue: String,
}

impl OnBroker {
    /// Whether it may be the same: some node is in both URLs.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        let shares_a_host = self.hosts.iter().any(|host| other.hosts.contains(host));
        self.queue == other.queue && shares_a_host
    }
}

impl fmt::Display for OnBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.queue, self.hosts.join(", "))
    }
}

/// Without user and password, for logs.
impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Amqp(nodes) => {
                for (nth, url) in nodes.iter().enumerate() {
                    match nth {
                        0 => write!(f, "{}://", url.scheme())?,
                        _ => f.write_str(",")?,
                    }
                    f.write_str(url.host_str().unwrap_or_default())?;
                    if let Some(port) = url.port() {
                        write!(f, ":{port}")?;
                    }
                }
                f.write_str(nodes.first().map_or("", url::Url::path))
            }
        }
    }
}

impl fmt::Debug for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn several_hosts_share_all_the_rest() {
        let url: QueueUrl = "amqp://u:p,w@h1,h2:5673,[::1]/v?heartbeat=9"
            .parse()
            .unwrap();
        let QueueUrl::Amqp(nodes) = &url else {
            panic!("{url}")
        };
        let nodes: Vec<_> = nodes.iter().map(url::Url::as_str).collect();
        assert_eq!(
            nodes,
            [
                "amqp://u:p,w@h1/v?heartbeat=9",
                "amqp://u:p,w@h2:5673/v?heartbeat=9",
                "amqp://u:p,w@[::1]/v?heartbeat=9"
            ]
        );
        assert_eq!(url.to_string(), "amqp://h1,h2:5673,[::1]/v");
        assert!("amqp://u:p@h1,/v".parse::<QueueUrl>().is_err());
        let moved: QueueUrl = "amqp://new,h2:5673/v".parse().unwrap();
        let on_broker = |url: &QueueUrl| url.on_broker("overflow").unwrap();
        assert!(on_broker(&url).may_be(&on_broker(&moved)));
        assert!(!on_broker(&url).may_be(&url.on_broker("staging").unwrap()));
    }

    #[test]
    fn the_scheme_chooses_the_backend() {
        let sqlite = |path: &str| Ok(QueueUrl::Sqlite(path.into()));
        assert_eq!("sqlite:overflow.db".parse(), sqlite("overflow.db"));
        assert_eq!("sqlite:/var/lib/q.db".parse(), sqlite("/var/lib/q.db"));
        assert_eq!("sqlite:///var/lib/q.db".parse(), sqlite("/var/lib/q.db"));
        for url in ["amqp://localhost", "amqps://u:p@mq.example.com:5671/%2f"] {
            assert!(matches!(url.parse(), Ok(QueueUrl::Amqp(_))), "{url}");
        }
    }

    #[test]
    fn what_names_no_queue_is_refused_with_an_example() {
        for text in [
            "",
            "overflow.db",
            "sqlite:",
            "sqlite:q.db?mode=ro",
            "amqp:",
            "amqp:///vhost",
            "amqp:user:password@host",
            "http://localhost",
            "amqp://guest:12/34@localhost/",
        ] {
            let error = text.parse::<QueueUrl>().unwrap_err().to_string();
            assert!(error.contains("sqlite:overflow.db"), "{text}: {error}");
        }
    }

    #[test]
    fn logs_get_the_address_without_the_user() {
        let url: QueueUrl = "amqps://user:secret@mq.example.com:5671/shop?x=y"
            .parse()
            .unwrap();
        assert_eq!(url.to_string(), "amqps://mq.example.com:5671/shop");
        assert_eq!(format!("{url:?}"), url.to_string());
    }

    proptest! {
        #[test]
        fn any_text_can_be_tried(text: String, near in "(sqlite|amqps?):/{0,2}[ -~]*") {
            for text in [text, near] {
                if let Ok(url) = text.parse::<QueueUrl>() {
                    let _ = url.to_string();
                }
            }
        }

        /// Encoded or not, with or without anything that means something in a URL.
        #[test]
        fn no_part_of_a_password_is_shown(
            scheme in "amqps?|sqlite2|x",
            middle in "\\PC{0,8}",
            digits in "[0-9]{0,4}",
        ) {
            let text = format!("{scheme}://user:{digits}{middle}zq7k{middle}@host:5672/vhost");
            let shown = match text.parse::<QueueUrl>() {
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.to_lowercase().contains("zq7k"), "{} shows {}", text, shown);
        }
    }
}
