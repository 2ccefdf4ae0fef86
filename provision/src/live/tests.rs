//! The command before a simulated Twilio, in process and by tokio's clock.

#![allow(clippy::unwrap_used)]

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
    Account, Config, Endpoint, Fault, Loss, Readings, Rule, Simulator, TaskAfterRedirect, When,
};
use tokio::time::timeout;
use tower::ServiceExt;
use twilio::rest::{Client, ClientConfig, Credentials, RestError};
use twilio::{AuthToken, E164, SignatureVerifier};

use super::answers::{ActionAfterHangUp, DialCallStatus, Others, RefusedWhisper, TaskAfterUpdate};
use super::*;
use crate::console::Ask;

const CALLER: &str = "+14155550101";
const RUNG: &str = "+14155550102";
const OTHER: &str = "+14155550103";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What the operator's phones do, but for the hang-up of the caller's, which is the operator's.
const PHONES: [(&str, &str); 3] = [
    (CALLER, "answers,rings=2"),
    (RUNG, "answers,rings=4"),
    (OTHER, "silent"),
];

/// A simulated account, and the command that is about to run on it.
struct Stage {
    simulator: Arc<Simulator>,
    _folder: tempfile::TempDir,
    live: VerifyLive,
    ill: Ill,
}

/// From which request on so many fail, and how.
type Ill = Arc<Mutex<Option<(usize, u32, Fault)>>>;

impl Stage {
    fn new(readings: Readings, task_after_redirect: TaskAfterRedirect) -> Self {
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
            listener,
            stop: CancellationToken::new(),
        };
        Self {
            simulator,
            _folder: folder,
            live,
            ill,
        }
    }

    fn by_default() -> Self {
        Self::new(Readings::default(), TaskAfterRedirect::Canceled)
    }

    fn phone(&self, number: &str, phone: &str) {
        let phone: simulator::Phone = phone.parse().unwrap();
        self.simulator.set_phone(own(number), phone);
    }

    /// Runs the command; how it ended, and what it wrote.
    async fn run(&self) -> (Result<Status>, String) {
        self.run_with(&mut Operator::of(self)).await
    }

    async fn run_with(&self, operator: &mut Operator) -> (Result<Status>, String) {
        let mut ear = Ear(Arc::clone(&operator.heard));
        let ended = {
            let mut console = Console::new(&mut ear, operator);
            self.live.run(&mut console).await
        };
        let written = operator.heard.lock().text.clone();
        (ended, written)
    }

    fn answers(&self) -> Answers {
        Answers::read(&self.live.file, self.live.api.account).unwrap()
    }

    fn count(&self, endpoint: Endpoint) -> usize {
        let journal = self.simulator.journal();
        let requests = journal.requests();
        requests
            .filter(|request| request.endpoint == Some(endpoint))
            .count()
    }

    /// Each number that was called, and how often.
    fn rung(&self) -> Vec<E164> {
        let journal = self.simulator.journal();
        let callees = journal.callers().flat_map(|log| log.callees.iter());
        callees.map(|callee| callee.number).collect()
    }

    async fn nothing_is_left(&self, why: &str) {
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

fn own(number: &str) -> E164 {
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
struct Heard {
    text: String,
    simulator: Arc<Simulator>,
    /// How long it takes until the caller's phone is hung up.
    hesitates: Duration,
    /// A signal comes when this many lines are written.
    signal: Option<(usize, CancellationToken)>,
}

/// Says yes so many times, then no.
struct Operator {
    heard: Arc<Mutex<Heard>>,
    agrees: usize,
}

struct Ear(Arc<Mutex<Heard>>);

impl Operator {
    fn of(stage: &Stage) -> Self {
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

/// What is found out under these readings.
fn expected(readings: Readings, task: TaskAfterRedirect) -> [String; 4] {
    let refused = |status, bridged| RefusedWhisper {
        status,
        bridged: Some(bridged),
    };
    let task = match task {
        TaskAfterRedirect::Stays => TaskAfterUpdate::StaysOpen,
        TaskAfterRedirect::Canceled => TaskAfterUpdate::canceled(Some("redirected".into())),
    };
    let refused = match readings.refused_whisper {
        simulator::RefusedWhisper::NoAnswer => refused(DialCallStatus::NoAnswer, false),
        simulator::RefusedWhisper::Completed => refused(DialCallStatus::Completed, false),
        simulator::RefusedWhisper::CompletedAndBridged => refused(DialCallStatus::Completed, true),
    };
    let others = match readings.others_ring_on {
        true => Others::RingOn,
        false => Others::HungUp,
    };
    let action = match readings.action_after_hang_up {
        true => ActionAfterHangUp::Requested,
        false => ActionAfterHangUp::NotRequested,
    };
    [
        task.to_string(),
        refused.to_string(),
        others.to_string(),
        action.to_string(),
    ]
}

#[tokio::test(start_paused = true)]
async fn under_each_reading_it_is_the_reading_that_is_found_out() {
    for readings in Readings::all() {
        for task in [TaskAfterRedirect::Canceled, TaskAfterRedirect::Stays] {
            for third in [false, true] {
                let mut stage = Stage::new(readings, task);
                if third {
                    stage.live.phones.push(own(OTHER));
                }
                let why = format!("{readings:?} {task:?} {third}");
                let (ended, written) = stage.run().await;
                assert_eq!(ended.unwrap(), Status::Done, "{why}: {written}");
                let answers = stage.answers();
                for (told, expected) in answers.told().iter().zip(expected(readings, task)) {
                    assert!(told.starts_with(&expected), "{why}: {told}\n{written}");
                    assert!(written.contains(told), "{why}: {written}");
                }
                stage.nothing_is_left(&why).await;
                let other = if third { OTHER } else { CALLER };
                assert_eq!(stage.rung(), [RUNG, RUNG, other].map(own), "{why}");
                assert_eq!(stage.count(Endpoint::CreateCall), 1, "{why}");
                let file = std::fs::read_to_string(&stage.live.file).unwrap();
                for text in [&written, &file] {
                    assert!(!text.contains("41555501"), "{why}: {text}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_call_is_confirmed_and_without_a_yes_none_is_made() {
    for (agrees, calls, rung) in [(0, 0, 0), (1, 1, 0), (2, 1, 1)] {
        let stage = Stage::by_default();
        let mut operator = Operator::of(&stage);
        operator.agrees = agrees;
        let (ended, written) = stage.run_with(&mut operator).await;
        let problem = ended.unwrap_err().to_string();
        assert_eq!(problem, "no further call is made", "{written}");
        assert_eq!(stage.count(Endpoint::CreateCall), calls);
        assert_eq!(stage.rung().len(), rung);
        stage.nothing_is_left(&format!("{agrees} times yes")).await;
        // What was found out until then is kept.
        assert_eq!(stage.answers().refused_whisper.is_some(), agrees == 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_at_any_moment_leaves_nothing_behind() {
    let mut interrupted = 0;
    for line in 1.. {
        let stage = Stage::by_default();
        let mut operator = Operator::of(&stage);
        operator.heard.lock().signal = Some((line, stage.live.stop.clone()));
        let (ended, written) = stage.run_with(&mut operator).await;
        stage
            .nothing_is_left(&format!("line {line} of {written}"))
            .await;
        match ended {
            Ok(status) => {
                assert_eq!(status, Status::Done);
                break;
            }
            Err(Error::Interrupted) => interrupted += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(interrupted > 10, "{interrupted}");
}

#[tokio::test(start_paused = true)]
async fn requests_that_fail_at_any_moment_leave_nothing_behind() {
    for fault in [
        Fault::INTERNAL_SERVER_ERROR,
        Fault::UNAUTHORIZED,
        Fault::Reset,
        Fault::Hang,
        Fault::LoseAnswer(Loss::Reset),
    ] {
        for in_a_row in [1, 3] {
            let mut failed = 0;
            for first in 0.. {
                let stage = Stage::by_default();
                *stage.ill.lock() = Some((first, in_a_row, fault));
                let (ended, written) = stage.run().await;
                if stage.ill.lock().is_some() {
                    // There are no more.
                    assert_eq!(ended.unwrap(), Status::Done);
                    break;
                }
                let why = format!("{fault:?} from {first}, {in_a_row} in a row: {written}");
                stage.nothing_is_left(&why).await;
                failed += usize::from(ended.is_err());
            }
            assert!(failed > 10, "{fault:?}: {failed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_removed_is_told_and_the_next_run_removes_it() {
    let stage = Stage::by_default();
    let refused = Rule::on([Endpoint::DeleteWorkflow], Fault::INTERNAL_SERVER_ERROR);
    stage.simulator.faults().add(refused);
    let (ended, written) = stage.run().await;
    let problem = ended.unwrap_err().to_string();
    assert!(problem.contains("cannot delete the workflow"), "{problem}");
    assert!(
        written.contains("! Not everything could be removed"),
        "{written}"
    );
    assert!(stage.answers().are_all_there(), "the calls were made");

    stage.simulator.faults().clear();
    let mut operator = Operator::of(&stage);
    operator.agrees = 0;
    let _ = stage.run_with(&mut operator).await;
    stage.nothing_is_left("after the next run").await;
}

#[tokio::test(start_paused = true)]
async fn phones_that_do_otherwise_leave_questions_open() {
    // The caller's is not reached.
    for phone in ["busy", "silent", "failed"] {
        let stage = Stage::by_default();
        stage.phone(CALLER, phone);
        let (ended, _) = stage.run().await;
        let problem = ended.unwrap_err().to_string();
        assert!(
            problem.contains("+…01 was not picked up"),
            "{phone}: {problem}"
        );
        assert!(!stage.live.file.exists(), "{phone}");
        stage.nothing_is_left(phone).await;
    }
    // The second isn't; or it hangs up before the caller; or the caller's isn't hung up at all.
    for (phone, hesitates, found) in [
        ("silent", 5, [true, false, false, false]),
        ("answers,stays=10", 20, [true, true, true, false]),
        ("answers", 1000, [true, true, true, false]),
    ] {
        let stage = Stage::by_default();
        stage.phone(RUNG, phone);
        let mut operator = Operator::of(&stage);
        operator.heard.lock().hesitates = Duration::from_secs(hesitates);
        let (ended, written) = stage.run_with(&mut operator).await;
        assert_eq!(ended.unwrap(), Status::Failed, "{written}");
        let answers = stage.answers();
        let is_found = answers
            .told()
            .map(|told| !told.starts_with("not found out: "));
        assert_eq!(is_found, found, "{phone}: {written}");
        stage.nothing_is_left(phone).await;
    }
    // The third is busy.
    let mut stage = Stage::by_default();
    stage.live.phones.push(own(OTHER));
    stage.phone(OTHER, "busy");
    let (ended, written) = stage.run().await;
    assert_eq!(ended.unwrap(), Status::Failed);
    assert!(
        written.contains("+…03 could not be rung meanwhile"),
        "{written}"
    );
    let answers = stage.answers();
    assert!(answers.others.is_none() && answers.action_after_hang_up.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_number_that_may_not_be_shown_and_a_file_of_another_account_are_refused() {
    let mut stage = Stage::by_default();
    stage.live.from = Some(own(OTHER));
    let (ended, _) = stage.run().await;
    let problem = ended.unwrap_err().to_string();
    assert!(
        problem.contains("cannot make a call: Twilio answered 400 (error 21210)"),
        "{problem}"
    );
    stage.nothing_is_left("a number of somebody else's").await;

    let stage = Stage::by_default();
    let other = "AC00000000000000000000000000000001".parse().unwrap();
    let theirs = Answers::read(&stage.live.file, other).unwrap();
    theirs.write(&stage.live.file).unwrap();
    let (ended, written) = stage.run().await;
    let problem = ended.unwrap_err().to_string();
    assert!(
        problem.contains("is about account AC00000000000000000000000000000001"),
        "{problem}"
    );
    assert_eq!((written.as_str(), stage.rung().len()), ("", 0));
}

#[tokio::test(start_paused = true)]
async fn only_twilio_is_answered_and_only_what_it_is_to_ask() {
    let stage = Stage::by_default();
    let ask = async |url: &str, token: Option<&str>| {
        let path = url.strip_prefix("https://live.example.com").unwrap();
        let mut request = axum::http::Request::post(path);
        if let Some(token) = token {
            let signature = twilio::sign_form(&AuthToken::new(token), url, &Default::default());
            request = request.header(twilio::SIGNATURE_HEADER, signature);
        }
        let router = stage.live.listener.router();
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await;
        answer.unwrap().status().as_u16()
    };
    let url = stage.live.listener.url(Asked::Begin);
    assert_eq!(ask(&url, None).await, 403);
    assert_eq!(ask(&url, Some("another")).await, 403);
    assert_eq!(ask(&format!("{url}s"), Some(TOKEN)).await, 404);
    assert!(stage.live.listener.asked(Asked::Begin).is_none());
    assert_eq!(ask(&url, Some(TOKEN)).await, 200);
    assert!(stage.live.listener.asked(Asked::Begin).is_some());
}
