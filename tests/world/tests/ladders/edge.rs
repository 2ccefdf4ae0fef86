//! What ingest answers Twilio about the calls to numbers and what comes next, and when.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use ingest::Ingest;
use queue::memory::{Broker, Fate, Operation};
use queue::{CallerEnd, Content, Outcome, OutcomeKind};
use service::http::Timeouts;
use service::plan::PlanArgs;
use service::settings::from_flags;
use service::{Plans, Problems};
use simulator::Account;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use twilio::{AuthToken, FormParams, PublicUrl, SIGNATURE_HEADER, sign_form};

use super::scene::{PUBLIC_URL, ingest};

const PLANS: &str = r#"
    [[plan]]
    name = "sales"
    task_queue_sid = "WQ00000000000000000000000000000001"
    time_zone = "UTC"
    [[plan.step]]
    dial = ["+14155550100"]
    caller_id = "called"
    when = "Mo-Su 08:00-18:00"

    [[plan]]
    name = "Köln / nachts"
    task_queue_sid = "WQ00000000000000000000000000000002"
    forward_to = "+14155550155"
"#;

const CALLER: &str = "CA00000000000000000000000000000001";
const DIALED: &str = "CA00000000000000000000000000000002";
const OF_A_LADDER: &str = "/ladder/v1/sales/1.1/0123abcd";
const OF_A_NUMBER: &str = "/ladder/v1/WQ00000000000000000000000000000002/1.1/number";

/// A busy number's ending.
fn busy() -> String {
    format!("CallSid={DIALED}&ParentCallSid={CALLER}&CallStatus=busy&CallDuration=0")
}

/// Twilio's question after a busy number.
fn asks() -> String {
    format!("CallSid={CALLER}&CallStatus=in-progress&DialCallStatus=busy")
}

/// An ingest and its queue.
struct Edge {
    ingest: Arc<Ingest>,
    broker: Broker,
    token: AuthToken,
}

impl Edge {
    fn new(broker: Broker, flags: &[&str]) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, PLANS).unwrap();
        let plans = format!("--redirect-plans={}", file.path().display());
        let args: PlanArgs = from_flags([&[plans.as_str()], flags].concat()).unwrap();
        let url: PublicUrl = PUBLIC_URL.parse().unwrap();
        let mut problems = Problems::default();
        let plans: Option<Plans> = args.resolve(Some(&url), &mut problems);
        let plans = problems.finish(plans).unwrap();
        let sid = "AC0123456789abcdef0123456789abcdef".parse().unwrap();
        let account = Account::new(sid, "token".to_owned());
        let ingest = ingest("ingest", &broker, &account, &plans);
        Self {
            ingest,
            broker,
            token: AuthToken::new("token"),
        }
    }

    /// One whose publishes take so long.
    fn slow(by: Duration) -> Self {
        let fate = Fate {
            delay: by,
            ..Fate::default()
        };
        let weather = move |_: &str, operation| match operation {
            Operation::Publish => fate,
            _ => Fate::default(),
        };
        Self::new(Broker::with_weather(Arc::new(weather)), &[])
    }

    fn signature(&self, path: &str, form: &str) -> String {
        let url = format!("{PUBLIC_URL}{path}");
        sign_form(&self.token, &url, &FormParams::parse(form.as_bytes()))
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.ingest.router().oneshot(request).await.unwrap()
    }

    async fn posts(&self, path: &str, form: &str) -> Response<Body> {
        let request = Request::post(path).header(SIGNATURE_HEADER, self.signature(path, form));
        self.answer(request.body(form.to_owned().into()).unwrap())
            .await
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let messages = self.broker.messages().into_iter();
        let outcome = |message: queue::RawMessage| match message.content().unwrap() {
            Content::Outcome(outcome) => outcome,
            other => panic!("{other:?}"),
        };
        messages.map(outcome).collect()
    }

    /// The one outcome, once it is there.
    async fn only(&self) -> Outcome {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let mut outcomes = self.outcomes();
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        outcomes.remove(0)
    }
}

async fn text(answer: Response<Body>) -> String {
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_ending_is_answered_once_it_is_durable() {
    let edge = Edge::slow(Duration::from_secs(1));
    let before = Instant::now();
    let answer = edge.posts(&format!("{OF_A_NUMBER}/ended"), &busy()).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(before.elapsed(), Duration::from_secs(1));
    let [outcome] = &edge.outcomes()[..] else {
        panic!("{:?}", edge.outcomes());
    };
    assert_eq!(outcome.id, DIALED);
    assert_eq!(outcome.call_sid.as_str(), CALLER);
    assert_eq!(outcome.plan, "Köln / nachts");
    assert_eq!(outcome.outcome, OutcomeKind::Busy);
    assert_eq!(outcome.caller, Some(CallerEnd::Missed));
}

#[tokio::test(start_paused = true)]
async fn an_ending_that_is_not_durable_is_to_be_sent_again() {
    let edge = Edge::new(Broker::default(), &[]);
    edge.broker.disconnect("ingest", 10);
    let path = format!("{OF_A_LADDER}/ended");
    let answer = edge.posts(&path, &busy()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    edge.broker.connect("ingest");
    let answer = edge.posts(&path, &busy()).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(edge.only().await.step.as_deref(), Some("1.1"));
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_answered_at_once_and_the_outcome_follows() {
    // Within the 3 s that a publish may take, and beyond.
    for (delay, follows) in [(2, true), (60, false)] {
        let edge = Edge::slow(Duration::from_secs(delay));
        let before = Instant::now();
        let answer = edge.posts(&format!("{OF_A_LADDER}/dialed"), &asks()).await;
        let document = text(answer).await;
        assert!(document.contains("Nobody can take your call"), "{document}");
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(edge.outcomes(), []);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let outcomes = edge.outcomes();
        assert_eq!(outcomes.len(), usize::from(follows));
        for outcome in outcomes {
            assert_eq!(outcome.outcome, OutcomeKind::LastWords);
            assert_eq!(outcome.id, CALLER);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_twilios_or_says_nothing_that_is_known_changes_nothing() {
    let edge = Edge::new(Broker::default(), &[]);
    let path = format!("{OF_A_NUMBER}/ended");
    let forged = Request::post(&path).header(SIGNATURE_HEADER, edge.signature(&path, "a=b"));
    let forged = edge.answer(forged.body(busy().into()).unwrap()).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    for form in [
        String::new(),
        busy().replace("busy", "in-progress"),
        busy().replace("busy", "whistling"),
        busy().replace(DIALED, "CA1"),
        busy().replace("Parent", ""),
    ] {
        let answer = edge.posts(&path, &form).await;
        // Repeating it would mend nothing.
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{form}");
    }
    // Of somebody who was rung, at a path of another version, it is not the caller's end.
    let path = format!("{OF_A_LADDER}/whistled");
    edge.posts(&path, &busy()).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(edge.outcomes(), []);
    edge.posts(&path, &asks()).await;
    let outcome = edge.only().await;
    assert_eq!(
        (outcome.outcome, &*outcome.plan),
        (OutcomeKind::LastWords, "none")
    );
}

#[tokio::test(start_paused = true)]
async fn where_it_is_switched_off_nothing_is_put_on_the_queue() {
    let edge = Edge::new(Broker::default(), &["--outcomes=false"]);
    let ended = edge.posts(&format!("{OF_A_NUMBER}/ended"), &busy()).await;
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    let next = edge.posts(&format!("{OF_A_LADDER}/dialed"), &asks()).await;
    assert!(text(next).await.contains("Nobody can take your call"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(edge.outcomes(), []);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_fetched_may_be_the_last_words_too() {
    let edge = Edge::new(Broker::default(), &[]);
    let told = format!("CallSid={CALLER}&To=%2B14155550111&From=%2B14155550122");
    // It is midnight.
    let path = format!("/twiml/redirect?{told}");
    let request = Request::get(&path).header(SIGNATURE_HEADER, edge.signature(&path, ""));
    let document = text(edge.answer(request.body(Body::empty()).unwrap()).await).await;
    assert!(document.contains("Nobody can take your call"), "{document}");
    let outcome = edge.only().await;
    assert_eq!(
        (outcome.outcome, &*outcome.plan),
        (OutcomeKind::Closed, "sales")
    );
    assert_eq!(outcome.caller, Some(CallerEnd::Missed));

    // By day they are rung, and shown what was called.
    tokio::time::sleep(Duration::from_secs(12 * 60 * 60)).await;
    let request = Request::get(&path).header(SIGNATURE_HEADER, edge.signature(&path, ""));
    let document = text(edge.answer(request.body(Body::empty()).unwrap()).await).await;
    assert!(document.contains("callerId=\"+14155550111\""), "{document}");
    assert_eq!(edge.outcomes().len(), 1);
}

#[tokio::test]
async fn a_stop_waits_for_what_was_not_waited_for() {
    let edge = Edge::slow(Duration::from_millis(500));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let path = format!("{OF_A_LADDER}/dialed");
    let (signature, form) = (edge.signature(&path, &asks()), asks());
    let Edge { ingest, broker, .. } = edge;
    let timeouts = Timeouts {
        header: Duration::from_secs(10),
        body: Duration::from_secs(10),
        idle: Duration::from_secs(10),
    };
    let ingest = Arc::into_inner(ingest).unwrap();
    let served = tokio::spawn(ingest.serve(listener, timeouts, stop.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
         {SIGNATURE_HEADER}: {signature}\r\n\r\n{form}",
        form.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("Nobody can take your call"), "{answer}");
    stop.cancel();
    served.await.unwrap().unwrap();
    assert!(broker.has_taken(CALLER));
}
