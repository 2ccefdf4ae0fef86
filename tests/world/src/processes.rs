//! The processes of the pair: started, stopped, killed and started again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::Clock;
use fastrand::Rng;
use ingest::{Ingest, IngestArgs};
use jiff::SignedDuration;
use queue::Options;
use queue::memory::Broker;
use redirector::{Redirector, RedirectorArgs};
use service::{Host, Plans, Problems};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use twilio::rest::Client;
use twilio::{AuthToken, SignatureVerifier};

use crate::network::{Ingests, Up, Wire};
use crate::story::Teller;
use crate::weather::{Kind, Sky, seconds};

/// Where ingest is, as Twilio knows it.
pub const PUBLIC_URL: &str = "https://overflow.example.com";

/// What it takes to start a process.
#[derive(Clone)]
pub struct Site {
    pub(crate) broker: Broker,
    pub(crate) sky: Sky,
    pub(crate) wire: Wire,
    pub(crate) ingests: Ingests,
    pub(crate) client: Client,
    pub(crate) plans: Plans,
    pub(crate) clock: Clock,
    pub(crate) settings: RedirectorArgs,
    pub(crate) teller: Teller,
}

/// One process, through all its lives.
pub struct Process {
    site: Site,
    role: Role,
    number: usize,
    life: u32,
    running: Option<Life>,
    /// What is on its disk.
    spool: Broker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Ingest,
    Redirector,
}

struct Life {
    name: String,
    clock: Clock,
    stop: CancellationToken,
    work: JoinHandle<()>,
}

impl Process {
    pub fn new(site: &Site, role: Role, number: usize) -> Self {
        let mut process = Self {
            site: site.clone(),
            role,
            number,
            life: 0,
            running: None,
            spool: Broker::default(),
        };
        process.start();
        process
    }

    /// Lives again, unless it lives.
    pub fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        self.life += 1;
        let name = format!("{:?} {}.{}", self.role, self.number, self.life).to_lowercase();
        let stop = CancellationToken::new();
        let clock = Clock::simulated(self.site.clock.now());
        let queue = self.site.broker.open(&name, Options::default());
        let host = Host::on(Arc::new(queue), clock.clone(), stop.clone());
        let work = match self.role {
            Role::Ingest => self.ingest(&name, host),
            Role::Redirector => self.redirector(&name, host),
        };
        self.running = Some(Life {
            name,
            clock,
            stop,
            work,
        });
    }

    fn redirector(&self, name: &str, mut host: Host) -> JoinHandle<()> {
        let settings = self.site.settings.clone();
        let settings = settings.resolve(&mut Problems::default());
        let settings = settings.expect("the world's own settings are good");
        let client = self.site.client.clone();
        let client = client.carried_by(self.site.wire.transport(name));
        let queue = Arc::clone(&host.queue);
        let redirector = Redirector::new(&mut host, settings, client, self.site.plans.clone());
        tokio::spawn(async move {
            // Fails only where the queue is closed.
            let _ = redirector.run().await;
            queue.close().await;
        })
    }

    fn ingest(&self, name: &str, mut host: Host) -> JoinHandle<()> {
        let args = IngestArgs {
            public_url: Some(PUBLIC_URL.to_owned()),
            ..IngestArgs::default()
        };
        let settings = args.resolve(&mut Problems::default());
        let settings = settings.expect("the world's own settings are good");
        let account = self.site.wire.simulator.account();
        let verifier = SignatureVerifier::new([AuthToken::new(&account.auth_token)]);
        let max_length = self.site.sky.has(Kind::FullSpool).then_some(0);
        let spool = Options {
            max_length,
            delivery_limit: u32::MAX,
            ..Options::default()
        };
        let spool = self.spool.open(name, spool);
        let ingest = Arc::new(Ingest::with_spool(
            &mut host,
            &settings,
            account.sid,
            verifier,
            self.site.plans.clone(),
            Some(Arc::new(spool)),
        ));
        self.site.ingests.add(Up {
            name: name.to_owned(),
            router: ingest.router(),
            requests: Mutex::new(JoinSet::new()),
        });
        tokio::spawn(ingest.drain_spool(host.stop))
    }

    /// Dies at whatever it is at.
    pub fn kill(&mut self) {
        if let Some(life) = self.running.take() {
            self.site.teller.say(|| format!("{} is killed", life.name));
            life.work.abort();
            self.site.ingests.remove(&life.name);
            for broker in [&self.site.broker, &self.spool] {
                broker.disconnect(&life.name, Options::default().delivery_limit);
            }
        }
    }

    /// Ends in order.
    pub async fn stop(&mut self) {
        if let Some(life) = self.running.take() {
            self.site.teller.say(|| format!("{} stops", life.name));
            self.site.ingests.remove(&life.name);
            life.stop.cancel();
            // It was not killed, and the world has no panics.
            let _ = life.work.await;
            self.site
                .teller
                .say(|| format!("{} has stopped", life.name));
        }
    }

    /// Loses its connection to the broker, and has a new one after a while.
    pub async fn lose_broker(&self, rng: &mut Rng) {
        if let Some(life) = &self.running {
            self.site
                .teller
                .say(|| format!("{} loses the broker", life.name));
            let limit = Options::default().delivery_limit;
            self.site.broker.disconnect(&life.name, limit);
            tokio::time::sleep(seconds(rng, 0.05, 5.0)).await;
            self.site.broker.connect(&life.name);
        }
    }

    /// Its clock is wrong from now on.
    pub fn set_wrong_by(&self, by: SignedDuration) {
        if let Some(life) = &self.running {
            self.site
                .teller
                .say(|| format!("the clock of {} is wrong by {by:#}", life.name));
            life.clock.set_wrong_by(by);
        }
    }

    pub fn role(&self) -> Role {
        self.role
    }

    /// The weather has cleared.
    pub fn recover(&mut self) {
        self.start();
        if let Some(life) = &self.running {
            self.site.broker.connect(&life.name);
            life.clock.set_wrong_by(SignedDuration::ZERO);
        }
    }
}

/// What the weather does to processes, one thing after the other.
pub async fn suffer(processes: &mut [Process], sky: &Sky, seed: u64) {
    let mut rng = Rng::with_seed(seed ^ 0x5eed);
    let mut strikes = Vec::new();
    for kind in [
        Kind::BrokerConnections,
        Kind::LostLog,
        Kind::RedirectorsStop,
        Kind::RedirectorsDie,
        Kind::IngestsDie,
        Kind::WrongClocks,
    ] {
        let times = sky.strikes(kind, 4);
        strikes.extend(times.into_iter().map(|at| (at, kind)));
    }
    strikes.sort_by_key(|(at, _)| *at);
    let began = tokio::time::Instant::now();
    for (at, kind) in strikes {
        tokio::time::sleep_until(began + at).await;
        let role = match kind {
            Kind::RedirectorsStop | Kind::RedirectorsDie => Some(Role::Redirector),
            Kind::IngestsDie => Some(Role::Ingest),
            _ => None,
        };
        let concerned: Vec<usize> = (0..processes.len())
            .filter(|index| role.is_none_or(|role| processes[*index].role() == role))
            .collect();
        let process = &mut processes[concerned[rng.usize(..concerned.len())]];
        match kind {
            Kind::BrokerConnections => process.lose_broker(&mut rng).await,
            Kind::LostLog => process.site.broker.lose_intents(),
            Kind::RedirectorsStop => process.stop().await,
            Kind::WrongClocks => {
                let minutes = rng.i64(-20..=20);
                process.set_wrong_by(SignedDuration::from_mins(minutes));
            }
            _ => process.kill(),
        }
        if role.is_some() {
            tokio::time::sleep(seconds(&mut rng, 0.0, 8.0)).await;
            process.start();
        }
    }
}

/// How long after the weather has cleared somebody may still be on hold.
pub fn patience(settings: &RedirectorArgs) -> Duration {
    let late = crate::weather::TWILIO_LATE + Duration::from_secs(5);
    let sweep = match settings.sweep_interval.as_deref() {
        Some("0s") => 0,
        _ => 30 + 10,
    };
    // Two looks and some requests.
    late + Duration::from_secs(sweep + 10)
}
