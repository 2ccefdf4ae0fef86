//! The way from a redirector to Twilio.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response};
use parking_lot::Mutex;
use simulator::{Simulator, State};
use tokio::sync::oneshot;
use twilio::rest::{RestError, Transport};
use twilio::{CallSid, TaskSid};

use crate::life::{Life, Step};
use crate::promises::{Notes, Promise};
use crate::story::Teller;
use crate::weather::{Fault, RequestFate, Sky, Target};

/// Longer than this on its way, a request is late.
const LATE: Duration = Duration::from_secs(1);

/// The way from the redirectors to Twilio. Clones are the same.
#[derive(Clone)]
pub struct Wire {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) sky: Sky,
    pub(crate) teller: Teller,
    pub(crate) notes: Notes,
    /// How long a client of ours waits for Twilio.
    pub(crate) timeout: Duration,
    /// The calls of which no update comes to its end, and what befalls it instead.
    pub(crate) sick: Sick,
}

/// Calls, and what befalls each update of them. Clones are the same.
pub type Sick = Arc<Mutex<BTreeMap<CallSid, Fault>>>;

/// One request, as the story tells it.
#[derive(Clone)]
struct Asked {
    target: Target,
    call: Option<CallSid>,
    /// The task that it changes.
    closes: Option<TaskSid>,
    what: String,
}

/// What comes back.
enum Back {
    Answer(reqwest::Response),
    Reset,
    Nothing,
}

impl Wire {
    /// The transport of one life.
    pub(crate) fn transport(&self, life: &Life) -> Transport {
        let (wire, life) = (self.clone(), life.clone());
        Arc::new(move |request| {
            let (wire, life) = (wire.clone(), life.clone());
            Box::pin(async move {
                tokio::time::sleep(wire.sky.pause()).await;
                if life.has_ended() || life.step(Duration::ZERO) == Step::DiesBefore {
                    std::future::pending::<()>().await;
                }
                let answer = wire.exchange(life.name(), request).await;
                if life.has_ended() {
                    std::future::pending::<()>().await;
                }
                answer
            })
        })
    }

    async fn exchange(
        self,
        process: &str,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, RestError> {
        let asked = Asked::read(&self.simulator, request.method(), request.url().path());
        let mut fate = self.sky.request(asked.target);
        if let (Target::Update, Some(call)) = (asked.target, asked.call) {
            let sick = self.sick.lock();
            fate.fault = sick.get(&call).copied().or(fate.fault);
        }
        let teller = self.teller.clone();
        let updates = asked.target == Target::Update;
        self.notes.request(updates);
        if updates {
            self.say(&asked, format!("{process} {}", asked.what));
        }
        let answered = self.answered(request, &asked, fate).await;
        let answer = match &answered {
            Ok(answer) => answer.status().as_u16().to_string(),
            Err(error) => error.to_string(),
        };
        let what = match updates {
            true => format!("{process} is answered {answer}"),
            false => format!("{process} {}: {answer}", asked.what),
        };
        match asked.call {
            Some(call) if updates || fate.fault.is_some() => teller.say_of(call, what),
            None if fate.fault.is_some() => teller.say(what),
            about => teller.mention(about, what),
        }
        answered
    }

    fn say(&self, asked: &Asked, what: String) {
        match asked.call {
            Some(call) => self.teller.say_of(call, what),
            None => self.teller.mention(None, what),
        }
    }

    async fn answered(
        self,
        request: reqwest::Request,
        asked: &Asked,
        fate: RequestFate,
    ) -> Result<reqwest::Response, RestError> {
        if fate.fault == Some(Fault::NotSent) {
            tokio::time::sleep(fate.back).await;
            return Err(RestError::NotSent("connection refused".to_owned()));
        }
        let timeout = self.timeout;
        let (answer, when_answered) = oneshot::channel();
        let asked = asked.clone();
        // On its own: what is on its way goes on without its client.
        tokio::spawn(async move { self.carry(request, asked, fate, answer).await });
        let lost = |what: &str| Err(RestError::AnswerLost(what.to_owned()));
        let came = async {
            match when_answered.await {
                Ok(Back::Answer(answer)) => Ok(answer),
                Ok(Back::Reset) => lost("connection reset"),
                Ok(Back::Nothing) | Err(_) => std::future::pending().await,
            }
        };
        tokio::time::timeout(timeout, came)
            .await
            .unwrap_or_else(|_| lost("timed out"))
    }

    /// Takes the request to Twilio and back, as its fate has it.
    async fn carry(
        self,
        request: reqwest::Request,
        asked: Asked,
        fate: RequestFate,
        answer: oneshot::Sender<Back>,
    ) {
        let sent = self.simulator.inspect(State::elapsed);
        // That there is nobody any more to hear it is no error.
        match fate.fault {
            Some(Fault::Lost) => {
                let _ = answer.send(Back::Nothing);
            }
            Some(Fault::Status {
                status,
                retry_after,
                carried_out,
            }) => {
                tokio::time::sleep(fate.there).await;
                if carried_out == Some(Duration::ZERO) {
                    self.carry_out(request, &asked, sent, false).await;
                    tokio::time::sleep(fate.back).await;
                    let _ = answer.send(Back::Answer(refused(status, retry_after)));
                    return;
                }
                tokio::time::sleep(fate.back).await;
                let _ = answer.send(Back::Answer(refused(status, retry_after)));
                if let Some(later) = carried_out {
                    tokio::time::sleep(later).await;
                    self.carry_out(request, &asked, sent, true).await;
                }
            }
            Some(Fault::Reset) => {
                tokio::time::sleep(fate.back).await;
                let _ = answer.send(Back::Reset);
                tokio::time::sleep(fate.there).await;
                self.carry_out(request, &asked, sent, true).await;
            }
            Some(Fault::Silence) => {
                tokio::time::sleep(fate.there).await;
                self.carry_out(request, &asked, sent, true).await;
                let _ = answer.send(Back::Nothing);
            }
            Some(Fault::NotSent) | None => {
                tokio::time::sleep(fate.there).await;
                let late = fate.there > LATE;
                let answered = self.carry_out(request, &asked, sent, late).await;
                tokio::time::sleep(fate.back).await;
                let _ = answer.send(match answered {
                    Some(answered) => Back::Answer(outward(answered).await),
                    None => Back::Reset,
                });
            }
        }
    }

    /// Twilio does what was asked.
    async fn carry_out(
        &self,
        request: reqwest::Request,
        asked: &Asked,
        sent: Duration,
        unheard: bool,
    ) -> Option<Response<Body>> {
        let waits = asked.closes.and_then(|task| self.waits_for(task));
        let answer = self.simulator.answer(inward(request)).await?;
        let status = answer.status();
        if let (Some(task), true) = (asked.closes, status.is_success()) {
            if let Some(call) = waits {
                self.notes.broken(Promise::TaskClosed, Some(call));
            }
            if self.is_of_a_transfer(task) {
                self.notes.broken(Promise::TransferClosed, asked.call);
            }
        }
        if asked.target == Target::Update {
            if let Some(id) = answer.headers().get("twilio-request-id") {
                self.notes.sent(id.to_str().unwrap_or_default(), sent);
            }
            if unheard {
                let status = status.as_u16();
                self.say(asked, format!("Twilio carries that update out: {status}"));
            }
        }
        Some(answer)
    }

    /// Who is on hold for a task.
    fn waits_for(&self, task: TaskSid) -> Option<CallSid> {
        self.simulator.inspect(|state| {
            let call = state.task(&task)?.call?;
            (state.task_of(&call) == Some(task) && state.is_waiting(&call)).then_some(call)
        })
    }

    /// Whether a task has a call that is not its own.
    fn is_of_a_transfer(&self, task: TaskSid) -> bool {
        self.simulator.inspect(|state| {
            let call = state.task(&task).and_then(|task| task.call);
            call.is_some_and(|call| state.is_of_a_conference(&task) && state.is_in_progress(&call))
        })
    }
}

impl Asked {
    fn read(simulator: &Simulator, method: &Method, path: &str) -> Self {
        let sid = |prefix: &str| {
            let name = path.rsplit('/').next()?.trim_end_matches(".json");
            name.starts_with(prefix).then_some(name)
        };
        let changes = *method == Method::POST;
        let task: Option<TaskSid> = sid("WT").and_then(|sid| sid.parse().ok());
        let of_task = |task| simulator.inspect(|state| state.task(&task)?.call);
        let call = match sid("CA") {
            Some(call) => call.parse().ok(),
            None => task.and_then(of_task),
        };
        let target = match path.starts_with("/v1/") {
            true => Target::TaskRouter,
            false if path.contains("/Queues") => Target::VoiceQueue,
            false if changes => Target::Update,
            false => Target::Call,
        };
        let short = path.split('/').skip(4).collect::<Vec<_>>().join("/");
        Self {
            target,
            call,
            closes: task.filter(|_| changes),
            what: match (target, task) {
                (Target::Update, _) => "updates the call".to_owned(),
                (_, Some(_)) if changes => "closes the task".to_owned(),
                (_, Some(_)) => "asks for the task".to_owned(),
                (Target::Call, _) => "asks for the call".to_owned(),
                _ => format!("asks for {short}"),
            },
        }
    }
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

/// A request of a client's, as a server takes it.
pub fn inward(request: reqwest::Request) -> Request<Body> {
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

/// A server's answer, as a client takes it.
pub async fn outward(answer: Response<Body>) -> reqwest::Response {
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    Response::from_parts(head, body).into()
}
