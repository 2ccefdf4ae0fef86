//! What the stories need: a redirector, its queue, a Twilio, and receivers that do as they are told.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use clock::Clock;
use jiff::Timestamp;
use queue::memory::Broker;
use queue::{CallerEnd, Content, DeadLetter, Options, Outcome, OutcomeKind, Queue};
use redirector::{Redirector, RedirectorArgs};
use service::plan::PlanArgs;
use service::settings::from_flags;
use service::{Host, Problems};
use simulator::{Config, PlaceCall, Simulator};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use twilio::AuthToken;
use twilio::rest::{Client, ClientConfig, Credentials};

/// Far above what anything takes.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How long it takes until it is seen to that something became of a caller.
const LATER: Duration = Duration::from_millis(20);

/// The password in the URLs of receivers.
pub const TOKEN: &str = "T0hush";
pub const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const NUMBER: &str = "+14155550123";

/// One redirector, with what is around it.
pub struct Office {
    pub twilio: Simulator,
    pub broker: Broker,
    pub queue: Arc<dyn Queue>,
    host: Host,
    work: JoinHandle<()>,
}

impl Office {
    /// One with a plan for each receiver, by its name.
    pub async fn open(plans: &[(&str, &str)], settings: &[&str]) -> Self {
        log();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let twilio = Simulator::start(listener, Config::default()).unwrap();
        let broker = Broker::default();
        let options = Options {
            later: LATER,
            ..Options::default()
        };
        let queue: Arc<dyn Queue> = Arc::new(broker.open("test", options.clone()));
        let client = Client::new(&ClientConfig {
            api_url: twilio.api_url().to_string().parse().unwrap(),
            ..ClientConfig::new(Credentials::AuthToken(
                twilio.account_sid(),
                AuthToken::new(twilio.auth_token()),
            ))
        });
        let plan = |(number, (name, notify)): (usize, &(&str, &str))| {
            format!(
                "[[plan]]\nname = \"{name}\"\ntask_queue_sid = \"WQ{number:032x}\"\n\
                 forward_to = \"+14155550100\"\n{notify}\n"
            )
        };
        let plans: String = plans.iter().enumerate().map(plan).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plans.toml");
        std::fs::write(&file, plans).unwrap();
        let file = format!("--redirect-plans={}", file.display());
        let args: PlanArgs = from_flags([file.as_str(), "--notify-private=true"]).unwrap();
        let mut problems = Problems::default();
        let plans = args.resolve(None, &mut problems);
        let usual = [
            ("--sweep-interval", "0"),
            ("--retry-first", "1ms"),
            ("--retry-longest", "20ms"),
        ];
        let given = |flag| settings.iter().any(|given| given.starts_with(flag));
        let usual = usual.iter().filter(|(flag, _)| !given(flag));
        let mut flags: Vec<_> = usual
            .map(|(flag, value)| format!("{flag}={value}"))
            .collect();
        flags.extend(settings.iter().map(ToString::to_string));
        let args: RedirectorArgs = from_flags(flags).unwrap();
        let settings = args.resolve(&mut problems);
        let (plans, settings) = problems.finish(plans.zip(settings)).unwrap();
        let own = Arc::new(broker.open("redirector", options));
        let mut host = Host::on(own, Clock::system(), CancellationToken::new());
        let redirector = Redirector::new(&mut host, settings, client.unwrap(), plans);
        let work = tokio::spawn(async move { redirector.run().await.unwrap() });
        Self {
            twilio,
            broker,
            queue,
            host,
            work,
        }
    }

    /// A caller of this plan, whose call Twilio knows, was missed.
    pub fn missed(&self, plan: &str) -> Outcome {
        let from = PlaceCall {
            from: Some(NUMBER.parse().unwrap()),
            ..PlaceCall::into_placeholder()
        };
        let call_sid = self.twilio.place_call(from).unwrap().call_sid;
        Outcome {
            id: call_sid.to_string(),
            at: Timestamp::now(),
            account_sid: self.twilio.account_sid(),
            call_sid,
            task_sid: None,
            plan: plan.to_owned(),
            step: Some("2.1".to_owned()),
            outcome: OutcomeKind::NoAnswer,
            caller: Some(CallerEnd::Missed),
            dialed_call_sid: None,
            recording_sid: None,
            seconds: None,
        }
    }

    pub async fn notify(&self, outcome: &Outcome) {
        let message = Content::Notify(outcome.clone()).into();
        self.queue.publish(&message).await.unwrap();
    }

    /// Once nothing is on the queue any more.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let deadline = Instant::now() + PATIENCE;
        while !self.broker.messages().is_empty() {
            assert!(Instant::now() < deadline, "something stays on the queue");
            // The queue tells nobody when it runs empty.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.broker.dead_letters()
    }

    pub fn metrics(&self) -> String {
        let mut metrics = String::new();
        prometheus_client::encoding::text::encode(&mut metrics, &self.host.registry).unwrap();
        metrics
    }

    pub fn stop(&self) {
        self.host.stop.cancel();
    }

    /// Once it has stopped: its metrics. Nothing secret was logged meanwhile.
    pub async fn closed(mut self) -> String {
        self.stop();
        tokio::time::timeout(PATIENCE, &mut self.work)
            .await
            .unwrap()
            .unwrap();
        let metrics = self.metrics();
        let log = String::from_utf8(log().0.lock().unwrap().clone()).unwrap();
        for secret in [TOKEN, &KEY["whsec_".len()..], NUMBER] {
            assert!(!log.contains(secret), "{secret} is logged: {log}");
            assert!(!metrics.contains(secret), "{secret}: {metrics}");
        }
        metrics
    }
}

/// Whoever is told. Each request waits until the test has it answered.
pub struct Receiver {
    pub url: String,
    got: mpsc::UnboundedReceiver<Request>,
}

/// What it is told.
pub struct Request {
    pub headers: HeaderMap,
    pub body: String,
    answer: oneshot::Sender<Response>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (told, got) = mpsc::unbounded_channel();
        let take = move |headers: HeaderMap, body: Bytes| {
            let told = told.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                let body = String::from_utf8(body.to_vec()).unwrap();
                let _ = told.send(Request {
                    headers,
                    body,
                    answer,
                });
                // As long as the test says nothing, neither does it.
                answered.await.unwrap_or_default()
            }
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(take)).into_future());
        Self {
            url: format!("http://{address}/services/{TOKEN}"),
            got,
        }
    }

    /// A plan that tells it.
    pub fn plan(&self) -> String {
        format!("notify = \"{}\"\nnotify_secret = \"{KEY}\"", self.url)
    }

    pub async fn next(&mut self) -> Request {
        let next = tokio::time::timeout(PATIENCE, self.got.recv()).await;
        next.unwrap().unwrap()
    }

    pub fn heard_no_more(&mut self) -> bool {
        self.got.try_recv().is_err()
    }
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn answer(self, status: u16) {
        self.answer_with(status, [("x-test", "")]);
    }

    pub fn answer_with<const N: usize>(self, status: u16, headers: [(&'static str, &str); N]) {
        let headers =
            headers.map(|(name, value)| (HeaderName::from_static(name), value.to_owned()));
        let status = StatusCode::from_u16(status).unwrap();
        let _ = self.answer.send((status, headers).into_response());
    }
}

/// All that is logged, by all tests of this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(move || writer.clone())
            .init();
        log
    })
}
