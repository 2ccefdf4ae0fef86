//! A simulated Twilio, and the real ingest that it asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use clock::Clock;
use futures::FutureExt;
use ingest::{Ingest, IngestArgs};
use jiff::Timestamp;
use parking_lot::Mutex;
use queue::memory::Broker;
use queue::{Content, Options, Outcome};
use service::settings::from_flags;
use service::{Host, Plans, Problems};
use simulator::{
    Account, CallbackOutcome, Caller, CallerLog, Conduct, Config, PlaceCall, Readings, Simulator,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use twilio::{AuthToken, PublicUrl, SignatureVerifier};
use world::{inward, outward};

pub const PUBLIC_URL: &str = "https://overflow.example.com";
pub const FIRST: &str = "+14155550101";
pub const SECOND: &str = "+14155550102";
pub const THIRD: &str = "+14155550103";

pub const LADDER: &str = r#"
[[plan.step]]
dial = ["+14155550101", "+14155550102", "+14155550103"]
timeout = 20
accept = "Press 1 to take a call for Sales."

[[plan.step]]
voicemail = "Please leave your name and number. This call is recorded."

[[plan.step]]
say = "Nobody can take your call now. Please call again tomorrow."
"#;

/// How Twilio finds ingest.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    Open,
    /// Nobody listens.
    Closed,
    /// Nothing comes back, until then.
    SilentUntil(Instant),
    /// Every other answer is lost.
    LosesAnswers,
    /// Another ingest answers, which was started with another file of plans.
    OtherPlans,
}

pub struct Scene {
    pub simulator: Simulator,
    plans: Plans,
    pub way: Arc<Mutex<Way>>,
    /// Where the ingests put what became of callers.
    pub broker: Broker,
}

impl Scene {
    pub fn new(readings: Readings, phones: &[(&str, &str)], ladder: &str) -> Self {
        Self::with_other_plans(readings, phones, ladder, ladder)
    }

    /// One with a second ingest, and what it knows.
    pub fn with_other_plans(
        readings: Readings,
        phones: &[(&str, &str)],
        ladder: &str,
        other: &str,
    ) -> Self {
        let account = Account::new(
            "AC0123456789abcdef0123456789abcdef".parse().unwrap(),
            "token".to_owned(),
        );
        let public_url: PublicUrl = PUBLIC_URL.parse().unwrap();
        let queue = "WQ0123456789abcdef0123456789abcdef";
        let read = |ladder: &str| {
            let head = format!("[[plan]]\nname = \"sales\"\ntask_queue_sid = \"{queue}\"\n");
            Plans::read(&(head + ladder), Some(&public_url)).unwrap()
        };
        let plans = read(ladder);
        let broker = Broker::default();
        let router = ingest("ingest", &broker, &account, &plans).router();
        let other = ingest("other", &broker, &account, &read(other)).router();
        let way = Arc::new(Mutex::new(Way::Open));
        let (now, turn) = (Arc::clone(&way), Arc::<AtomicUsize>::default());
        let carrier = move |request: reqwest::Request| {
            let (way, turn) = (*now.lock(), turn.clone());
            let knows = if way == Way::OtherPlans {
                &other
            } else {
                &router
            };
            let router = knows.clone();
            async move {
                match way {
                    Way::Open => {}
                    Way::Closed => return Err(CallbackOutcome::NotConnected),
                    Way::SilentUntil(then) if Instant::now() >= then => {}
                    Way::SilentUntil(_) => std::future::pending().await,
                    Way::LosesAnswers | Way::OtherPlans => {}
                }
                let Ok(answer) = router.oneshot(inward(request)).await;
                let is_lost = way == Way::LosesAnswers && turn.fetch_add(1, Relaxed) % 2 == 0;
                match is_lost {
                    true => Err(CallbackOutcome::Broken),
                    false => Ok(outward(answer).await),
                }
            }
            .boxed()
        };
        let phone =
            |(number, phone): &(&str, &str)| (number.parse().unwrap(), phone.parse().unwrap());
        let simulator = Simulator::in_process(Config {
            account: Some(account),
            phones: phones.iter().map(phone).collect(),
            readings,
            carrier: Some(Arc::new(carrier)),
            ..Config::default()
        });
        Self {
            simulator,
            plans,
            way,
            broker,
        }
    }

    /// What became of callers, once all is said.
    pub async fn outcomes(&self) -> Vec<Outcome> {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let messages = self.broker.messages().into_iter();
        let outcome = |message: queue::RawMessage| match message.content().unwrap() {
            Content::Outcome(outcome) => outcome,
            other => panic!("{other:?}"),
        };
        messages.map(outcome).collect()
    }

    /// A caller who is redirected as the redirector does it.
    pub fn redirected(&self, conduct: Conduct) -> Caller {
        let call = PlaceCall {
            conduct,
            ..PlaceCall::into_placeholder()
        };
        let caller = self.simulator.place_call(call).unwrap();
        let begin = self.plans.default_plan().unwrap();
        let begin = begin.begin(&twilio::Caller::default(), Timestamp::UNIX_EPOCH);
        assert!(
            self.simulator
                .redirect(caller.call_sid, begin.twiml.as_str())
        );
        caller
    }

    pub async fn over(&self, caller: Caller) -> CallerLog {
        let call = caller.call_sid;
        let over = self
            .simulator
            .wait_until(|state| !state.is_in_progress(&call));
        let day = Duration::from_secs(24 * 60 * 60);
        timeout(day, over).await.expect("it ends");
        let journal = self.simulator.journal();
        journal.caller(&call).unwrap().clone()
    }

    pub async fn lived(&self, conduct: Conduct) -> CallerLog {
        let log = self.over(self.redirected(conduct)).await;
        assert!(!log.was_dialled_twice_at_once(), "{log:?}");
        assert!(!log.was_given_away_without_a_key(), "{log:?}");
        assert_eq!(log.conversations_cut(), 0);
        assert!(
            log.callees.iter().all(|callee| callee.ended().is_some()),
            "{log:?}"
        );
        log
    }
}

/// An ingest that publishes to the broker under this name.
pub fn ingest(name: &str, broker: &Broker, account: &Account, plans: &Plans) -> Arc<Ingest> {
    let args: IngestArgs = from_flags(Vec::<String>::new()).unwrap();
    let public_url = PUBLIC_URL.parse().unwrap();
    let settings = args
        .resolve(Some(&public_url), &mut Problems::default())
        .unwrap();
    let queue = broker.open(name, Options::default());
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    let mut host = Host::on(Arc::new(queue), clock, CancellationToken::new());
    let verifier = SignatureVerifier::new([AuthToken::new(&account.auth_token)]);
    let ingest = Ingest::with_spool(
        &mut host,
        &settings,
        account.sid,
        verifier,
        plans.clone(),
        None,
    );
    Arc::new(ingest)
}
