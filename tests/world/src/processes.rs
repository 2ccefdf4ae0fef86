//! The processes of the pair: started, stopped, killed and started again.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use ingest::{Ingest, IngestArgs};
use jiff::SignedDuration;
use parking_lot::Mutex;
use queue::memory::{Broker, Fate, Loss, Operation, Weather};
use queue::{Options, Queue};
use redirector::{Redirector, RedirectorArgs};
use service::settings::from_flags;
use service::{Host, Plans, Problems};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use twilio::rest::Client;
use twilio::{AuthToken, SignatureVerifier};

use crate::callbacks::{Ingests, Up};
use crate::kind::Kind;
use crate::life::{Doom, Life, Step};
use crate::story::Teller;
use crate::twilio_side::Wire;
use crate::weather::Sky;

/// Where ingest is, as Twilio knows it.
pub const PUBLIC_URL: &str = "https://overflow.example.com";

/// Longer than an orderly stop takes.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// What it takes to start a process.
#[derive(Clone)]
pub struct Site {
    pub(crate) broker: Broker,
    pub(crate) sky: Sky,
    pub(crate) wire: Wire,
    pub(crate) ingests: Ingests,
    pub(crate) client: Client,
    /// What the redirectors and, as a rule, the ingests know, and what stands in another file.
    pub(crate) plans: [Plans; 2],
    pub(crate) clock: Clock,
    pub(crate) settings: RedirectorArgs,
    pub(crate) later: Duration,
    pub(crate) teller: Teller,
    pub(crate) lives: Lives,
}

/// The lives that are lived now, by the names of their processes.
#[derive(Clone, Default)]
pub struct Lives(Arc<Mutex<Vec<Life>>>);

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes callbacks.
    Ingest,
    /// It redirects.
    Redirector,
}

/// One process, through all its lives.
pub struct Process {
    site: Site,
    role: Role,
    number: usize,
    state: Mutex<State>,
    /// What is on its disk.
    spool: Broker,
}

#[derive(Default)]
struct State {
    lives: u32,
    /// Which file it reads when it starts.
    file: usize,
    running: Option<Running>,
}

struct Running {
    life: Life,
    clock: Clock,
    stop: CancellationToken,
    work: JoinHandle<()>,
    undertaker: AbortHandle,
}

impl Lives {
    /// The weather of a broker, for processes that may die at whatever they ask of it.
    pub(crate) fn weather(&self, sky: &Sky, teller: &Teller, of_spool: bool) -> Weather {
        let (lives, sky, teller) = (self.clone(), sky.clone(), teller.clone());
        Arc::new(move |name, operation| {
            let mut fate = match of_spool {
                false => sky.queue(operation),
                true if sky.blows(Kind::BrokenSpool) => Fate {
                    loss: Some(Loss::Request),
                    ..Fate::default()
                },
                true => Fate::default(),
            };
            if let Some(loss) = fate.loss {
                teller.say(format!("{name}: {operation:?} at the queue, {loss:?} lost"));
            }
            if operation != Operation::Read
                && let Some(life) = lives.get(name)
            {
                match life.step(fate.delay) {
                    Step::Lives => {}
                    Step::DiesBefore => fate.loss = Some(Loss::Request),
                    Step::DiesAfter => fate.loss = fate.loss.or(Some(Loss::Answer)),
                }
            }
            fate
        })
    }

    fn get(&self, name: &str) -> Option<Life> {
        let lives = self.0.lock();
        lives.iter().find(|life| life.name() == name).cloned()
    }

    fn add(&self, life: &Life) {
        let mut lives = self.0.lock();
        lives.retain(|life| !life.has_ended());
        lives.push(life.clone());
    }
}

impl Process {
    /// A process that has just started.
    pub fn new(site: &Site, role: Role, number: usize) -> Arc<Self> {
        let spool = Broker::with_weather(site.lives.weather(&site.sky, &site.teller, true));
        if role == Role::Ingest {
            site.ingests.add_spool(spool.clone());
        }
        let process = Arc::new(Self {
            site: site.clone(),
            role,
            number,
            state: Mutex::default(),
            spool,
        });
        process.start();
        process
    }

    /// What it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Lives again, unless it lives.
    pub fn start(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.running.as_ref().is_some_and(|r| !r.life.has_ended()) {
            return;
        }
        state.lives += 1;
        let role = match self.role {
            Role::Ingest => "ingest",
            Role::Redirector => "redirector",
        };
        let name = match state.lives {
            1 => format!("{role} {}", self.number),
            lives => format!("{role} {} (life {lives})", self.number),
        };
        if state.lives > 1 {
            self.site.teller.say(format!("{name} starts"));
        }
        let life = Life::new(name);
        self.site.lives.add(&life);
        let stop = CancellationToken::new();
        let clock = Clock::simulated(self.site.clock.now());
        let queue = self.site.broker.open(
            life.name(),
            Options {
                later: self.site.later,
                ..Options::default()
            },
        );
        let host = Host::on(Arc::new(queue), clock.clone(), stop.clone());
        let plans = self.site.plans[state.file].clone();
        let work = match self.role {
            Role::Ingest => self.ingest(&life, host, plans),
            Role::Redirector => self.redirector(&life, host, plans),
        };
        let undertaker = tokio::spawn(self.clone().bury(life.clone(), work.abort_handle()));
        state.running = Some(Running {
            life,
            clock,
            stop,
            work,
            undertaker: undertaker.abort_handle(),
        });
    }

    fn redirector(&self, life: &Life, mut host: Host, plans: Plans) -> JoinHandle<()> {
        let settings = self.site.settings.clone();
        let settings = settings.resolve(&mut Problems::default());
        let settings = settings.expect("the world's own settings are good");
        let client = self.site.client.clone();
        let client = client.carried_by(self.site.wire.transport(life));
        let queue = Arc::clone(&host.queue);
        let redirector = Redirector::new(&mut host, settings, client, plans);
        tokio::spawn(async move {
            // Fails only where the queue is closed.
            let _ = redirector.run().await;
            queue.close().await;
        })
    }

    fn ingest(&self, life: &Life, mut host: Host, plans: Plans) -> JoinHandle<()> {
        let args: IngestArgs = from_flags([""; 0]).expect("the world's own settings are good");
        let public_url = PUBLIC_URL.parse().expect("the world's own URL is good");
        let settings = args.resolve(Some(&public_url), &mut Problems::default());
        let settings = settings.expect("the world's own settings are good");
        let account = self.site.wire.simulator.account();
        let verifier = SignatureVerifier::new([AuthToken::new(&account.auth_token)]);
        let spool: Arc<dyn Queue> = Arc::new(self.spool.open(life.name(), self.spool_options()));
        let (queue, stop) = (Arc::clone(&host.queue), host.stop.clone());
        let ingest = Arc::new(Ingest::with_spool(
            &mut host,
            &settings,
            account.sid,
            verifier,
            plans,
            Some(Arc::clone(&spool)),
        ));
        self.site.ingests.add(Up {
            name: life.name().to_owned(),
            router: ingest.router(),
            requests: Mutex::new(JoinSet::new()),
        });
        let drained = tokio::spawn(ingest.drain_spool(stop.clone()));
        let (ingests, name) = (self.site.ingests.clone(), life.name().to_owned());
        tokio::spawn(async move {
            stop.cancelled().await;
            if let Some(up) = ingests.remove(&name) {
                let _ = tokio::time::timeout(settings.stop_timeout, up.finish()).await;
            }
            drained.abort();
            spool.close().await;
            queue.close().await;
        })
    }

    fn spool_options(&self) -> Options {
        Options {
            max_length: self.site.sky.has(Kind::FullSpool).then_some(0),
            delivery_limit: u32::MAX,
            ..Options::default()
        }
    }

    /// Takes away what is left of a life once it has ended.
    async fn bury(self: Arc<Self>, life: Life, work: AbortHandle) {
        life.ended().await;
        self.site.teller.say(format!("{} is killed", life.name()));
        work.abort();
        self.site.ingests.remove(life.name());
        let limit = Options::default().delivery_limit;
        self.site.broker.kill(life.name(), limit);
        self.spool.kill(life.name(), limit);
    }

    /// Dies at whatever it is at.
    pub fn kill(&self) {
        if let Some(running) = &self.state.lock().running {
            running.life.end();
        }
    }

    /// Dies soon, at something that it asks of others, or not any more.
    pub fn set_doom(&self, doom: Option<Doom>) {
        if let Some(running) = &self.state.lock().running {
            running.life.set_doom(doom);
        }
    }

    /// Reads another file of plans when it starts again, or the first once more.
    pub fn change_plans(&self) {
        let mut state = self.state.lock();
        state.file = 1 - state.file;
    }

    /// Waits until it is dead.
    pub async fn dead(&self) {
        let life = self.state.lock().running.as_ref().map(|r| r.life.clone());
        if let Some(life) = life {
            life.ended().await;
        }
    }

    /// Ends in order.
    pub async fn stop(&self) {
        let Some(running) = self.state.lock().running.take() else {
            return;
        };
        if running.life.has_ended() {
            return;
        }
        let (teller, name) = (&self.site.teller, running.life.name().to_owned());
        teller.say(format!("{name} stops"));
        running.stop.cancel();
        match tokio::time::timeout(STOPS_WITHIN, running.work).await {
            Ok(_) if !running.life.has_ended() => {
                running.undertaker.abort();
                teller.say(format!("{name} has stopped"));
            }
            _ => running.life.end(),
        }
    }

    /// Loses its connection to the broker, and has a new one after a while.
    pub async fn lose_broker(&self, away: Duration) {
        let Some(name) = self.name() else { return };
        let teller = &self.site.teller;
        teller.say(format!("{name} loses its connection to the broker"));
        let limit = Options::default().delivery_limit;
        self.site.broker.disconnect(&name, limit);
        tokio::time::sleep(away).await;
        teller.say(format!("{name} is connected again"));
        self.site.broker.connect(&name);
    }

    /// Its deliveries are taken back, for it has held them for too long.
    pub fn time_out(&self) {
        if let Some(name) = self.name() {
            let teller = &self.site.teller;
            teller.say(format!("the broker takes its deliveries back from {name}"));
            let limit = Options::default().delivery_limit;
            self.site.broker.time_out(&name, limit);
        }
    }

    /// Its clock is wrong from now on.
    pub fn set_wrong_by(&self, by: SignedDuration) {
        if let Some(running) = &self.state.lock().running {
            let name = running.life.name();
            let teller = &self.site.teller;
            teller.say(format!(
                "the clock of {name} is wrong by {by:#} from now on"
            ));
            running.clock.set_wrong_by(by);
        }
    }

    /// The weather has cleared.
    pub fn recover(self: &Arc<Self>) {
        self.set_doom(None);
        self.start();
        if let Some(running) = &self.state.lock().running {
            self.site.broker.connect(running.life.name());
            running.clock.set_wrong_by(SignedDuration::ZERO);
        }
    }

    fn name(&self) -> Option<String> {
        let state = self.state.lock();
        Some(state.running.as_ref()?.life.name().to_owned())
    }
}
