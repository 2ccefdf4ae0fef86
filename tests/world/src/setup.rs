//! What a seed draws besides the weather, and the world that is made of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clock::Clock;
use fastrand::Rng;
use jiff::Timestamp;
use queue::memory::Broker;
use redirector::RedirectorArgs;
use service::settings::from_flags;
use simulator::{Config, EventKind, Moment, Simulator, TaskAfterRedirect};
use tokio::sync::broadcast::Receiver;
use twilio::rest::{Client, ClientConfig, Credentials};
use twilio::{AccountSid, AuthToken};

use crate::LATER;
use crate::callbacks::Ingests;
use crate::kind::Kind;
use crate::ladders::Ladders;
use crate::processes::{Lives, PUBLIC_URL, Process, Role, Site};
use crate::promises::Notes;
use crate::story::Teller;
use crate::strikes::Struck;
use crate::twilio_side::{Sick, Wire};
use crate::weather::{Sky, TWILIO_LATE};

/// How good an intent is, and the pause that is assumed.
const INTENT_AND_PAUSE: Duration = Duration::from_secs(5);
/// How long some requests take.
const SOME_REQUESTS: Duration = Duration::from_secs(5);
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
const SWEEP_GRACE: Duration = Duration::from_secs(10);

/// What the redirectors are told that may not be so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// How late Twilio carries an update out.
    pub twilio_late: Option<Duration>,
    /// How old an event may be that is taken at its word.
    pub verify_after: Option<Duration>,
}

/// What a seed draws besides the weather.
#[derive(Debug, Clone)]
pub struct Setup {
    ingests: usize,
    redirectors: usize,
    pub(crate) callers: usize,
    verify_after: Duration,
    twilio_late: Duration,
    timeout: Duration,
    max_in_flight: usize,
    prefetch: usize,
    rescues: bool,
    pub(crate) sweeps: bool,
    deadline: Duration,
    /// How long after a redirect it is seen to that something became of the caller.
    later: Duration,
    after_redirect: TaskAfterRedirect,
    knows_workspace: bool,
    filters_events: bool,
    lists_attributes: bool,
    pub(crate) ladders: Ladders,
}

/// A world at its beginning.
pub struct Stage {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) wire: Wire,
    pub(crate) ingests: Ingests,
    pub(crate) struck: Struck,
    pub(crate) sky: Sky,
    pub(crate) moments: Receiver<Moment>,
}

impl Setup {
    /// That of a seed.
    pub fn draw(seed: u64, kinds: &[Kind], told: &Told) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x5e7);
        let asks_first = rng.u32(..8) == 0;
        let seconds = Duration::from_secs;
        Self {
            ingests: rng.usize(1..=2),
            redirectors: rng.usize(1..=3),
            callers: rng.usize(2..=6),
            // Where other software takes callers off hold, Twilio is always asked first.
            verify_after: match asks_first || kinds.contains(&Kind::OtherSoftware) {
                _ if told.verify_after.is_some() => told.verify_after.unwrap_or_default(),
                true => Duration::ZERO,
                false => seconds(2),
            },
            twilio_late: told.twilio_late.unwrap_or(TWILIO_LATE),
            timeout: [seconds(2), seconds(10)][rng.usize(..2)],
            max_in_flight: [1, 3, 50, 50][rng.usize(..4)],
            prefetch: 2000,
            rescues: kinds.contains(&Kind::ExpiredTasks),
            sweeps: rng.u32(..6) > 0,
            deadline: [seconds(90), seconds(900), seconds(900)][rng.usize(..3)],
            later: LATER,
            after_redirect: match rng.u32(..3) {
                0 => TaskAfterRedirect::Stays,
                _ => TaskAfterRedirect::Canceled,
            },
            knows_workspace: rng.bool(),
            filters_events: rng.u32(..4) > 0,
            lists_attributes: rng.u32(..4) > 0,
            ladders: Ladders::draw(seed),
        }
    }

    /// One ingest, so many redirectors, and the defaults of what users set.
    pub fn plain(redirectors: usize, max_in_flight: usize, prefetch: usize) -> Self {
        let seconds = Duration::from_secs;
        Self {
            ingests: 1,
            redirectors,
            callers: 0,
            verify_after: seconds(2),
            twilio_late: TWILIO_LATE,
            timeout: seconds(10),
            max_in_flight,
            prefetch,
            rescues: true,
            sweeps: true,
            deadline: seconds(900),
            later: queue::LATER,
            after_redirect: TaskAfterRedirect::Canceled,
            knows_workspace: true,
            filters_events: true,
            lists_attributes: true,
            ladders: Ladders::none(),
        }
    }

    /// Before an update, nobody can know of what happened for so long.
    pub fn blind(&self, kinds: &[Kind]) -> Duration {
        let slow = kinds.iter().any(|kind| kind.is_of_the_api());
        let look = if slow {
            self.timeout
        } else {
            Duration::from_secs(1)
        };
        look + self.verify_after + INTENT_AND_PAUSE
    }

    /// How long after the weather has cleared somebody may still be on hold.
    pub fn patience(&self) -> Duration {
        let sweep = match self.sweeps {
            true => SWEEP_INTERVAL.mul_f64(1.1) + SWEEP_GRACE,
            // The longest pause between two tries.
            false => Duration::from_secs(15),
        };
        sweep + TWILIO_LATE + INTENT_AND_PAUSE + SOME_REQUESTS
    }

    fn settings(&self, simulator: &Simulator) -> RedirectorArgs {
        let sweep_interval = match self.sweeps {
            true => SWEEP_INTERVAL,
            false => Duration::ZERO,
        };
        let mut flags = vec![
            format!("--verify-after={}s", self.verify_after.as_secs()),
            format!("--twilio-late={}s", self.twilio_late.as_secs()),
            format!("--max-in-flight={}", self.max_in_flight),
            format!("--prefetch={}", self.prefetch),
            format!("--sweep-interval={}s", sweep_interval.as_secs()),
            format!("--sweep-grace={}s", SWEEP_GRACE.as_secs()),
            format!("--redirect-deadline={}s", self.deadline.as_secs()),
        ];
        if self.knows_workspace {
            flags.push(format!("--workspace-sid={}", simulator.workspace_sid()));
        }
        from_flags(flags).expect("the world's own settings are good")
    }

    /// The world at its beginning.
    pub fn stage(&self, seed: u64, kinds: &[Kind]) -> Stage {
        self.stage_under(Sky::new(seed, kinds), seed)
    }

    /// The world at its beginning, under this sky.
    pub fn stage_under(&self, sky: Sky, seed: u64) -> Stage {
        let (teller, notes, lives) = (Teller::new(), Notes::default(), Lives::default());
        let broker = Broker::with_weather(lives.weather(&sky, &teller, false));
        let ingests = Ingests::new(sky.clone(), teller.clone(), notes.clone(), broker.clone());
        let start = Timestamp::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Clock::simulated(start);
        let simulator = Arc::new(Simulator::in_process(Config {
            seed: Some(seed),
            account: Some(simulator::Account::new(account(), "none".to_owned())),
            clock: clock.clone(),
            carrier: Some(ingests.carrier()),
            callback_url: Some(format!(
                "{PUBLIC_URL}/taskrouter/events#rc=5&rp=all&ct=2000&rt=2500"
            )),
            events_filter: self
                .filters_events
                .then(|| "task-queue.entered,task.canceled,workflow.timeout".to_owned()),
            task_after_redirect: self.after_redirect,
            attributes_in_lists: self.lists_attributes,
            phones: self.ladders.phones.clone(),
            readings: self.ladders.readings,
            story_backlog: 4096,
            ..Config::default()
        }));
        ingests.set_placeholder(simulator.placeholder());
        let moments = simulator.story();
        if sky.has(Kind::BothWays) {
            let sink = format!("{PUBLIC_URL}/taskrouter/event-stream");
            simulator.set_event_stream(Some(&sink), &[EventKind::TaskQueueEntered]);
        }
        let placeholder = simulator.placeholder();
        let wire = Wire {
            simulator: Arc::clone(&simulator),
            sky: sky.clone(),
            teller: teller.clone(),
            notes,
            timeout: self.timeout,
            sick: Sick::default(),
        };
        let site = Site {
            broker: broker.clone(),
            sky: sky.clone(),
            wire: wire.clone(),
            ingests: ingests.clone(),
            client: client(),
            plans: self.ladders.plans(placeholder, self.rescues),
            clock,
            settings: self.settings(&simulator),
            later: self.later,
            teller: teller.clone(),
            lives,
        };
        let process = |role| {
            let site = &site;
            move |number| Process::new(site, role, number)
        };
        let processes = (1..=self.ingests)
            .map(process(Role::Ingest))
            .chain((1..=self.redirectors).map(process(Role::Redirector)))
            .collect();
        Stage {
            simulator,
            wire,
            ingests,
            struck: Struck {
                processes,
                broker,
                teller,
            },
            sky,
            moments,
        }
    }
}

fn account() -> AccountSid {
    let sid = format!("AC{:032x}", 1);
    sid.parse().expect("an account SID")
}

/// One for all worlds: certificates take long to read, and no world needs them.
fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let make = || {
        let credentials = Credentials::AuthToken(account(), AuthToken::new("none"));
        Client::new(&ClientConfig::new(credentials)).expect("a client")
    };
    CLIENT.get_or_init(make).clone()
}
