//! What can go wrong between any two, and when.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use queue::memory::{Fate, Loss, Operation};
use tokio::time::Instant;

/// How long the weather lasts.
pub const CLEARS_AFTER: Duration = Duration::from_secs(120);
/// How late Twilio carries out an update at the most.
pub const TWILIO_LATE: Duration = Duration::from_secs(30);

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $name:literal;)*) => {
        /// A kind of weather.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[doc = $doc])* $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// Twilio answers slowly, up to longer than we wait.
    SlowAnswers = "slow-answers";
    /// Requests reach Twilio late, after their client has given up.
    LateRequests = "late-requests";
    /// Requests are lost on their way.
    LostRequests = "lost-requests";
    /// Answers are lost, their requests carried out.
    LostAnswers = "lost-answers";
    /// Connections are refused.
    Refused = "refused";
    /// `429`, with `Retry-After` sane and insane.
    TooMany = "too-many";
    /// `5xx`, carried out or not.
    ServerErrors = "server-errors";
    /// `401` for a while.
    Unauthorized = "unauthorized";
    /// A wrong `404`, once or for a while.
    NotFound = "not-found";
    /// `429` from TaskRouter only.
    TaskRouterRefuses = "taskrouter-refuses";
    /// Event callbacks are lost.
    LostCallbacks = "lost-callbacks";
    /// Event callbacks come twice, at once or later.
    DoubledCallbacks = "doubled-callbacks";
    /// Event callbacks come minutes late.
    LateCallbacks = "late-callbacks";
    /// Events come by Event Streams, too.
    BothWays = "both-ways";
    /// Connections to the broker are lost.
    BrokerConnections = "broker-connections";
    /// Confirms of the broker are lost.
    LostConfirms = "lost-confirms";
    /// The broker is slow.
    SlowBroker = "slow-broker";
    /// The log of intents is lost and made anew.
    LostLog = "lost-log";
    /// Redirectors stop in order and start again.
    RedirectorsStop = "redirectors-stop";
    /// Redirectors are killed and start again.
    RedirectorsDie = "redirectors-die";
    /// Ingests are killed and start again.
    IngestsDie = "ingests-die";
    /// The spool is full.
    FullSpool = "full-spool";
    /// Clocks are wrong by minutes.
    WrongClocks = "wrong-clocks";
}

impl Kind {
    /// Whether Twilio can't be asked while it blows.
    pub fn is_of_the_api(self) -> bool {
        self <= Self::TaskRouterRefuses
    }
}

/// What befalls a request to Twilio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestFate {
    /// On its way there.
    pub there: Duration,
    /// On the answer's way back.
    pub back: Duration,
    /// What goes wrong with it.
    pub fault: Option<Fault>,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection.
    NotSent,
    /// It never arrives; its client waits.
    Lost,
    /// It is carried out, and the connection reset.
    Reset,
    /// It is carried out, and its client waits for the answer.
    Silence,
    /// It is answered so, carried out or not.
    Status {
        /// The status.
        status: u16,
        /// `Retry-After`.
        retry_after: Option<u64>,
        /// Whether it is carried out.
        carried_out: bool,
    },
}

/// What befalls an event callback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallbackFate {
    /// When each copy arrives; none if it is lost.
    pub copies: Vec<Duration>,
}

/// Which request it is, as far as the weather cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An update of a call.
    Update,
    /// Another request to the 2010 API.
    Api,
    /// A request to TaskRouter.
    TaskRouter,
}

/// The weather of one world. Clones are the same.
#[derive(Clone)]
pub struct Sky(Arc<Mutex<State>>);

struct State {
    kinds: Vec<Gust>,
    began: Instant,
    calm: Rng,
}

/// One kind of weather in this world.
struct Gust {
    kind: Kind,
    /// When it blows, since the beginning.
    from: Duration,
    to: Duration,
    /// How likely it hits.
    strength: f64,
    rng: Rng,
}

impl Sky {
    /// The weather of a seed, of which only `kinds` blow.
    pub fn new(seed: u64, kinds: &[Kind]) -> Self {
        let gust = |kind: Kind| {
            // Each of its own, so that the others stay as they are where one is taken away.
            let mut rng = Rng::with_seed(seed ^ (kind as u64 + 1).wrapping_mul(0x9e37_79b9));
            let from = seconds(&mut rng, 0.0, 60.0);
            let to = from + seconds(&mut rng, 5.0, 90.0);
            Gust {
                kind,
                from,
                to: to.min(CLEARS_AFTER),
                strength: [0.1, 0.3, 0.6, 1.0][rng.usize(..4)],
                rng,
            }
        };
        Self(Arc::new(Mutex::new(State {
            kinds: kinds.iter().copied().map(gust).collect(),
            began: Instant::now(),
            calm: Rng::with_seed(seed),
        })))
    }

    /// Whether there is weather of this kind in this world.
    pub fn has(&self, kind: Kind) -> bool {
        self.with(|state| state.kinds.iter().any(|gust| gust.kind == kind))
    }

    /// When weather of this kind strikes, as told by `count` draws within its time.
    pub fn strikes(&self, kind: Kind, count: usize) -> Vec<Duration> {
        self.with(|state| {
            let Some(gust) = state.kinds.iter_mut().find(|gust| gust.kind == kind) else {
                return Vec::new();
            };
            let (from, to) = (gust.from.as_secs_f64(), gust.to.as_secs_f64());
            let mut strikes: Vec<_> = (0..count)
                .map(|_| seconds(&mut gust.rng, from, to))
                .collect();
            strikes.sort_unstable();
            strikes
        })
    }

    /// What befalls a request to Twilio.
    pub fn request(&self, target: Target) -> RequestFate {
        self.with(|state| {
            let mut fate = RequestFate {
                there: milliseconds(&mut state.calm, 5, 80),
                back: milliseconds(&mut state.calm, 5, 80),
                fault: None,
            };
            state.each(|kind, rng| {
                let status = |status, retry_after, carried_out| Fault::Status {
                    status,
                    retry_after,
                    carried_out,
                };
                let late = TWILIO_LATE.as_secs_f64();
                let fault = match kind {
                    Kind::SlowAnswers => {
                        fate.back += seconds(rng, 0.5, 15.0);
                        None
                    }
                    Kind::LateRequests => {
                        fate.there += seconds(rng, 1.0, late);
                        None
                    }
                    Kind::LostRequests => Some(Fault::Lost),
                    Kind::LostAnswers => Some([Fault::Reset, Fault::Silence][rng.usize(..2)]),
                    Kind::Refused => Some(Fault::NotSent),
                    Kind::TooMany => {
                        let retry_after = [None, Some(1), Some(20), Some(3600), Some(u64::MAX)];
                        Some(status(429, retry_after[rng.usize(..5)], false))
                    }
                    Kind::ServerErrors => {
                        let code = [500, 502, 503, 504][rng.usize(..4)];
                        Some(status(code, None, rng.bool()))
                    }
                    Kind::Unauthorized => Some(status(401, None, false)),
                    Kind::NotFound => Some(status(404, None, false)),
                    Kind::TaskRouterRefuses if target == Target::TaskRouter => {
                        Some(status(429, Some(3600), false))
                    }
                    _ => None,
                };
                fate.fault = fate.fault.or(fault);
            });
            fate
        })
    }

    /// What befalls an event callback.
    pub fn callback(&self) -> CallbackFate {
        self.with(|state| {
            let first = milliseconds(&mut state.calm, 5, 60);
            let mut copies = vec![first];
            state.each(|kind, rng| match kind {
                Kind::LostCallbacks => copies.clear(),
                Kind::DoubledCallbacks if !copies.is_empty() => {
                    let second = match rng.bool() {
                        true => milliseconds(rng, 0, 10),
                        false => seconds(rng, 0.5, 60.0),
                    };
                    copies.push(first + second);
                }
                Kind::LateCallbacks => {
                    let late = seconds(rng, 1.0, 180.0);
                    copies.iter_mut().for_each(|copy| *copy += late);
                }
                _ => {}
            });
            CallbackFate { copies }
        })
    }

    /// What befalls an operation of the queue.
    pub fn queue(&self, operation: Operation) -> Fate {
        self.with(|state| {
            let mut fate = Fate {
                delay: match operation {
                    Operation::Read => milliseconds(&mut state.calm, 1, 300),
                    _ => milliseconds(&mut state.calm, 0, 6),
                },
                loss: None,
            };
            state.each(|kind, rng| match kind {
                Kind::SlowBroker => fate.delay += seconds(rng, 0.1, 4.0),
                Kind::LostConfirms => {
                    fate.loss = Some([Loss::Request, Loss::Answer][rng.usize(..2)]);
                }
                _ => {}
            });
            fate
        })
    }

    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Calls `hit` for each kind of weather that hits now.
    fn each(&mut self, mut hit: impl FnMut(Kind, &mut Rng)) {
        let now = self.began.elapsed();
        for gust in &mut self.kinds {
            let blows = (gust.from..gust.to).contains(&now);
            if blows && gust.rng.f64() < gust.strength {
                hit(gust.kind, &mut gust.rng);
            }
        }
    }
}

/// A time between.
pub fn seconds(rng: &mut Rng, from: f64, to: f64) -> Duration {
    Duration::from_secs_f64(from + rng.f64() * (to - from))
}

fn milliseconds(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.u64(from..=to))
}
