//! The way of event callbacks from Twilio to the ingests.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use ladder::Stage;
use parking_lot::Mutex;
use queue::RawMessage;
use queue::memory::Broker;
use simulator::{CallbackOutcome, Carrier};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;
use twilio::{CallSid, FormParams, TaskQueueSid};

use crate::promises::{Notes, Promise};
use crate::story::Teller;
use crate::twilio_side::{inward, outward};
use crate::weather::Sky;

type Answer = Result<reqwest::Response, CallbackOutcome>;

/// The ingests that are up, behind one address. Clones are the same.
#[derive(Clone)]
pub struct Ingests(Arc<Shared>);

struct Shared {
    up: Mutex<Vec<Arc<Up>>>,
    turn: Mutex<usize>,
    /// What was answered with a 2xx and is to be durable.
    taken: Mutex<Vec<(String, CallSid)>>,
    sky: Sky,
    teller: Teller,
    notes: Notes,
    queue: Broker,
    spools: Mutex<Vec<Broker>>,
    placeholder: Mutex<Option<TaskQueueSid>>,
}

/// One ingest that is up. What it is at ends with it.
pub struct Up {
    pub(crate) name: String,
    pub(crate) router: Router,
    pub(crate) requests: Mutex<JoinSet<()>>,
}

/// Longer than ingest takes to say what comes next, whatever else is away.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Twilio asks what comes next for a call, or a leg of it.
#[derive(Debug, Clone, Copy)]
struct OnLadder {
    leg: CallSid,
    caller: CallSid,
}

/// Something that is durable once it is answered with a 2xx: an event that asks for a redirect, or how
/// a call to a number ended.
struct Durable {
    /// Its message's.
    id: String,
    call: CallSid,
    what: &'static str,
}

impl Ingests {
    pub(crate) fn new(sky: Sky, teller: Teller, notes: Notes, queue: Broker) -> Self {
        Self(Arc::new(Shared {
            up: Mutex::default(),
            turn: Mutex::default(),
            taken: Mutex::default(),
            sky,
            teller,
            notes,
            queue,
            spools: Mutex::default(),
            placeholder: Mutex::default(),
        }))
    }

    /// Which queue a task must enter for its caller to be redirected.
    pub(crate) fn set_placeholder(&self, placeholder: TaskQueueSid) {
        *self.0.placeholder.lock() = Some(placeholder);
    }

    /// What an ingest spools is here.
    pub(crate) fn add_spool(&self, spool: Broker) {
        self.0.spools.lock().push(spool);
    }

    /// What is left in the spools.
    pub(crate) fn spooled(&self) -> Vec<RawMessage> {
        let spools = self.0.spools.lock();
        spools.iter().flat_map(Broker::messages).collect()
    }

    pub(crate) fn add(&self, up: Up) {
        self.0.up.lock().push(Arc::new(up));
    }

    /// It takes no more callbacks; those that it is at end when this is dropped.
    pub(crate) fn remove(&self, name: &str) -> Option<Arc<Up>> {
        let mut up = self.0.up.lock();
        let index = up.iter().position(|up| up.name == name)?;
        Some(up.remove(index))
    }

    /// Whose events and endings were answered with a 2xx and came to no queue.
    pub(crate) fn lost(&self) -> Vec<CallSid> {
        let taken = self.0.taken.lock();
        let lost = taken.iter().filter(|(id, _)| !self.0.queue.has_taken(id));
        lost.map(|(_, call)| *call).collect()
    }

    /// The carrier of Twilio's callbacks.
    pub(crate) fn carrier(&self) -> Carrier {
        let ingests = self.clone();
        Arc::new(move |request| {
            let ingests = ingests.clone();
            Box::pin(async move { ingests.callback(request).await })
        })
    }

    /// Delivers a callback or a question, and gives back the answer to the first copy.
    async fn callback(&self, request: reqwest::Request) -> Answer {
        let on_ladder = OnLadder::read(&request);
        let fate = self.0.sky.callback(on_ladder.is_some());
        if let Some(OnLadder { leg, .. }) = on_ladder {
            self.0.notes.asks(leg, request.url().path());
        }
        let mut answers = Vec::new();
        for (copy, after) in fate.copies.iter().copied().enumerate() {
            if let Some(request) = request.try_clone() {
                let how = match copy {
                    0 => "",
                    _ => ", once more",
                };
                answers.push(self.send(request, after, how));
            }
        }
        if let Some(after) = fate.shifted
            && let Some(shifted) = shifted(&request)
        {
            self.send(shifted, after, ", captured, without a readable time");
        }
        let Some(first) = answers.into_iter().next() else {
            return std::future::pending().await;
        };
        let answer = first.await.unwrap_or(Err(CallbackOutcome::Broken));
        if fate.answer_lost {
            return Err(CallbackOutcome::Broken);
        }
        if let (Some(OnLadder { leg, .. }), Ok(_)) = (on_ladder, &answer) {
            self.0.notes.hears(leg);
        }
        answer
    }

    fn send(
        &self,
        request: reqwest::Request,
        after: Duration,
        how: &'static str,
    ) -> oneshot::Receiver<Answer> {
        let (answer, when_answered) = oneshot::channel();
        let ingests = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let durable = ingests.durable(&request);
            let on_ladder = OnLadder::read(&request);
            let what = request.url().path().to_owned();
            let delivered = ingests.deliver(request);
            let answered = match on_ladder {
                None => delivered.await,
                Some(asked) => {
                    ingests
                        .next_step(asked, &format!("{what}{how}"), delivered)
                        .await
                }
            };
            if let Some(durable) = durable {
                ingests.note(&durable, how, &answered);
            }
            // Twilio may have given up.
            let _ = answer.send(answered);
        });
        when_answered
    }

    fn note(&self, durable: &Durable, how: &str, answered: &Answer) {
        let status = answered.as_ref().ok().map(reqwest::Response::status);
        let answer = status.map_or_else(
            || "nobody answers".to_owned(),
            |status| format!("ingest answers {}", status.as_u16()),
        );
        let shared = &self.0;
        let what = format!("{} arrives{how}: {answer}", durable.what);
        shared.teller.say_of(durable.call, what);
        if !status.is_some_and(|status| status.is_success()) {
            return;
        }
        let id = &durable.id;
        let spooled = || shared.spools.lock().iter().any(|spool| spool.has_taken(id));
        if !shared.queue.has_taken(id) && !spooled() {
            let call = Some(durable.call);
            shared.notes.broken(Promise::EventLost, call);
        }
        shared.taken.lock().push((id.clone(), durable.call));
    }

    /// What comes next is asked, and said at once.
    async fn next_step(
        &self,
        asked: OnLadder,
        what: &str,
        delivered: impl Future<Output = Answer>,
    ) -> Answer {
        let (notes, call) = (&self.0.notes, asked.caller);
        let Ok(answered) = timeout(AT_ONCE, delivered).await else {
            notes.broken(Promise::NoAnswer, Some(call));
            return Err(CallbackOutcome::TimedOut);
        };
        let answer = match &answered {
            Ok(answer) => answer.status().to_string(),
            Err(problem) => problem.to_string(),
        };
        self.0
            .teller
            .say_of(call, format!("Twilio asks {what}: {answer}"));
        if answered
            .as_ref()
            .is_ok_and(|answer| answer.status() != StatusCode::OK)
        {
            notes.broken(Promise::NoAnswer, Some(call));
        }
        answered
    }

    /// What the callback is about, if it is to be durable.
    fn durable(&self, request: &reqwest::Request) -> Option<Durable> {
        let body = request.body()?.as_bytes()?;
        if is_ending(request) {
            let params = FormParams::parse(body);
            return Some(Durable {
                id: params.get("CallSid")?.to_owned(),
                call: params.get("ParentCallSid")?.parse().ok()?,
                what: "the end of a call to a number",
            });
        }
        let text = std::str::from_utf8(body).ok()?;
        let placeholder = (*self.0.placeholder.lock())?;
        let of_ours = text.contains("task-queue.entered")
            && text.contains(placeholder.as_str())
            && !text.contains("conference")
            && !text.contains("transferMeta");
        let sid = |prefix: &str| {
            let hex =
                |sid: &&str| sid.len() == 34 && sid[2..].bytes().all(|b| b.is_ascii_hexdigit());
            text.match_indices(prefix)
                .filter_map(|(at, _)| text.get(at..at + 34))
                .find(hex)
        };
        Some(Durable {
            id: sid("EV").filter(|_| of_ours)?.to_owned(),
            call: sid("CA")?.parse().ok()?,
            what: "its event",
        })
    }

    async fn deliver(&self, request: reqwest::Request) -> Answer {
        let up: Weak<Up> = {
            let up = self.0.up.lock();
            if up.is_empty() {
                return Err(CallbackOutcome::NotConnected);
            }
            let mut turn = self.0.turn.lock();
            *turn += 1;
            Arc::downgrade(&up[*turn % up.len()])
        };
        let (answer, when_answered) = oneshot::channel();
        if let Some(up) = up.upgrade() {
            let router = up.router.clone();
            let mut requests = up.requests.lock();
            while requests.try_join_next().is_some() {}
            requests.spawn(async move {
                let Ok(answered) = router.oneshot(inward(request)).await;
                let _ = answer.send(outward(answered).await);
            });
        }
        when_answered.await.map_err(|_| CallbackOutcome::Broken)
    }
}

/// Whether it is told how a call to a number ended. Nobody waits for the answer.
fn is_ending(request: &reqwest::Request) -> bool {
    let path = request.url().path();
    path.starts_with(ladder::PATH) && path.ends_with(Stage::Ended.as_str())
}

impl OnLadder {
    fn read(request: &reqwest::Request) -> Option<Self> {
        let is_asked = request.url().path().starts_with(ladder::PATH) && !is_ending(request);
        let body = request.body().filter(|_| is_asked)?.as_bytes()?;
        let params = FormParams::parse(body);
        let sid = |name| params.get(name)?.parse().ok();
        let leg = sid("CallSid")?;
        let caller = sid("ParentCallSid").unwrap_or(leg);
        Some(Self { leg, caller })
    }
}

impl Up {
    /// Waits until what it is at is done.
    pub(crate) async fn finish(&self) {
        let mut requests = std::mem::take(&mut *self.requests.lock());
        while requests.join_next().await.is_some() {}
    }
}

/// The same request, with a digit of each time moved into its name: Twilio's signature has no
/// delimiter between names and values.
fn shifted(request: &reqwest::Request) -> Option<reqwest::Request> {
    let body = std::str::from_utf8(request.body()?.as_bytes()?).ok()?;
    let moved = body
        .replace("Timestamp=1", "Timestamp1=")
        .replace("TimestampMs=1", "TimestampMs1=");
    let mut request = request.try_clone()?;
    *request.body_mut() = Some(moved.into());
    Some(request)
}
