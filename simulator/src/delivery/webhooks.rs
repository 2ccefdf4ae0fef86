//! Sending events.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use twilio::{AuthToken, sign_body, sign_form};

use super::callback::Delivery;
use super::overrides::Overrides;
use crate::config::{Carrier, Config};
use crate::core::Core;
use crate::events::Event;
use crate::faults::CallbackFault;
use crate::journal::{CallbackOutcome, CallbackRecord, Transport};
use crate::story::Story;

pub(super) const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";
const JSON: &str = "application/json";
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");
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

/// An event on its way to a URL.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(crate) event: Arc<Event>,
    pub(crate) transport: Transport,
    /// With its fragment.
    pub(crate) url: String,
    /// Signed with a token that is not the account's.
    pub(crate) forged: bool,
}

/// An event as it is posted, the same for each attempt.
struct Posted {
    url: String,
    signature: String,
    content_type: &'static str,
    body: String,
    idempotency_token: String,
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
        request: Request,
        connect_timeout: Duration,
        timeout: Duration,
    ) -> Result<(u16, Vec<u8>), CallbackOutcome> {
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
                let second = webhook.clone();
                let again = async {
                    tokio::time::sleep(after).await;
                    self.send(core, &second).await;
                };
                tokio::join!(self.send(core, &webhook), again);
            }
        }
    }

    /// Delivers an event, with its transport's retries.
    pub(crate) async fn send(&self, core: &Arc<Core>, webhook: &Webhook) -> Delivery {
        let (url, overrides) = Overrides::split(&webhook.url);
        let posted = Posted::new(core, webhook, url);
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let left = overrides.total_time.saturating_sub(started.elapsed());
            let timeout = match webhook.transport {
                Transport::EventCallback => overrides.read_timeout.min(left),
                Transport::EventStream => STREAM_TIMEOUT,
            };
            let permit = self.permits.acquire().await;
            let (at, sent) = (core.now(), Instant::now());
            let exchanged = self.exchange(posted.request(), overrides.connect_timeout, timeout);
            let outcome = match exchanged.await {
                Ok((status, _)) => CallbackOutcome::Answered(status),
                Err(outcome) => outcome,
            };
            drop(permit);
            record(core, webhook, attempt, at, outcome, sent.elapsed());
            let again = match webhook.transport {
                Transport::EventCallback => (attempt <= overrides.retries
                    && overrides.retries_on(outcome))
                .then_some(Duration::ZERO)
                .filter(|_| started.elapsed() < overrides.total_time),
                Transport::EventStream => stream_retry(outcome, attempt, started.elapsed()),
            };
            let Some(wait) = again else {
                return Delivery {
                    event: webhook.event.sid,
                    outcome,
                    attempts: attempt,
                    latency: started.elapsed(),
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

impl Posted {
    fn new(core: &Arc<Core>, webhook: &Webhook, url: &str) -> Self {
        let idempotency_token = core.change(|state| state.ids.secret());
        let strangers = AuthToken::new(&idempotency_token);
        let token = match webhook.forged {
            true => &strangers,
            false => &core.signing_token,
        };
        match webhook.transport {
            Transport::EventCallback => Self {
                url: url.to_owned(),
                signature: sign_form(token, url, &webhook.event.form()),
                content_type: FORM,
                body: webhook.event.form_body(),
                idempotency_token,
            },
            Transport::EventStream => {
                let body = webhook.event.cloud_events_body();
                let (url, signature) = sign_body(token, url, body.as_bytes());
                Self {
                    url,
                    signature,
                    content_type: JSON,
                    body,
                    idempotency_token,
                }
            }
        }
    }

    fn request(&self) -> Request {
        let headers = [
            (CONTENT_TYPE, self.content_type),
            (SIGNATURE, self.signature.as_str()),
            (IDEMPOTENCY_TOKEN, self.idempotency_token.as_str()),
        ];
        request(Method::POST, &self.url, headers, self.body.clone())
    }
}

/// A request. Its URL was checked when it was set.
pub(super) fn request<const N: usize>(
    method: Method,
    url: &str,
    headers: [(HeaderName, &str); N],
    body: String,
) -> Request {
    let url = url.parse().unwrap_or_else(|_| unreachable!());
    let mut request = Request::new(method, url);
    let headers = headers.into_iter().filter_map(|(name, value)| {
        let value = HeaderValue::from_str(value).ok()?;
        Some((name, value))
    });
    *request.headers_mut() = HeaderMap::from_iter(headers);
    *request.body_mut() = Some(body.into());
    request
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
    let Event {
        sid: event,
        kind,
        call,
        task,
        ..
    } = *webhook.event;
    let story = match outcome.status() {
        Some(status) => Story::CallbackAnswered {
            event,
            kind,
            task,
            status,
            latency,
            attempt,
        },
        None => Story::CallbackFailed {
            event,
            kind,
            task,
            problem: outcome.problem().unwrap_or_default(),
            attempt,
        },
    };
    core.change(|state| {
        state.journal.callbacks.push(CallbackRecord {
            event,
            kind,
            call,
            task,
            transport: webhook.transport,
            at,
            attempt,
            outcome,
            latency,
        });
        state.tell(story);
    });
}
