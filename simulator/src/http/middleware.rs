//! What an API request passes through: it is recorded, faults are injected, it is authenticated, and it is
//! refused if too many are under way. Then its handler answers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State as Shared};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::connection::ConnectionHandle;
use super::error::ApiError;
use super::operation::Operation;
use super::request::ApiRequest;
use crate::core::Core;
use crate::dates::http_date;
use crate::faults::{Fault, Loss, RequestFaults};
use crate::journal::{LogId, RequestOutcome, RequestRecord};

const MAX_BODY: usize = 1 << 20;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const REQUEST_ID: HeaderName = HeaderName::from_static("twilio-request-id");
const CONCURRENT_REQUESTS: HeaderName = HeaderName::from_static("twilio-concurrent-requests");
const REQUEST_DURATION: HeaderName = HeaderName::from_static("twilio-request-duration");

/// A request under way.
pub(super) struct Exchange {
    pub(super) request: ApiRequest,
    pub(super) operation: Result<&'static Operation, ApiError>,
    faults: RequestFaults,
    log: LogId,
    arrived: Instant,
    /// How many requests were under way when it came, itself included.
    concurrent: usize,
    _under_way: TaskTrackerToken,
    client_left: AtomicBool,
}

/// Records the request, and delays it if a fault says so. A response that is marked with a [`Loss`]
/// doesn't get to the client.
pub(super) async fn record(
    Shared(core): Shared<Arc<Core>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    path: Option<MatchedPath>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    let exchange = Arc::new(Exchange::begin(&core, path, params.ok(), &head, body).await);
    let mut watch = ClientWatch {
        core: core.clone(),
        exchange: exchange.clone(),
        is_over: false,
    };
    let delay = exchange.faults.delay;
    let mut request = Request::from_parts(head, Body::empty());
    request.extensions_mut().insert(exchange);
    let response = if delay.is_zero() {
        next.run(request).await
    } else {
        let late = async move {
            tokio::time::sleep(delay).await;
            next.run(request).await
        };
        // It goes on even if the client leaves. It fails only when the simulator ends.
        let response = core.spawn(late).await.ok().flatten();
        response.unwrap_or_else(|| Extension(Loss::Reset).into_response())
    };
    let loss = response.extensions().get().copied();
    watch.is_over = loss != Some(Loss::Hang);
    match loss {
        None => return response,
        Some(Loss::Hang) => {}
        Some(Loss::Reset) => connection.reset(),
        Some(Loss::Close) => connection.close(),
    }
    // Nothing of the response may be written.
    std::future::pending().await
}

/// Injects the request's fault, and records what came of the request.
pub(super) async fn inject_faults(
    Shared(core): Shared<Arc<Core>>,
    Extension(exchange): Extension<Arc<Exchange>>,
    request: Request,
    next: Next,
) -> Response {
    match exchange.faults.fault {
        None => exchange.answer(&core, next.run(request).await),
        Some(Fault::Status {
            status,
            code,
            retry_after,
        }) => {
            let mut error = ApiError::coded(status, code);
            error.retry_after = retry_after;
            exchange.answer(&core, error.into_response())
        }
        Some(Fault::LoseAnswer(loss)) => {
            let status = next.run(request).await.status().as_u16();
            exchange.record(&core, RequestOutcome::AnswerLost { status });
            Extension(loss).into_response()
        }
        Some(Fault::Reset) => {
            exchange.record(&core, RequestOutcome::Reset);
            Extension(Loss::Reset).into_response()
        }
        Some(Fault::Hang | Fault::Delay { .. }) => Extension(Loss::Hang).into_response(),
    }
}

pub(super) async fn authenticate(
    Shared(core): Shared<Arc<Core>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let sent = request.headers().get(AUTHORIZATION);
    match core.authenticates(sent.and_then(|sent| sent.to_str().ok())) {
        true => Ok(next.run(request).await),
        false => Err(ApiError::coded(401, 20003)),
    }
}

pub(super) async fn limit(
    Shared(core): Shared<Arc<Core>>,
    Extension(exchange): Extension<Arc<Exchange>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    match core.is_too_many(exchange.concurrent) {
        true => Err(ApiError::coded(429, 20429)),
        false => Ok(next.run(request).await),
    }
}

/// Notices that the client left: it is dropped together with the request's future.
struct ClientWatch {
    core: Arc<Core>,
    exchange: Arc<Exchange>,
    is_over: bool,
}

impl Drop for ClientWatch {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.exchange.client_left.store(true, Ordering::Relaxed);
        self.core.change(|state| {
            if let Some(record) = state.journal.requests.get_mut(self.exchange.log)
                && record.outcome == RequestOutcome::UnderWay
            {
                record.outcome = RequestOutcome::ClientLeft;
            }
        });
    }
}

impl Exchange {
    async fn begin(
        core: &Arc<Core>,
        path: Option<MatchedPath>,
        params: Option<RawPathParams>,
        head: &Parts,
        body: Body,
    ) -> Self {
        let arrived = Instant::now();
        // A body that is cut short or too long counts as empty.
        let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
        let params = params.iter().flat_map(RawPathParams::iter);
        let mut segments: Vec<_> = params
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let path_there = path.as_ref().map_or("", MatchedPath::as_str);
        let operations = Operation::at(path_there);
        let is_there = operations.first().is_some_and(|operation| {
            !operation.template.ends_with("}.json") || strip_extension(&mut segments)
        });
        let path = head.uri.path();
        let operation = match operations.iter().find(|known| known.method == head.method) {
            _ if !is_there => Err(ApiError::not_found(path)),
            None => Err(ApiError::coded(405, 20004)),
            Some(operation) => Ok(*operation),
        };
        let known = operation.as_ref().ok();
        let faults = known.map_or_else(RequestFaults::default, |known| {
            let call = segments.iter().find_map(|(_, value)| value.parse().ok());
            core.faults.for_request(known.endpoint, call)
        });
        let text = |name| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let (record, log, concurrent, under_way) = core.change(|state| {
            let record = RequestRecord {
                id: state.ids.text("RQ"),
                at: state.elapsed(),
                endpoint: known.map(|known| known.endpoint),
                method: head.method.to_string(),
                path: path.to_owned(),
                template: known.map(|known| known.template),
                query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
                content_type: text(CONTENT_TYPE),
                if_match: text(IF_MATCH),
                form: pairs(&body),
                fault: faults.recorded(),
                outcome: RequestOutcome::UnderWay,
            };
            let log = state.journal.requests.push(record.clone());
            let under_way = core.in_flight.token();
            (record, log, core.in_flight.len(), under_way)
        });
        Self {
            request: ApiRequest { segments, record },
            operation,
            faults,
            log,
            arrived,
            concurrent,
            _under_way: under_way,
            client_left: AtomicBool::new(false),
        }
    }

    /// Records the answer, and gives it Twilio's headers.
    fn answer(&self, core: &Arc<Core>, mut response: Response) -> Response {
        let elapsed = self.arrived.elapsed();
        let status = response.status().as_u16();
        let outcome = match self.client_left.load(Ordering::Relaxed) {
            true => RequestOutcome::AnswerLost { status },
            false => RequestOutcome::Answered { status, elapsed },
        };
        self.record(core, outcome);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        for (name, value) in [
            (DATE, http_date(core.look(|state| state.now()))),
            (REQUEST_ID, self.request.record.id.clone()),
            (CONCURRENT_REQUESTS, self.concurrent.to_string()),
            (REQUEST_DURATION, format!("{:.3}", elapsed.as_secs_f64())),
        ] {
            // They consist of digits and letters.
            headers.extend(value.parse().ok().map(|value| (name, value)));
        }
        response
    }

    fn record(&self, core: &Arc<Core>, outcome: RequestOutcome) {
        core.change(|state| {
            if let Some(record) = state.journal.requests.get_mut(self.log) {
                record.outcome = outcome;
            }
        });
    }
}

/// Removes `.json` from the last parameter; returns whether it was there.
fn strip_extension(segments: &mut [(String, String)]) -> bool {
    let last = segments.last_mut();
    last.is_some_and(|(_, value)| match value.strip_suffix(".json") {
        Some(stem) => {
            *value = stem.to_owned();
            true
        }
        None => false,
    })
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}
