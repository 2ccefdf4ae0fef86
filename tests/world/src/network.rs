//! What lies between the pair and Twilio: no sockets, but the same losses.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response};
use simulator::{CallbackOutcome, Carrier, Simulator};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tower::ServiceExt;
use twilio::rest::{RestError, Transport};
use twilio::{CallSid, TaskSid};

use crate::judge::Broken;
use crate::story::Teller;
use crate::weather::{Fault, RequestFate, Sky, Target};

/// How long a client of ours waits for Twilio.
pub const TWILIO_TIMEOUT: Duration = Duration::from_secs(10);

/// The API's requests as they were sent: by Twilio's name of each.
pub type Sent = Arc<Mutex<Vec<(String, Duration)>>>;

/// The way from a redirector to Twilio.
#[derive(Clone)]
pub struct Wire {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) sky: Sky,
    pub(crate) teller: Teller,
    pub(crate) sent: Sent,
    pub(crate) broken: Arc<Mutex<Vec<Broken>>>,
}

impl Wire {
    /// The transport of one process.
    pub(crate) fn transport(&self, process: &str) -> Transport {
        let (wire, process) = (self.clone(), process.to_owned());
        Arc::new(move |request| {
            let (wire, process) = (wire.clone(), process.clone());
            Box::pin(async move { wire.exchange(&process, request).await })
        })
    }

    async fn exchange(
        self,
        process: &str,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, RestError> {
        let path = request.url().path().to_owned();
        let target = match path.starts_with("/v1/") {
            true => Target::TaskRouter,
            false if request.method() == Method::POST => Target::Update,
            false => Target::Api,
        };
        let fate = self.sky.request(target);
        let (what, teller) = (describe(request.method(), &path), self.teller.clone());
        let answered = self.answered(request, fate).await;
        teller.say(|| {
            let met = fate
                .fault
                .map_or_else(String::new, |fault| format!(" meets {fault:?}:"));
            match &answered {
                Ok(answer) => format!("{process}: {what}{met} {}", answer.status()),
                Err(error) => format!("{process}: {what}{met} {error}"),
            }
        });
        answered
    }

    async fn answered(
        self,
        request: reqwest::Request,
        fate: RequestFate,
    ) -> Result<reqwest::Response, RestError> {
        if fate.fault == Some(Fault::NotSent) {
            tokio::time::sleep(fate.there).await;
            return Err(RestError::NotSent("connection refused".to_owned()));
        }
        let (answer, when_answered) = oneshot::channel();
        // On its own: what is on its way goes on without its client.
        tokio::spawn(async move {
            if let Some(answered) = self.carry(request, fate).await {
                let _ = answer.send(answered);
            }
        });
        let lost = |what: &str| RestError::AnswerLost(what.to_owned());
        match tokio::time::timeout(TWILIO_TIMEOUT, when_answered).await {
            Ok(Ok(answered)) => answered.ok_or_else(|| lost("connection reset")),
            // Its sender is gone without a word: nothing comes any more.
            Ok(Err(_)) => {
                tokio::time::sleep(TWILIO_TIMEOUT).await;
                Err(lost("timed out"))
            }
            Err(_) => Err(lost("timed out")),
        }
    }

    /// The answer, if one comes; `Some(None)` for a reset.
    async fn carry(
        self,
        request: reqwest::Request,
        fate: RequestFate,
    ) -> Option<Option<reqwest::Response>> {
        let sent = self.simulator.inspect(simulator::State::elapsed);
        tokio::time::sleep(fate.there).await;
        let refusal = match fate.fault {
            Some(Fault::Lost) => return None,
            Some(Fault::Status {
                status,
                retry_after,
                carried_out,
            }) => {
                if !carried_out {
                    tokio::time::sleep(fate.back).await;
                    return Some(Some(refused(status, retry_after)));
                }
                Some(refused(status, retry_after))
            }
            _ => None,
        };
        let late = fate.there > Duration::from_secs(1);
        let what = describe(request.method(), request.url().path());
        let closes = self.waits_for(request.method(), request.url().path());
        let answer = self.simulator.answer(inward(request)).await?;
        if answer.status().is_success() {
            let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
            broken.extend(closes.map(Broken::TaskClosed));
        }
        if late {
            self.teller
                .say(|| format!("Twilio carries out {what}, late: {}", answer.status()));
        }
        if let Some(id) = answer.headers().get("twilio-request-id") {
            let id = id.to_str().unwrap_or_default().to_owned();
            let mut log = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            log.push((id, sent));
        }
        tokio::time::sleep(fate.back).await;
        match fate.fault {
            Some(Fault::Silence) => None,
            Some(Fault::Reset) => Some(None),
            _ => Some(Some(match refusal {
                Some(refusal) => refusal,
                None => outward(answer).await,
            })),
        }
    }
}

impl Wire {
    /// Who is on hold for the task that a request changes.
    fn waits_for(&self, method: &Method, path: &str) -> Option<CallSid> {
        let (_, task) = path.split_once("/Tasks/")?;
        let task: TaskSid = task.parse().ok().filter(|_| method == Method::POST)?;
        self.simulator.inspect(|state| {
            let call = state.task(&task)?.call?;
            (state.task_of(&call) == Some(task) && state.is_waiting(&call)).then_some(call)
        })
    }
}

fn describe(method: &Method, path: &str) -> String {
    let short = path
        .trim_start_matches("/2010-04-01/Accounts/")
        .trim_start_matches("/v1/Workspaces/");
    let short = short.split_once('/').map_or(short, |(_, rest)| rest);
    format!("{method} {short}")
}

fn refused(status: u16, retry_after: Option<u64>) -> reqwest::Response {
    let body = format!(r#"{{"code":20{status},"message":"weather","status":{status}}}"#);
    let mut answer = Response::builder().status(status);
    if let Some(seconds) = retry_after {
        answer = answer.header("retry-after", seconds.to_string());
    }
    let answer = answer.body(body).unwrap_or_default();
    answer.into()
}

fn inward(request: reqwest::Request) -> Request<Body> {
    let url = request.url();
    let uri = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let body = request.body().and_then(reqwest::Body::as_bytes);
    let body = Body::from(body.unwrap_or_default().to_vec());
    let mut inward = Request::new(body);
    *inward.method_mut() = request.method().clone();
    *inward.uri_mut() = uri.parse().unwrap_or_default();
    *inward.headers_mut() = request.headers().clone();
    inward
}

async fn outward(answer: Response<Body>) -> reqwest::Response {
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    Response::from_parts(head, body).into()
}

/// The ingests that are up, behind one address.
#[derive(Clone, Default)]
pub struct Ingests(Arc<Mutex<Vec<Arc<Up>>>>);

/// One ingest that is up. What it is at ends with it.
pub struct Up {
    pub(crate) name: String,
    pub(crate) router: Router,
    pub(crate) requests: Mutex<JoinSet<()>>,
}

impl Ingests {
    pub(crate) fn add(&self, up: Up) {
        self.up().push(Arc::new(up));
    }

    /// It is gone, and with it the connections to it.
    pub(crate) fn remove(&self, name: &str) {
        self.up().retain(|up| up.name != name);
    }

    /// The carrier of Twilio's callbacks.
    pub(crate) fn carrier(&self, sky: Sky, teller: Teller) -> Carrier {
        let (ingests, turn) = (self.clone(), Arc::new(Mutex::new(0_usize)));
        Arc::new(move |request| {
            let (ingests, sky, teller) = (ingests.clone(), sky.clone(), teller.clone());
            let turn = {
                let mut turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                *turn += 1;
                *turn
            };
            Box::pin(async move { ingests.callback(turn, request, &sky, &teller).await })
        })
    }

    /// Delivers a callback, and gives back the answer to the first copy.
    async fn callback(
        &self,
        turn: usize,
        request: reqwest::Request,
        sky: &Sky,
        teller: &Teller,
    ) -> Result<reqwest::Response, CallbackOutcome> {
        let fate = sky.callback();
        let mut answers = Vec::new();
        for (copy, after) in fate.copies.iter().copied().enumerate() {
            let (answer, when_answered) = oneshot::channel();
            let Some(request) = request.try_clone() else {
                continue;
            };
            let (ingests, teller) = (self.clone(), teller.clone());
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                let answered = ingests.deliver(turn + copy, request).await;
                let status = answered.as_ref().ok().map(reqwest::Response::status);
                teller.say(|| format!("a callback arrives: {status:?}"));
                let _ = answer.send(answered);
            });
            answers.push(when_answered);
        }
        match answers.into_iter().next() {
            Some(first) => first.await.unwrap_or(Err(CallbackOutcome::Broken)),
            None => std::future::pending().await,
        }
    }

    async fn deliver(
        &self,
        turn: usize,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, CallbackOutcome> {
        let up: Weak<Up> = {
            let up = self.up();
            if up.is_empty() {
                return Err(CallbackOutcome::NotConnected);
            }
            Arc::downgrade(&up[turn % up.len()])
        };
        let (answer, when_answered) = oneshot::channel();
        if let Some(up) = up.upgrade() {
            let router = up.router.clone();
            let mut requests = up.requests.lock().unwrap_or_else(PoisonError::into_inner);
            while requests.try_join_next().is_some() {}
            requests.spawn(async move {
                let answered = router.oneshot(inward(request)).await;
                let Ok(answered) = answered;
                let _ = answer.send(outward(answered).await);
            });
        }
        when_answered.await.map_err(|_| CallbackOutcome::Broken)
    }

    fn up(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Up>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
