//! Sending events.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderName;
use reqwest::{Method, Request};
use tokio::time::Instant;
use twilio::{AuthToken, sign_body, sign_form};

use super::callback::Delivery;
use super::overrides::Overrides;
use super::sender::{FORM, JSON, insert, request};
use crate::core::Core;
use crate::events::{Transport, Webhook};
use crate::faults::CallbackFault;
use crate::journal::{CallbackOutcome, CallbackRecord};
use crate::story::Story;

const IDEMPOTENCY_TOKEN: HeaderName = HeaderName::from_static("i-twilio-idempotency-token");

/// Event Streams: no connection overrides, and retries for hours.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
const STREAM_FIRST_RETRY: Duration = Duration::from_secs(1);
const STREAM_LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);
const STREAM_GIVES_UP: Duration = Duration::from_secs(4 * 60 * 60);

impl Core {
    /// Delivers an event, with callback faults.
    pub(crate) async fn send_with_faults(self: &Arc<Self>, mut webhook: Webhook) {
        match self.faults.for_callback(webhook.event.kind) {
            None => {
                self.send(&webhook).await;
            }
            Some(CallbackFault::Forge) => {
                webhook.forged = true;
                self.send(&webhook).await;
            }
            Some(CallbackFault::Delay { by }) => {
                tokio::time::sleep(by).await;
                self.send(&webhook).await;
            }
            Some(CallbackFault::Drop) => {
                let outcome = CallbackOutcome::Dropped;
                self.record(&webhook, 0, self.now(), outcome, Duration::ZERO);
            }
            Some(CallbackFault::Duplicate { after }) => {
                let again = async {
                    tokio::time::sleep(after).await;
                    self.send(&webhook).await;
                };
                tokio::join!(self.send(&webhook), again);
            }
        }
    }

    /// Delivers an event, with its transport's retries.
    pub(crate) async fn send(self: &Arc<Self>, webhook: &Webhook) -> Delivery {
        let (url, overrides) = Overrides::split(&webhook.url);
        let request = self.post(webhook, url);
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let timeout = match webhook.transport {
                Transport::EventCallback | Transport::StatusCallback => {
                    overrides.timeout(started.elapsed())
                }
                Transport::EventStream => STREAM_TIMEOUT,
            };
            let permit = self.sender.permits.acquire().await;
            let (at, sent) = (self.now(), Instant::now());
            let exchanged = self
                .sender
                .exchange(&request, overrides.connect_timeout, timeout);
            let outcome = match exchanged.await {
                Ok((status, _)) => CallbackOutcome::Answered(status),
                Err(outcome) => outcome,
            };
            drop(permit);
            self.record(webhook, attempt, at, outcome, sent.elapsed());
            let elapsed = started.elapsed();
            let again = match webhook.transport {
                Transport::EventCallback | Transport::StatusCallback => overrides
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

    /// The request that delivers an event, the same for each attempt.
    fn post(self: &Arc<Self>, webhook: &Webhook, url: &str) -> Request {
        let idempotency_token = self.change(|state| state.ids.secret());
        let strangers = AuthToken::new(&idempotency_token);
        let token = match webhook.forged {
            true => &strangers,
            false => &self.signing_token,
        };
        let mut request = match webhook.transport {
            Transport::EventCallback | Transport::StatusCallback => {
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

    fn record(
        self: &Arc<Self>,
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
        self.change(|state| {
            state.tell(Story::Callback(record.clone()));
            state.journal.callbacks.push(record);
        });
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
