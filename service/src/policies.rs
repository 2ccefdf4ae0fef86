//! Policies of the broker's that let our messages vanish. AMQP says nothing of policies; RabbitMQ's
//! management API does, where it is on and lets us in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ::queue::amqp::message_queues;
use ::queue::{Health, Options, Queue, QueueUrl};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::failure::root_cause;
use crate::settings::QueueSettings;

const TIMEOUT: Duration = Duration::from_secs(5);

/// RabbitMQ learns a queue's policies with its figures, every five seconds.
const KNOWN_WITHIN: Duration = Duration::from_secs(15);

const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Where RabbitMQ's management API is, perhaps with a user and a password.
#[derive(Clone)]
pub struct ManagementUrl(Url);

crate::values!(ManagementUrl = "http://rabbitmq:15672");

impl FromStr for ManagementUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Self(url)),
            _ => Err("is not an http or https URL"),
        }
    }
}

impl fmt::Debug for ManagementUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.host_str().unwrap_or_default())
    }
}

/// A policy, or a policy and an operator policy, that let messages of one of our queues vanish.
#[derive(Debug)]
pub struct HarmfulPolicy {
    name: String,
    sets: String,
    queue: String,
}

impl fmt::Display for HarmfulPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, sets, queue } = self;
        write!(f, "the policy {name:?} sets {sets} for {queue:?}")
    }
}

/// What to do about one.
pub const REMEDY: &str = "messages can vanish by it: give our queues a policy of their own with a \
                          higher priority (RUNBOOK, OverflowSweepFinds)";

impl QueueSettings {
    /// The policies that let messages of the queue vanish; none do so in a file.
    ///
    /// # Errors
    /// The management API can't be asked; why not.
    pub async fn harmful_policies(&self) -> Result<Vec<HarmfulPolicy>, String> {
        let QueueUrl::Amqp(nodes) = &self.url else {
            return Ok(Vec::new());
        };
        // Another part of the process may have installed a provider before: then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // The broker is reached directly as well.
            .no_proxy()
            .build()
            .map_err(root_cause)?;
        let mut outcome = Err("the queue's URL names no host".to_owned());
        for node in nodes {
            let api = Api::of(node, self.management.as_ref(), &http);
            outcome = match api {
                Some(api) => api.harmful_policies(&self.options).await,
                None => continue,
            };
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// Says so in the log, once the queue is there.
pub(crate) async fn warn(settings: QueueSettings, queue: Arc<dyn Queue>) {
    while queue.health() != Health::Up {
        sleep(AGAIN_AFTER).await;
    }
    match settings.harmful_policies().await {
        Ok(policies) => {
            for policy in policies {
                tracing::warn!(queue = policy.queue, "{policy}: {REMEDY}");
            }
        }
        Err(reason) => tracing::info!(
            reason,
            "whether a policy of the broker's lets messages vanish can't be asked"
        ),
    }
}

/// The management API of one node.
struct Api<'a> {
    http: &'a reqwest::Client,
    base: Url,
    vhost: &'a str,
}

/// As far as it concerns us.
#[derive(Deserialize)]
struct Known {
    policy: Option<String>,
    operator_policy: Option<String>,
    /// Absent for as long as the node has no figures of the queue.
    effective_policy_definition: Option<Map<String, Value>>,
}

impl<'a> Api<'a> {
    fn of(node: &'a Url, named: Option<&ManagementUrl>, http: &'a reqwest::Client) -> Option<Self> {
        let (scheme, port) = match node.scheme() {
            "amqps" => ("https", 15671),
            _ => ("http", 15672),
        };
        let derived = format!("{scheme}://{}:{port}", node.host_str()?);
        let mut base = match named {
            Some(ManagementUrl(url)) => url.clone(),
            None => Url::parse(&derived).ok()?,
        };
        if base.username().is_empty() {
            let (user, password) = match node.username() {
                "" => ("guest", Some("guest")),
                user => (user, node.password()),
            };
            base.set_username(user).ok()?;
            base.set_password(password).ok()?;
        }
        let vhost = match node.path().trim_start_matches('/') {
            "" => "%2F",
            vhost => vhost,
        };
        Some(Self { http, base, vhost })
    }

    async fn harmful_policies(&self, options: &Options) -> Result<Vec<HarmfulPolicy>, String> {
        let [lanes @ .., dead] = message_queues(&options.prefix);
        let lanes = lanes.map(|queue| (queue, options.delivery_limit));
        let mut found = Vec::new();
        for (queue, limit) in lanes.into_iter().chain([(dead, u32::MAX)]) {
            let (known, definition) = self.known(&queue).await?;
            let harmful = definition
                .iter()
                .filter(|(key, value)| is_harmful(key, value, limit));
            let sets: Vec<_> = harmful
                .map(|(key, value)| format!("{key} = {value}"))
                .collect();
            let names: Vec<_> = [known.policy, known.operator_policy]
                .into_iter()
                .flatten()
                .filter(|name| !name.is_empty())
                .collect();
            if !sets.is_empty() {
                found.push(HarmfulPolicy {
                    name: names.join(" and "),
                    sets: sets.join(", ").replace('"', ""),
                    queue,
                });
            }
        }
        Ok(found)
    }

    async fn known(&self, queue: &str) -> Result<(Known, Map<String, Value>), String> {
        let deadline = Instant::now() + KNOWN_WITHIN;
        loop {
            let mut known = self.ask(queue).await?;
            match known.effective_policy_definition.take() {
                Some(definition) => return Ok((known, definition)),
                None if Instant::now() < deadline => sleep(AGAIN_AFTER).await,
                None => return Err("the broker's management API tells no policies".to_owned()),
            }
        }
    }

    async fn ask(&self, queue: &str) -> Result<Known, String> {
        let (base, vhost) = (self.base.as_str().trim_end_matches('/'), self.vhost);
        let url = format!("{base}/api/queues/{vhost}/{queue}");
        let place = || {
            let host = self.base.host_str().unwrap_or_default();
            let port = self.base.port_or_known_default().unwrap_or_default();
            format!("the broker's management API at {host}:{port}")
        };
        let failed =
            |error: reqwest::Error| format!("{} can't be asked: {}", place(), root_cause(error));
        let answer = self.http.get(url).send().await.map_err(failed)?;
        match answer.status().as_u16() {
            200 => answer.json().await.map_err(failed),
            401 => Err(format!(
                "{} does not let the user in (tag: management)",
                place()
            )),
            404 => Err(format!("{} knows no {queue:?}", place())),
            status => Err(format!("{} answered {status}", place())),
        }
    }
}

/// Whether messages vanish by it, whatever our own arguments are: RabbitMQ takes the lower of two
/// limits, and a policy's word on what happens beyond one.
fn is_harmful(key: &str, value: &Value, delivery_limit: u32) -> bool {
    match key {
        "message-ttl" | "expires" | "max-length" | "max-length-bytes" => true,
        "overflow" => value != "reject-publish",
        // A negative one means none.
        "delivery-limit" => value
            .as_u64()
            .is_some_and(|limit| limit < delivery_limit.into()),
        _ => false,
    }
}
