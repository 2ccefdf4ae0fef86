//! Sending events.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use twilio::{AuthToken, sign_body, sign_form};

use super::callback::Delivery;
use super::overrides::Overrides;
use crate::config::{Carrier, Config};
use crate::core::Core;
use crate::events::{Transport, Webhook};
use crate::faults::CallbackFault;
use crate::journal::{CallbackOutcome, CallbackRecord};
use crate::story::Story;

pub(super) const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";
const JSON: &str = "application/json";
const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");
const IDEMPOTENCY_TOKEN: HeaderName = HeaderName::from_static("i-twilio-idempotency-token");

/// Event Streams: no connection overrides, and retries for hours.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
const STREAM_FIRST_RETRY: Duration = Duration::from_secs(1);
const STREAM_LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);
const STREAM_GIVES_UP: Duration = Duration::from_secs(4 * 60 * 60);

/// Sends events, and requests for TwiML.
pub(crate) struct Webhooks {
    /// reqwest has one connect timeout per client.
    clients: Mutex<HashMap<Duration, Client>>,
    permits: Semaphore,
    carrier: Option<Carrier>,
}

impl Webhooks {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            clients: Mutex::default(),
            permits: Semaphore::new(config.callback_concurrency.max(1)),
            carrier: config.carrier.clone(),
        }
    }

    /// The status and body of a complete answer.
    pub(super) async fn exchange(
        &self,
        request: &Request,
        connect_timeout: Duration,
        timeout: Duration,
    ) -> Result<(u16, Vec<u8>), CallbackOutcome> {
        // Only streams can't be cloned.
        let request = request.try_clone().unwrap_or_else(|| unreachable!());
        let exchange = async {
            let answer = match &self.carrier {
                Some(carrier) => carrier(request).await,
                None => {
                    let client = self.client(connect_timeout);
                    client.execute(request).await.map_err(|e| failure(&e))
                }
            }?;
            let status = answer.status().as_u16();
            let body = answer.bytes().await.map_err(|e| failure(&e))?;
            Ok((status, body.into()))
        };
        let in_time = tokio::time::timeout(timeout, exchange).await;
        in_time.unwrap_or(Err(CallbackOutcome::TimedOut))
    }

    fn client(&self, connect_timeout: Duration) -> Client {
        let mut clients = self.clients.lock();
        clients
            .entry(connect_timeout)
            .or_insert_with(|| {
                Client::builder()
                    .connect_timeout(connect_timeout)
                    .redirect(reqwest::redirect::Policy::none())
                    .user_agent("TwilioProxy/1.1")
                    .no_proxy()
                    .http1_only()
                    .build()
                    // Nothing above depends on the environment.
                    .unwrap_or_else(|_| unreachable!())
            })
            .clone()
    }

    /// Delivers an event, with callback faults.
    pub(crate) async fn send_with_faults(&self, core: &Arc<Core>, mut webhook: Webhook) {
        match core.faults.for_callback(webhook.event.kind) {
            None => {
                self.send(core, &webhook).await;
            }
            Some(CallbackFault::Forge) => {
                webhook.forged = true;
                self.send(core, &webhook).await;
            }
            Some(CallbackFault::Drop) => {
                let outcome = CallbackOutcome::Dropped;
                record(core, &webhook, 0, core.now(), outcome, Duration::ZERO);
            }
            Some(CallbackFault::Duplicate { after }) => {
                let again = async {
                    tokio::time::sleep(after).await;
                    self.send(core, &webhook).await;
                };
                tokio::join!(self.send(core, &webhook), again);
            }
        }
    }

    /// Delivers an event, with its transport's retries.
    pub(crate) async fn send(&self, core: &Arc<Core>, webhook: &Webhook) -> Delivery {
        let (url, overrides) = Overrides::split(&webhook.url);
        let request = post(core, webhook, url);
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let timeout = match webhook.transport {
                Transport::EventCallback => overrides.timeout(started.elapsed()),
                Transport::EventStream => STREAM_TIMEOUT,
            };
            let permit = self.permits.acquire().await;
            let (at, sent) = (core.now(), Instant::now());
            let exchanged = self.exchange(&request, overrides.connect_timeout, timeout);
            let outcome = match exchanged.await {
                Ok((status, _)) => CallbackOutcome::Answered(status),
                Err(outcome) => outcome,
            };
            drop(permit);
            record(core, webhook, attempt, at, outcome, sent.elapsed());
            let elapsed = started.elapsed();
            let again = match webhook.transport {
                Transport::EventCallback => overrides
                    .retries(attempt, outcome, elapsed)
                    .then_some(Duration::ZERO),
                Transport::EventStream => stream_retry(outcome, attempt, elapsed),
            };
            let Some(wait) = again else {
                return Delivery {
                    event: webhook.event.sid,
                    outcome,
                    attempts: attempt,
                    latency: elapsed,
                };
            };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }
}

/// How long Event Streams waits before the next attempt, if there is one.
fn stream_retry(outcome: CallbackOutcome, attempt: u32, elapsed: Duration) -> Option<Duration> {
    if outcome.is_success() || elapsed >= STREAM_GIVES_UP {
        return None;
    }
    let doubled = STREAM_FIRST_RETRY.saturating_mul(2_u32.saturating_pow(attempt - 1));
    let jitter = 0.5 + fastrand::f64() / 2.0;
    Some(doubled.min(STREAM_LONGEST_RETRY).mul_f64(jitter))
}

/// The request that delivers an event, the same for each attempt.
fn post(core: &Arc<Core>, webhook: &Webhook, url: &str) -> Request {
    let idempotency_token = core.change(|state| state.ids.secret());
    let strangers = AuthToken::new(&idempotency_token);
    let token = match webhook.forged {
        true => &strangers,
        false => &core.signing_token,
    };
    let mut request = match webhook.transport {
        Transport::EventCallback => {
            let signature = sign_form(token, url, &webhook.event.form());
            let body = webhook.event.form_body();
            request(Method::POST, url, &signature, Some((FORM, body)))
        }
        Transport::EventStream => {
            let body = webhook.event.cloud_events_body();
            let (url, signature) = sign_body(token, url, body.as_bytes());
            request(Method::POST, &url, &signature, Some((JSON, body)))
        }
    };
    insert(&mut request, IDEMPOTENCY_TOKEN, &idempotency_token);
    request
}

/// A signed request. Its URL was checked when it was set.
pub(super) fn request(
    method: Method,
    url: &str,
    signature: &str,
    content: Option<(&'static str, String)>,
) -> Request {
    let url = url.parse().unwrap_or_else(|_| unreachable!());
    let mut request = Request::new(method, url);
    insert(&mut request, SIGNATURE, signature);
    if let Some((content_type, body)) = content {
        insert(&mut request, CONTENT_TYPE, content_type);
        *request.body_mut() = Some(body.into());
    }
    request
}

/// Adds a header whose value is printable.
fn insert(request: &mut Request, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).ok();
    let header = value.map(|value| (name, value));
    request.headers_mut().extend(header);
}

fn failure(error: &reqwest::Error) -> CallbackOutcome {
    if error.is_connect() {
        CallbackOutcome::NotConnected
    } else if error.is_timeout() {
        CallbackOutcome::TimedOut
    } else {
        CallbackOutcome::Broken
    }
}

fn record(
    core: &Arc<Core>,
    webhook: &Webhook,
    attempt: u32,
    at: Duration,
    outcome: CallbackOutcome,
    latency: Duration,
) {
    let record = CallbackRecord {
        event: webhook.event.sid,
        kind: webhook.event.kind,
        call: webhook.event.call,
        task: webhook.event.task,
        transport: webhook.transport,
        at,
        attempt,
        outcome,
        latency,
    };
    core.change(|state| {
        state.tell(Story::Callback(record.clone()));
        state.journal.callbacks.push(record);
    });
}
