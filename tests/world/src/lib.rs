//! The whole pair in a simulated world: the real ingest and the real redirectors, one thread,
//! tokio's paused clock, one seed. Twilio is the simulator, called in process; the queue is in
//! memory; between them is a weather that the seed decides. The simulator's journal judges.

mod judge;
mod network;
mod people;
mod processes;
mod story;
mod weather;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use clock::Clock;
use fastrand::Rng;
use jiff::Timestamp;
use queue::memory::Broker;
use redirector::RedirectorArgs;
use simulator::{Config, EventKind, Simulator, TaskAfterRedirect};
use tokio::time::Instant;
use twilio::AuthToken;
use twilio::rest::{Client, ClientConfig, Credentials};

pub use judge::Broken;
pub use weather::Kind;

use network::{Ingests, Wire};
use people::Customs;
use processes::{PUBLIC_URL, Process, Role, Site, patience, suffer};
use story::Teller;
use weather::{CLEARS_AFTER, Sky};

/// When the last of what the weather has delayed has come.
const ENDS_AFTER: Duration = Duration::from_secs(320);

/// One world: what was lived in it, and what was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Its seed.
    pub seed: u64,
    /// Its weather.
    pub kinds: Vec<Kind>,
    /// How many callers lived in it.
    pub lives: usize,
    /// The promises broken.
    pub broken: Vec<Broken>,
    /// What happened, if it was taken down.
    pub story: Vec<String>,
}

impl World {
    /// Lives the world of a seed, with the weather that the seed draws.
    pub fn of(seed: u64) -> Self {
        Self::with(seed, &kinds_of(seed), Teller::silent)
    }

    /// The same with other weather, taken down.
    pub fn retold(seed: u64, kinds: &[Kind]) -> Self {
        Self::with(seed, kinds, Teller::new)
    }

    fn with(seed: u64, kinds: &[Kind], teller: impl FnOnce() -> Teller) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without sockets can be made");
        runtime.block_on(async { live(seed, kinds, teller()).await })
    }

    /// The world with as little weather as still breaks the same kind of promise: kinds that
    /// aren't needed are taken away one at a time.
    pub fn smallest(self) -> Self {
        let wanted = self.broken.first().map(Broken::name);
        let breaks = |world: &Self| world.broken.iter().any(|b| Some(b.name()) == wanted);
        let mut smallest = self.kinds.clone();
        let mut index = 0;
        while index < smallest.len() {
            let mut fewer = smallest.clone();
            fewer.remove(index);
            if breaks(&Self::with(self.seed, &fewer, Teller::silent)) {
                smallest = fewer;
            } else {
                index += 1;
            }
        }
        Self::retold(self.seed, &smallest)
    }
}

/// The weather that a seed draws: one kind, or a few.
pub fn kinds_of(seed: u64) -> Vec<Kind> {
    let mut rng = Rng::with_seed(seed ^ 0x77ea_7e12);
    let mut kinds = Kind::ALL.to_vec();
    rng.shuffle(&mut kinds);
    kinds.truncate([1, 1, 2, 2, 3, 4][rng.usize(..6)]);
    kinds.sort_unstable();
    kinds
}

/// Certificates take long to read, and no world needs them.
fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let make = || {
        let account = format!("AC{:032x}", 1);
        let account = account.parse().expect("an account SID");
        let token = AuthToken::new("none");
        let config = ClientConfig::new(Credentials::AuthToken(account, token));
        Client::new(&config).expect("a client")
    };
    CLIENT.get_or_init(make).clone()
}

async fn live(seed: u64, kinds: &[Kind], teller: Teller) -> World {
    fastrand::seed(seed);
    let mut rng = Rng::with_seed(seed);
    let began = Instant::now();
    let sky = Sky::new(seed, kinds);
    let ingests = Ingests::default();
    let start = Timestamp::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let clock = Clock::simulated(start);
    let other_software = rng.u32(..4) == 0;
    let sweeps = rng.u32(..3) > 0;
    let simulator = Arc::new(Simulator::in_process(Config {
        seed: Some(seed),
        account: Some(account()),
        clock: clock.clone(),
        carrier: Some(ingests.carrier(sky.clone(), teller.clone())),
        callback_url: Some(format!(
            "{PUBLIC_URL}/taskrouter/events#rc=5&rp=all&ct=2000&rt=2500"
        )),
        // As `overflow setup` sets it.
        events_filter: Some("task-queue.entered,task.canceled,workflow.timeout".to_owned()),
        task_after_redirect: match rng.bool() {
            true => TaskAfterRedirect::Canceled,
            false => TaskAfterRedirect::Stays,
        },
        ..Config::default()
    }));
    if sky.has(Kind::BothWays) {
        let sink = format!("{PUBLIC_URL}/taskrouter/event-stream");
        simulator.set_event_stream(Some(&sink), &[EventKind::TaskQueueEntered]);
    }
    let settings = RedirectorArgs {
        // Where other software takes callers off hold, Twilio is always asked first.
        verify_after: other_software.then(|| "0s".to_owned()),
        sweep_interval: (!sweeps).then(|| "0s".to_owned()),
        redirect_deadline: (rng.u32(..4) == 0).then(|| "90s".to_owned()),
        workspace_sid: Some(simulator.workspace_sid().to_string()),
        ..RedirectorArgs::default()
    };
    let plans = format!(
        "[[plan]]\ntask_queue_sid = \"{}\"\nforward_to = \"+14155550100\"\n",
        simulator.placeholder()
    );
    let queue_sky = sky.clone();
    let broker = Broker::with_weather(Arc::new(move |_: &str, operation| {
        queue_sky.queue(operation)
    }));
    let broken = Arc::new(Mutex::new(Vec::new()));
    let wire = Wire {
        simulator: Arc::clone(&simulator),
        sky: sky.clone(),
        teller: teller.clone(),
        sent: Arc::default(),
        broken: Arc::clone(&broken),
    };
    let site = Site {
        broker: broker.clone(),
        sky: sky.clone(),
        wire: wire.clone(),
        ingests,
        client: client(),
        plans: plans.parse().expect("a plan"),
        clock,
        settings: settings.clone(),
        teller: teller.clone(),
    };
    let mut processes: Vec<_> = (0..rng.usize(1..=2))
        .map(|number| Process::new(&site, Role::Ingest, number))
        .chain((0..rng.usize(1..=3)).map(|number| Process::new(&site, Role::Redirector, number)))
        .collect();
    let lives = rng.usize(2..=8);
    for number in 0..lives {
        let (simulator, rng) = (Arc::clone(&simulator), rng.fork());
        let customs = Customs { other_software };
        tokio::spawn(people::live(
            simulator,
            number,
            customs,
            rng,
            teller.clone(),
        ));
    }
    // While Twilio can't be asked, nobody can know better.
    let answers = match kinds.iter().any(|kind| kind.is_of_the_api()) {
        true => began + CLEARS_AFTER,
        false => began,
    };
    let watched = tokio::spawn(watch_dead_letters(
        broker.clone(),
        Arc::clone(&simulator),
        answers,
        Arc::clone(&broken),
    ));

    let suffered = suffer(&mut processes, &sky, seed);
    // What it is at when the weather clears, it leaves.
    let _ = tokio::time::timeout_at(began + CLEARS_AFTER, suffered).await;
    tokio::time::sleep_until(began + CLEARS_AFTER).await;
    processes.iter_mut().for_each(Process::recover);
    teller.say(|| "the weather has cleared".to_owned());
    tokio::time::sleep(patience(&settings)).await;
    let on_hold = judge::on_hold(&simulator, &broker, sweeps);
    tokio::time::sleep_until(began + ENDS_AFTER).await;
    watched.abort();
    processes.iter_mut().for_each(Process::kill);

    let mut broken = broken
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    broken.extend(on_hold);
    broken.extend(judge::moved_twice(&simulator, &wire.sent));
    broken.sort_unstable();
    for log in simulator.journal().callers() {
        for entry in &log.entries {
            teller.say_at(entry.at, || format!("{}: {:?}", log.call, entry.heard));
        }
    }
    World {
        seed,
        kinds: kinds.to_vec(),
        lives,
        broken,
        story: teller.lines(),
    }
}

fn account() -> simulator::Account {
    let sid = format!("AC{:032x}", 1).parse().expect("an account SID");
    simulator::Account::new(sid, "none".to_owned())
}

/// Notes the callers who are helped when they become dead letters.
async fn watch_dead_letters(
    broker: Broker,
    simulator: Arc<Simulator>,
    answers: Instant,
    broken: Arc<Mutex<Vec<Broken>>>,
) {
    let mut seen = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let letters = broker.dead_letters();
        for letter in letters.get(seen..).unwrap_or_default() {
            let Some(request) = letter.request() else {
                continue;
            };
            let helped = simulator.inspect(|state| {
                state.is_in_progress(&request.call_sid) && !state.is_waiting(&request.call_sid)
            });
            if helped && Instant::now() > answers + Duration::from_secs(1) {
                let mut broken = broken.lock().unwrap_or_else(PoisonError::into_inner);
                broken.push(Broken::DeadLetter(request.call_sid));
            }
        }
        seen = letters.len();
    }
}
