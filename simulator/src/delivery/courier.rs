//! Delivery of events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::RngExt;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use tokio::sync::Semaphore;
use twilio::{AuthToken, SIGNATURE_HEADER, sign_body, sign_form};

use super::callback::Delivery;
use super::overrides::Overrides;
use crate::core::Core;
use crate::events::Event;
use crate::faults::CallbackFault;
use crate::journal::{CallbackOutcome, CallbackRecord, Transport};
use crate::story::Story;

pub(super) const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";
const JSON: &str = "application/json";
const IDEMPOTENCY_TOKEN: &str = "I-Twilio-Idempotency-Token";

/// Event Streams: no connection overrides, and retries for hours.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
const STREAM_FIRST_RETRY: Duration = Duration::from_secs(1);
const STREAM_LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);
const STREAM_GIVES_UP: Duration = Duration::from_secs(4 * 60 * 60);

/// Carries events out of the simulator.
pub(crate) struct Courier {
    /// reqwest has one connect timeout per client.
    clients: Mutex<HashMap<Duration, Client>>,
    permits: Semaphore,
}

/// An event on its way to a URL.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) event: Arc<Event>,
    pub(crate) transport: Transport,
    /// With its fragment.
    pub(crate) url: String,
    /// Signed with a token that is not the account's.
    pub(crate) forged: bool,
}

/// An event as it is posted, again and again.
struct Posted {
    url: String,
    signature: String,
    content_type: &'static str,
    body: String,
    idempotency_token: String,
}

impl Courier {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            clients: Mutex::default(),
            permits: Semaphore::new(concurrency.max(1)),
        }
    }

    pub(super) fn client(&self, connect_timeout: Duration) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
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
                    // Nothing of the above depends on the outside.
                    .unwrap_or_else(|_| unreachable!())
            })
            .clone()
    }

    /// Delivers an event, or does with it what a fault wants.
    pub(crate) async fn send_with_faults(&self, core: &Arc<Core>, mut parcel: Parcel) {
        match core.faults.for_callback(parcel.event.kind) {
            None => {
                self.send(core, &parcel).await;
            }
            Some(CallbackFault::Forge) => {
                parcel.forged = true;
                self.send(core, &parcel).await;
            }
            Some(CallbackFault::Drop) => {
                let outcome = CallbackOutcome::Dropped;
                record(core, &parcel, 0, core.now(), outcome, Duration::ZERO);
            }
            Some(CallbackFault::Duplicate { after }) => {
                let second = parcel.clone();
                let again = async {
                    tokio::time::sleep(after).await;
                    self.send(core, &second).await;
                };
                tokio::join!(self.send(core, &parcel), again);
            }
        }
    }

    /// Delivers an event, with the retries of its transport.
    pub(crate) async fn send(&self, core: &Arc<Core>, parcel: &Parcel) -> Delivery {
        let (url, overrides) = Overrides::split(&parcel.url);
        let posted = Posted::new(core, parcel, url);
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let left = overrides.total_time.saturating_sub(started.elapsed());
            let timeout = match parcel.transport {
                Transport::EventCallback => overrides.read_timeout.min(left),
                Transport::EventStream => STREAM_TIMEOUT,
            };
            let permit = self.permits.acquire().await;
            let (at, sent) = (core.now(), Instant::now());
            let client = self.client(overrides.connect_timeout);
            let outcome = posted.post(&client, timeout).await;
            drop(permit);
            record(core, parcel, attempt, at, outcome, sent.elapsed());
            let again = match parcel.transport {
                Transport::EventCallback => (attempt <= overrides.retries
                    && overrides.retries_on(outcome))
                .then_some(Duration::ZERO)
                .filter(|_| started.elapsed() < overrides.total_time),
                Transport::EventStream => stream_retry(outcome, attempt, started.elapsed()),
            };
            let Some(wait) = again else {
                return Delivery {
                    event: parcel.event.sid,
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
    let jitter = rand::rng().random_range(0.5..1.0);
    Some(doubled.min(STREAM_LONGEST_RETRY).mul_f64(jitter))
}

impl Posted {
    fn new(core: &Arc<Core>, parcel: &Parcel, url: &str) -> Self {
        let idempotency_token = core.change(|state| state.ids.secret());
        let strangers = AuthToken::new(&idempotency_token);
        let token = match parcel.forged {
            true => &strangers,
            false => &core.signing_token,
        };
        match parcel.transport {
            Transport::EventCallback => Self {
                url: url.to_owned(),
                signature: sign_form(token, url, &parcel.event.form()),
                content_type: FORM,
                body: parcel.event.form_body(),
                idempotency_token,
            },
            Transport::EventStream => {
                let body = parcel.event.cloud_events_body();
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

    async fn post(&self, client: &Client, timeout: Duration) -> CallbackOutcome {
        let request = client
            .post(&self.url)
            .timeout(timeout)
            .header(CONTENT_TYPE, self.content_type)
            .header(SIGNATURE_HEADER, &self.signature)
            .header(IDEMPOTENCY_TOKEN, &self.idempotency_token)
            .body(self.body.clone());
        match exchange(request).await {
            Ok((status, _)) => CallbackOutcome::Answered(status),
            Err(outcome) => outcome,
        }
    }
}

/// The status and body of a complete answer.
pub(super) async fn exchange(
    request: reqwest::RequestBuilder,
) -> Result<(u16, Vec<u8>), CallbackOutcome> {
    let failure = |error: reqwest::Error| {
        if error.is_connect() {
            CallbackOutcome::NotConnected
        } else if error.is_timeout() {
            CallbackOutcome::TimedOut
        } else {
            CallbackOutcome::Broken
        }
    };
    let answer = request.send().await.map_err(failure)?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(failure)?;
    Ok((status, body.into()))
}

fn record(
    core: &Arc<Core>,
    parcel: &Parcel,
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
    } = *parcel.event;
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
            transport: parcel.transport,
            at,
            attempt,
            outcome,
            latency,
        });
        state.tell(story);
    });
}
