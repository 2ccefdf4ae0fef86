//! The way of an API request: recorded, its faults drawn, authenticated, worked on, answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, RawPathParams, Request, State as Shared};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, ETAG, IF_MATCH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use axum::routing::{MethodFilter, on};

use super::answer::{Answer, ApiError};
use super::connection::Line;
use super::endpoint::{Method, Route};
use super::request::ApiRequest;
use super::{
    accounts, calls, control, dialing_permissions, flows, incoming_numbers, members, sinks,
    subscriptions, task_channels, task_queues, tasks, voice_queues, workflows, workspaces,
};
use tokio::time::Instant;

use crate::core::{Core, Flight};
use crate::dates::http_date;
use crate::faults::{Fate, Fault, Loss};
use crate::journal::{LogId, RequestOutcome, RequestRecord};

const MAX_BODY: usize = 1 << 20;

const ROUTES: [&[Route]; 14] = [
    accounts::ROUTES,
    calls::ROUTES,
    incoming_numbers::ROUTES,
    voice_queues::ROUTES,
    members::ROUTES,
    workspaces::ROUTES,
    task_queues::ROUTES,
    workflows::ROUTES,
    tasks::ROUTES,
    task_channels::ROUTES,
    flows::ROUTES,
    sinks::ROUTES,
    subscriptions::ROUTES,
    dialing_permissions::ROUTES,
];

/// Twilio's API and the simulator's own, on one address: their paths don't collide.
pub(crate) fn router(core: Arc<Core>) -> Router {
    let mut router = Router::new();
    for route in ROUTES.into_iter().flatten() {
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Delete => MethodFilter::DELETE,
        };
        // The router takes parameters only as whole segments.
        let path = route.template.replace("}.json", "}");
        let handler = move |Shared(core): Shared<Arc<Core>>,
                            ConnectInfo(line): ConnectInfo<Line>,
                            params: RawPathParams,
                            request: Request| async move {
            match segments(route, &params) {
                Some(segments) => serve(core, line, Ok((route, segments)), request).await,
                None => serve(core, line, Err(Unmatched::Resource), request).await,
            }
        };
        router = router.route(&path, on(filter, handler));
    }
    router
        .method_not_allowed_fallback(
            async |Shared(core): Shared<Arc<Core>>,
                   ConnectInfo(line): ConnectInfo<Line>,
                   request: Request| {
                serve(core, line, Err(Unmatched::Method), request).await
            },
        )
        .fallback(
            async |Shared(core): Shared<Arc<Core>>,
                   ConnectInfo(line): ConnectInfo<Line>,
                   request: Request| {
                serve(core, line, Err(Unmatched::Resource), request).await
            },
        )
        .merge(control::router())
        .with_state(core)
}

/// What stands in the path for the names in the template; `None` if it lacks the `.json`.
fn segments(route: &Route, params: &RawPathParams) -> Option<Vec<(String, String)>> {
    let suffixed = route.template.ends_with("}.json");
    let last = params.iter().count().checked_sub(1);
    params
        .iter()
        .enumerate()
        .map(|(index, (name, value))| {
            let value = match suffixed && Some(index) == last {
                true => value.strip_suffix(".json")?,
                false => value,
            };
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// The operation that a request asks for, and what stands in its path for the names in the
/// template.
type Matched = Result<(&'static Route, Vec<(String, String)>), Unmatched>;

/// What of a request is nowhere in Twilio's API.
#[derive(Clone, Copy)]
enum Unmatched {
    Resource,
    Method,
}

/// What becomes of a request in the end.
enum End {
    Answer(Response),
    Hang,
    Reset,
    Close,
}

async fn serve(core: Arc<Core>, line: Line, matched: Matched, request: Request) -> Response {
    let exchange = Exchange::begin(core.clone(), matched, request).await;
    let mut presence = Presence {
        core: core.clone(),
        log: exchange.log,
        left: exchange.client_left.clone(),
        attended: false,
    };
    let delay = exchange.fate.delay;
    let end = if delay.is_zero() {
        exchange.end()
    } else {
        let late = async move {
            tokio::time::sleep(delay).await;
            exchange.end()
        };
        // Carried on without the client, if need be. It fails only when the simulator ends.
        core.spawn_returning(late).await.unwrap_or(End::Reset)
    };
    let response = match end {
        End::Answer(response) => response,
        End::Hang => std::future::pending().await,
        // Never sent: the connection is cut.
        End::Reset => {
            line.reset();
            Response::default()
        }
        End::Close => {
            line.close();
            Response::default()
        }
    };
    presence.attended = true;
    response
}

/// Notices, by being dropped with the request's future, that the client left.
struct Presence {
    core: Arc<Core>,
    log: LogId,
    left: Arc<AtomicBool>,
    /// Whether the client was there until the end.
    attended: bool,
}

impl Drop for Presence {
    fn drop(&mut self) {
        if self.attended {
            return;
        }
        self.left.store(true, Ordering::Relaxed);
        self.core.change(|state| {
            if let Some(record) = state.journal.requests.get_mut(self.log)
                && record.outcome == RequestOutcome::UnderWay
            {
                record.outcome = RequestOutcome::ClientLeft;
            }
        });
    }
}

/// One request, recorded.
struct Exchange {
    core: Arc<Core>,
    route: Result<&'static Route, Unmatched>,
    request: ApiRequest,
    authorization: Option<String>,
    fate: Fate,
    log: LogId,
    arrived: Instant,
    flight: Flight,
    client_left: Arc<AtomicBool>,
}

impl Exchange {
    async fn begin(core: Arc<Core>, matched: Matched, request: Request) -> Self {
        let arrived = Instant::now();
        let flight = core.in_flight.enter();
        let (route, segments) = match matched {
            Ok((route, segments)) => (Ok(route), segments),
            Err(unmatched) => (Err(unmatched), Vec::new()),
        };
        let (head, body) = request.into_parts();
        // One that breaks off or never ends holds nothing that a handler would take.
        let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
        let text = |name| header(&head.headers, &name);
        let request = ApiRequest {
            id: core.change(|state| state.ids.text("RQ")),
            path: head.uri.path().to_owned(),
            segments,
            query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
            form: pairs(&body),
            if_match: text(IF_MATCH),
        };
        let route_found = route.ok();
        let fate = route_found.map_or_else(Fate::default, |route| {
            core.faults.for_request(route.endpoint, request.call())
        });
        let mut record = RequestRecord {
            id: request.id.clone(),
            at: Duration::ZERO,
            endpoint: route_found.map(|route| route.endpoint),
            method: head.method.to_string(),
            path: request.path.clone(),
            template: route_found.map(|route| route.template),
            query: request.query.clone(),
            content_type: text(CONTENT_TYPE),
            if_match: request.if_match.clone(),
            form: request.form.clone(),
            fault: fate.recorded(),
            outcome: RequestOutcome::UnderWay,
        };
        let log = core.change(|state| {
            record.at = state.elapsed();
            state.journal.requests.push(record)
        });
        Self {
            authorization: text(AUTHORIZATION),
            core,
            route,
            request,
            fate,
            log,
            arrived,
            flight,
            client_left: Arc::default(),
        }
    }

    fn end(&self) -> End {
        match self.fate.fault {
            None => {
                let answer = self.work();
                self.answer(answer, None)
            }
            Some(Fault::Status {
                status,
                code,
                retry_after,
            }) => {
                let answer = ApiError::coded(status, code).answer();
                self.answer(answer, retry_after)
            }
            Some(Fault::LoseAnswer(loss)) => {
                let status = self.work().status;
                self.record(RequestOutcome::AnswerLost { status });
                match loss {
                    Loss::Reset => End::Reset,
                    Loss::Close => End::Close,
                    Loss::Hang => End::Hang,
                }
            }
            Some(Fault::Reset) => {
                self.record(RequestOutcome::Reset);
                End::Reset
            }
            Some(Fault::Hang | Fault::Delay { .. }) => End::Hang,
        }
    }

    fn work(&self) -> Answer {
        let result = if !self.core.authenticates(self.authorization.as_deref()) {
            Err(ApiError::coded(401, 20003))
        } else if self.core.is_too_many(self.flight.count) {
            Err(ApiError::coded(429, 20429))
        } else {
            match self.route {
                Ok(route) => self
                    .core
                    .change(|state| (route.handler)(state, &self.request)),
                Err(Unmatched::Resource) => Err(self.request.not_found()),
                Err(Unmatched::Method) => Err(ApiError::coded(405, 20004)),
            }
        };
        result.unwrap_or_else(|error| error.answer())
    }

    fn answer(&self, answer: Answer, retry_after: Option<u32>) -> End {
        let elapsed = self.arrived.elapsed();
        let status = answer.status;
        self.record(match self.client_left.load(Ordering::Relaxed) {
            true => RequestOutcome::AnswerLost { status },
            false => RequestOutcome::Answered { status, elapsed },
        });
        let mut response = Response::new(Body::from(answer.body));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let seconds = elapsed.as_secs_f64();
        let headers = [
            (CONTENT_TYPE, Some("application/json".into())),
            (DATE, Some(http_date(self.core.look(|state| state.now())))),
            (ETAG, answer.etag),
            (RETRY_AFTER, retry_after.map(|s| s.to_string())),
            (REQUEST_ID, Some(self.request.id.clone())),
            (CONCURRENT_REQUESTS, Some(self.flight.count.to_string())),
            (REQUEST_DURATION, Some(format!("{seconds:.3}"))),
        ];
        for (name, value) in headers {
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        End::Answer(response)
    }

    fn record(&self, outcome: RequestOutcome) {
        self.core.change(|state| {
            if let Some(record) = state.journal.requests.get_mut(self.log) {
                record.outcome = outcome;
            }
        });
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("twilio-request-id");
const CONCURRENT_REQUESTS: HeaderName = HeaderName::from_static("twilio-concurrent-requests");
const REQUEST_DURATION: HeaderName = HeaderName::from_static("twilio-request-duration");

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}
