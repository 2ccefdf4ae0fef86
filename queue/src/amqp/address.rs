//! Where the broker is, and who we are to it.

use std::path::PathBuf;

use lapin::uri::AMQPUri;

use crate::{QueueError, QueueUrl};

/// Seconds; RabbitMQ proposes 60. A peer that is silent for twice this long is dead.
const HEARTBEAT: u16 = 5;

/// Taken from the URL, which may change while we run: passwords are rotated.
#[derive(Clone)]
pub(super) struct Address {
    nodes: Vec<AMQPUri>,
    file: Option<PathBuf>,
    /// Not always the first, or everybody would be on that node.
    turn: usize,
}

impl Address {
    pub(super) fn new(nodes: &[url::Url], file: Option<PathBuf>) -> Result<Self, QueueError> {
        let nodes = uris(nodes)?;
        let turn = fastrand::usize(..nodes.len());
        Ok(Self { nodes, file, turn })
    }

    /// Whose turn it is, and how often each had one before.
    pub(super) fn node(&self) -> (&AMQPUri, usize) {
        let count = self.nodes.len();
        (&self.nodes[self.turn % count], self.turn / count)
    }

    /// The next one's turn.
    pub(super) fn turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// How many nodes there are.
    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Reads the file again, if the URL came from one. What can't be read is being written.
    pub(super) fn refresh(&mut self) {
        let Some(file) = &self.file else { return };
        let read = std::fs::read_to_string(file)
            .map_err(|error| error.to_string())
            .and_then(|text| text.trim().parse().map_err(|error| format!("{error}")))
            .and_then(|url| match url {
                QueueUrl::Amqp(nodes) => uris(&nodes).map_err(|error| error.to_string()),
                QueueUrl::Sqlite(_) => Err("it names a file now, which takes a restart".to_owned()),
            });
        match read {
            Ok(nodes) => self.nodes = nodes,
            Err(error) => tracing::warn!(
                file = %file.display(), error,
                "the queue's URL can't be read again: the one before is used"
            ),
        }
    }
}

/// At least one.
fn uris(nodes: &[url::Url]) -> Result<Vec<AMQPUri>, QueueError> {
    match nodes {
        [] => Err(QueueError::Mismatch(
            "the queue's URL names no host".to_owned(),
        )),
        nodes => nodes.iter().map(uri).collect(),
    }
}

fn uri(url: &url::Url) -> Result<AMQPUri, QueueError> {
    let mut uri: AMQPUri = url
        .as_str()
        .parse()
        // The error may repeat the URL, with its password.
        .map_err(|_| {
            QueueError::Mismatch(
                "the queue's URL is not one that RabbitMQ takes: \
                 amqp://USER:PASSWORD@HOST:5672/VHOST?heartbeat=SECONDS"
                    .to_owned(),
            )
        })?;
    // lapin's parser takes an IPv6 address for no host at all, and connects to localhost.
    if let Some(url::Host::Ipv6(address)) = url.host() {
        uri.authority.host = address.to_string();
    }
    // amqp://HOST/ names, to the letter, a virtual host without a name; nobody means that.
    if uri.vhost.is_empty() {
        uri.vhost = "/".to_owned();
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    Ok(uri)
}
