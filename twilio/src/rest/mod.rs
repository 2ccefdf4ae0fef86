//! Twilio's REST API: the requests that we make, over one pool of connections.

mod accounts;
mod api_url;
mod calls;
mod dialing_permissions;
mod endpoint;
mod error;
mod event_streams;
mod flows;
mod incoming_numbers;
mod list;
mod patience;
mod recordings;
mod task_channels;
mod task_queues;
mod tasks;
mod voice_queues;
mod workflows;
mod workspaces;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::RwLock;
use reqwest::header::{AUTHORIZATION, DATE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use tracing::{Instrument, field};

pub use accounts::{Account, AccountStatus, AccountType};
pub use api_url::{ApiUrl, InvalidApiUrl};
pub use calls::{CallDraft, CallStatus, ChildCall, Instructions};
pub use dialing_permissions::CountryPermissions;
pub use endpoint::Endpoint;
use error::found;
pub use error::{Refusal, RestError};
pub use event_streams::{EventSchema, Sink, SinkStatus, Subscription};
pub use flows::{Flow, FlowDraft};
pub use incoming_numbers::{IncomingNumber, VoiceWebhook};
pub use list::Listed;
pub use patience::Patience;
pub use recordings::Recording;
pub use task_channels::TaskChannel;
pub use task_queues::{TaskQueue, TaskQueueDraft};
pub use tasks::{AssignmentStatus, Task};
pub use voice_queues::{QueueMember, VoiceQueue};
pub use workflows::{Workflow, WorkflowDraft};
pub use workspaces::{Workspace, WorkspaceChange};

use crate::{AccountSid, ApiKeySid, AuthToken, json};

/// The header with Twilio's request ID; its support asks for it.
const REQUEST_ID: &str = "twilio-request-id";

/// Credentials of the REST API.
#[derive(Clone)]
pub enum Credentials {
    /// The account and its auth token.
    AuthToken(AccountSid, AuthToken),
    /// An API key of the account, which can be revoked by itself.
    ApiKey(ApiKeySid, SecretString),
}

impl Credentials {
    fn header(&self) -> HeaderValue {
        let pair = match self {
            Self::AuthToken(account, token) => format!("{account}:{}", token.expose()),
            Self::ApiKey(key, secret) => format!("{key}:{}", secret.expose_secret()),
        };
        // Base64 is always a valid header value.
        let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
            .unwrap_or_else(|_| unreachable!());
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthToken(account, _) => write!(f, "AuthToken({account}, …)"),
            Self::ApiKey(key, _) => write!(f, "ApiKey({key}, …)"),
        }
    }
}

/// One request and its answer, for metrics.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// Which request.
    pub endpoint: Endpoint,
    /// The HTTP status; `None` where no answer came.
    pub status: Option<u16>,
    /// From sending to the head of the answer.
    pub elapsed: Duration,
    /// The time of the answer by Twilio's clock, to the second.
    pub date: Option<Timestamp>,
    /// How many requests of the account were under way, as Twilio saw it.
    pub concurrent_requests: Option<u32>,
}

/// It is told of every exchange.
pub type Observer = Arc<dyn Fn(Exchange) + Send + Sync>;

/// Carries requests to Twilio and its answers back, in place of the network.
pub type Transport = Arc<
    dyn Fn(reqwest::Request) -> BoxFuture<'static, Result<reqwest::Response, RestError>>
        + Send
        + Sync,
>;

/// How to reach the REST API.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The API's base URL.
    pub api_url: ApiUrl,
    /// The credentials.
    pub credentials: Credentials,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take, its answer included.
    pub timeout: Duration,
}

impl ClientConfig {
    /// Twilio's production API, with the usual timeouts.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            api_url: ApiUrl::default(),
            credentials,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
        }
    }
}

/// A client of the REST API. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    authorization: Arc<RwLock<HeaderValue>>,
    transport: Option<Transport>,
    observer: Option<Observer>,
    api_url: ApiUrl,
}

impl Client {
    /// A client. It connects when the first request is sent.
    ///
    /// # Errors
    /// The system's certificates can't be read.
    pub fn new(config: &ClientConfig) -> Result<Self, RestError> {
        // It fails if the process already has a provider, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("flex-overflow/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            // A redirect would carry our credentials elsewhere; Twilio's API makes none.
            .redirect(reqwest::redirect::Policy::none());
        if config.api_url.is_local() {
            http = http.no_proxy();
        }
        let http = http.build().map_err(RestError::from_reqwest)?;
        Ok(Self {
            http,
            authorization: Arc::new(RwLock::new(config.credentials.header())),
            transport: None,
            observer: None,
            api_url: config.api_url.clone(),
        })
    }

    /// Uses these credentials from the next request on, in all clones.
    pub fn authorize(&self, credentials: &Credentials) {
        *self.authorization.write() = credentials.header();
    }

    /// Tells `observer` of every exchange.
    #[must_use]
    pub fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sends requests through `transport` instead of the network, for simulations. The timeouts are
    /// then its own.
    #[must_use]
    pub fn carried_by(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    fn request(&self, method: Method, endpoint: Endpoint, path: &str) -> RequestBuilder {
        let base = self.api_url.base(endpoint.product());
        self.http
            .request(method, format!("{base}{path}"))
            .header(AUTHORIZATION, self.authorization.read().clone())
    }

    /// Sends the request; an answer with an error status is an error.
    async fn send(
        &self,
        endpoint: Endpoint,
        request: RequestBuilder,
    ) -> Result<Response, RestError> {
        // It becomes part of a trace, if traces are exported.
        let span = tracing::trace_span!(
            target: "otel::tracing",
            "request",
            otel.name = endpoint.as_str(),
            otel.kind = "client",
            otel.status_code = field::Empty,
            http.response.status_code = field::Empty,
            twilio.request_id = field::Empty,
        );
        let started = Instant::now();
        let request = request.build().map_err(RestError::from_reqwest)?;
        let answer = self.exchange(request).instrument(span.clone()).await;
        let head = answer.as_ref().ok();
        let status = head.map(|answer| answer.status().as_u16());
        span.record("http.response.status_code", status);
        span.record(
            "twilio.request_id",
            head.and_then(|answer| header(answer, REQUEST_ID)),
        );
        if !head.is_some_and(|answer| answer.status().is_success()) {
            span.record("otel.status_code", "ERROR");
        }
        if let Some(observer) = &self.observer {
            observer(Exchange {
                endpoint,
                status,
                elapsed: started.elapsed(),
                date: head.and_then(date),
                concurrent_requests: head
                    .and_then(|answer| header(answer, "twilio-concurrent-requests")?.parse().ok()),
            });
        }
        let answer = answer?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let retry_after = retry_after(&answer);
        let request_id = header(&answer, REQUEST_ID).map(str::to_owned);
        // The status is known even if the body doesn't arrive.
        let body = answer.bytes().await.unwrap_or_default();
        let refusal = Refusal::new(status, retry_after, request_id, &body);
        Err(RestError::Refused(refusal.of(&self.api_url)))
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Response, RestError> {
        match &self.transport {
            Some(transport) => transport(request).await,
            None => {
                let answer = self.http.execute(request).await;
                answer.map_err(RestError::from_reqwest)
            }
        }
    }

    /// Reads a resource.
    async fn get<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        path: &str,
    ) -> Result<T, RestError> {
        let request = self.request(Method::GET, endpoint, path);
        self.send_for(endpoint, request).await
    }

    /// Reads a resource; `None` where Twilio knows none at this path.
    async fn find<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        path: &str,
    ) -> Result<Option<T>, RestError> {
        found(self.get(endpoint, path).await)
    }

    /// Creates a resource, or updates one.
    async fn post<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        path: &str,
        form: &(impl Serialize + ?Sized),
    ) -> Result<T, RestError> {
        let request = self.request(Method::POST, endpoint, path).form(form);
        self.send_for(endpoint, request).await
    }

    async fn send_for<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        request: RequestBuilder,
    ) -> Result<T, RestError> {
        let answer = self.send(endpoint, request).await?;
        let body = answer.bytes().await.map_err(RestError::from_reqwest)?;
        serde_json::from_slice(&body).map_err(|e| unreadable(endpoint, &e))
    }

    /// Sends a request whose answer matters only for its status. Returns Twilio's request ID, if the
    /// answer has one.
    async fn send_only(
        &self,
        endpoint: Endpoint,
        request: RequestBuilder,
    ) -> Result<Option<String>, RestError> {
        let answer = self.send(endpoint, request).await?;
        let request_id = header(&answer, REQUEST_ID).map(str::to_owned);
        // Read to its end, or the connection could not be used again.
        let _ = answer.bytes().await;
        Ok(request_id)
    }

    /// Deletes a resource. Returns whether it still existed.
    async fn delete(&self, endpoint: Endpoint, path: &str) -> Result<bool, RestError> {
        let request = self.request(Method::DELETE, endpoint, path);
        Ok(found(self.send_only(endpoint, request).await)?.is_some())
    }
}

fn unreadable(endpoint: Endpoint, error: &serde_json::Error) -> RestError {
    let problem = json::problem(error, "not of the expected shape");
    RestError::Unreadable(format!("{}: {problem}", endpoint.as_str()))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.api_url)
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

fn date(answer: &Response) -> Option<Timestamp> {
    retry::http_date(header(answer, DATE.as_str())?)
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let asked = header(answer, RETRY_AFTER.as_str())?;
    retry::after(asked, header(answer, DATE.as_str()))
}

/// For strings that Twilio sends as null when they are empty.
fn null_is_empty<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(from).map(Option::unwrap_or_default)
}

/// A date of the 2010 API; none where it can't be read.
fn rfc2822<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = json::lenient(from)?;
    Ok(text.and_then(|text| retry::http_date(&text)))
}

/// A length of the 2010 API, in seconds; zero where it can't be read.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let seconds: Option<u64> = json::lenient(from)?;
    Ok(Duration::from_secs(seconds.unwrap_or_default()))
}
