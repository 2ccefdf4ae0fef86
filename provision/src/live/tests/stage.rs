//! A simulated Twilio in process, by tokio's clock, and an operator who does as they are told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use simulator::{
    Account, Config, Endpoint, Fault, Readings, Rule, Simulator, TaskAfterRedirect, When,
};
use tokio::time::timeout;
use tower::ServiceExt;
use twilio::rest::{Client, ClientConfig, Credentials, RestError};
use twilio::{AuthToken, E164, SignatureVerifier};

use super::super::*;
use crate::console::Ask;

pub(super) const CALLER: &str = "+14155550101";
pub(super) const RUNG: &str = "+14155550102";
pub(super) const OTHER: &str = "+14155550103";
pub(super) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What the operator's phones do, but for the hang-up of the caller's, which is the operator's.
const PHONES: [(&str, &str); 3] = [
    (CALLER, "answers,rings=2"),
    (RUNG, "answers,rings=4"),
    (OTHER, "silent"),
];

/// A simulated account, and the command that is about to run on it.
pub(super) struct Stage {
    pub(super) simulator: Arc<Simulator>,
    _folder: tempfile::TempDir,
    pub(super) live: VerifyLive,
    pub(super) ill: Ill,
}

/// From which request on so many fail, and how.
pub(super) type Ill = Arc<Mutex<Option<(usize, u32, Fault)>>>;

impl Stage {
    pub(super) fn new(readings: Readings, task_after_redirect: TaskAfterRedirect) -> Self {
        let account: twilio::AccountSid = "AC0123456789abcdef0123456789abcdef".parse().unwrap();
        let public_url = "https://live.example.com/overflow".parse().unwrap();
        let verifier = SignatureVerifier::new([AuthToken::new(TOKEN)]);
        let listener = Listener::new(public_url, verifier);
        let router = listener.router();
        let carrier = move |request| {
            let answer = router.clone().oneshot(inward(request));
            async move { Ok(outward(answer.await.unwrap()).await) }.boxed()
        };
        let simulator = Arc::new(Simulator::in_process(Config {
            seed: Some(3),
            account: Some(Account::new(account, TOKEN.to_owned())),
            readings,
            task_after_redirect,
            phones: PHONES
                .map(|(number, phone)| (own(number), phone.parse().unwrap()))
                .into(),
            carrier: Some(Arc::new(carrier)),
            ..Config::default()
        }));
        simulator.add_number(own("+14155550150"), "https://ivr.example.com/", None);
        let credentials = Credentials::AuthToken(account, AuthToken::new(TOKEN));
        let client = Client::new(&ClientConfig::new(credentials)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ill = Ill::default();
        let transport = transport(Arc::clone(&simulator), Arc::clone(&ill));
        let live = VerifyLive {
            api: Api {
                client: client.carried_by(transport),
                account,
            },
            workspace: None,
            phones: vec![own(CALLER), own(RUNG)],
            from: None,
            wait: Duration::from_secs(10),
            yes: false,
            file: folder.path().join(FILE),
            listen: "127.0.0.1:8081".parse().unwrap(),
            listener,
            token: AuthToken::new(TOKEN),
            stop: CancellationToken::new(),
        };
        Self {
            simulator,
            _folder: folder,
            live,
            ill,
        }
    }

    pub(super) fn by_default() -> Self {
        Self::new(Readings::default(), TaskAfterRedirect::Canceled)
    }

    pub(super) fn phone(&self, number: &str, phone: &str) {
        let phone: simulator::Phone = phone.parse().unwrap();
        self.simulator.set_phone(own(number), phone);
    }

    /// Runs the command; how it ended, and what it wrote.
    pub(super) async fn run(&self) -> (Result<Status>, String) {
        self.run_with(&mut Operator::of(self)).await
    }

    pub(super) async fn run_with(&self, operator: &mut Operator) -> (Result<Status>, String) {
        let mut ear = Ear(Arc::clone(&operator.heard));
        let ended = {
            let mut console = Console::new(&mut ear, operator);
            self.live.run(&mut console).await
        };
        let written = operator.heard.lock().text.clone();
        (ended, written)
    }

    pub(super) fn answers(&self) -> Answers {
        let answers = Answers::read(&self.live.file, self.live.api.account);
        answers.unwrap().unwrap_or_default()
    }

    pub(super) fn count(&self, endpoint: Endpoint) -> usize {
        let journal = self.simulator.journal();
        let requests = journal.requests();
        requests
            .filter(|request| request.endpoint == Some(endpoint))
            .count()
    }

    /// Each number that was called, and how often.
    pub(super) fn rung(&self) -> Vec<E164> {
        let journal = self.simulator.journal();
        let callees = journal.callers().flat_map(|log| log.callees.iter());
        callees.map(|callee| callee.number).collect()
    }

    pub(super) async fn nothing_is_left(&self, why: &str) {
        self.simulator.faults().clear();
        let journal = self.simulator.journal();
        let lives = journal.callers().filter(|log| {
            self.simulator
                .inspect(|state| state.is_in_progress(&log.call))
        });
        assert_eq!(lives.count(), 0, "{why}: a call is left");
        assert_eq!(
            self.simulator.inspect(|state| state.open_tasks()),
            0,
            "{why}: a task is left"
        );
        let (client, workspace) = (&self.live.api.client, self.simulator.workspace_sid());
        let workflows = client.workflows(&workspace).await.unwrap();
        assert_eq!(workflows.len(), 1, "{why}: a workflow is left");
        let queues = client.task_queues(&workspace).await.unwrap();
        assert_eq!(queues.len(), 4, "{why}: a task queue is left");
    }
}

pub(super) fn own(number: &str) -> E164 {
    number.parse().unwrap()
}

/// In the simulator's and the listener's form.
fn inward(request: reqwest::Request) -> Request {
    let path = &request.url()[url::Position::BeforePath..url::Position::AfterQuery];
    let body = request.body().and_then(reqwest::Body::as_bytes);
    let body = Body::from(body.unwrap_or_default().to_vec());
    let mut inward = axum::http::Request::builder()
        .method(request.method())
        .uri(path);
    for (name, value) in request.headers() {
        inward = inward.header(name, value);
    }
    inward.body(body).unwrap()
}

async fn outward(answer: axum::response::Response) -> reqwest::Response {
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    axum::http::Response::from_parts(head, body).into()
}

fn transport(simulator: Arc<Simulator>, ill: Ill) -> twilio::rest::Transport {
    let sent = AtomicUsize::new(0);
    Arc::new(move |request| {
        let simulator = Arc::clone(&simulator);
        let number = sent.fetch_add(1, Ordering::Relaxed);
        if let Some((_, count, fault)) = ill.lock().take_if(|(first, ..)| *first == number) {
            simulator.faults().add(Rule {
                when: When::Next(count),
                ..Rule::everywhere(fault)
            });
        }
        async move {
            let lost = || RestError::AnswerLost("no answer came".to_owned());
            let answer = timeout(Duration::from_secs(10), simulator.answer(inward(request))).await;
            Ok(outward(answer.ok().flatten().ok_or_else(lost)?).await)
        }
        .boxed()
    })
}

/// Reads what is written, and does what it says.
pub(super) struct Heard {
    text: String,
    simulator: Arc<Simulator>,
    /// How long it takes until the caller's phone is hung up.
    pub(super) hesitates: Duration,
    /// A signal comes when this many lines are written.
    pub(super) signal: Option<(usize, CancellationToken)>,
}

/// Says yes so many times, then no.
pub(super) struct Operator {
    pub(super) heard: Arc<Mutex<Heard>>,
    pub(super) agrees: usize,
}

struct Ear(Arc<Mutex<Heard>>);

impl Operator {
    pub(super) fn of(stage: &Stage) -> Self {
        Self {
            heard: Arc::new(Mutex::new(Heard {
                text: String::new(),
                simulator: Arc::clone(&stage.simulator),
                hesitates: Duration::from_secs(5),
                signal: None,
            })),
            agrees: usize::MAX,
        }
    }
}

impl Ask for Operator {
    fn confirm<'a>(&'a mut self, question: &'a str) -> BoxFuture<'a, io::Result<bool>> {
        let agrees = self.agrees > 0;
        self.agrees -= usize::from(agrees);
        Ear(Arc::clone(&self.heard)).hear(&format!("{question}\n"));
        async move { Ok(agrees) }.boxed()
    }
}

impl Ear {
    fn hear(&self, text: &str) {
        let mut heard = self.0.lock();
        heard.text.push_str(text);
        let lines = heard.text.lines().count();
        if let Some((line, stop)) = &heard.signal
            && *line <= lines
        {
            stop.cancel();
        }
        if text.starts_with("Now hang up") {
            let (simulator, hesitates) = (Arc::clone(&heard.simulator), heard.hesitates);
            tokio::spawn(async move {
                tokio::time::sleep(hesitates).await;
                let journal = simulator.journal();
                let caller = journal.callers().next().unwrap().call;
                simulator.hang_up(caller);
            });
        }
    }
}

impl io::Write for Ear {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.hear(str::from_utf8(text).unwrap());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
