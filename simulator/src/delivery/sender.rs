//! Requests to receivers of events, and to sources of TwiML.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request};
use tokio::sync::Semaphore;

use crate::config::{Carrier, Config};
use crate::journal::CallbackOutcome;

pub(super) const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";
pub(super) const JSON: &str = "application/json";
const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");

/// Sends events, and requests for TwiML.
pub(crate) struct Sender {
    /// reqwest has one connect timeout per client.
    clients: Mutex<HashMap<Duration, Client>>,
    pub(super) permits: Semaphore,
    carrier: Option<Carrier>,
}

impl Sender {
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
pub(super) fn insert(request: &mut Request, name: HeaderName, value: &str) {
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
