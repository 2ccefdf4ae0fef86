//! What can go wrong between any two, and when.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use queue::memory::{Fate, Loss, Operation};
use tokio::time::Instant;

use crate::kind::Kind;

/// How long the weather lasts.
pub const CLEARS_AFTER: Duration = Duration::from_secs(120);
/// How late Twilio carries out an update at the most.
pub const TWILIO_LATE: Duration = Duration::from_secs(30);

/// What befalls a request to Twilio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestFate {
    /// From the sending to when Twilio does what was asked.
    pub there: Duration,
    /// From then until the answer is there.
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
    /// The connection is reset once the request was read. It is carried out.
    Reset,
    /// It is carried out, and its client waits for the answer.
    Silence,
    /// It is answered so at once.
    Status {
        /// The status.
        status: u16,
        /// `Retry-After`.
        retry_after: Option<u64>,
        /// Whether it is carried out all the same, and if so, how much later than the answer.
        carried_out: Option<Duration>,
    },
}

/// What befalls an event callback, or a question what comes next on a ladder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallbackFate {
    /// When each copy arrives; none if it is lost.
    pub copies: Vec<Duration>,
    /// Whether the answer to the first copy is lost.
    pub answer_lost: bool,
    /// When somebody sends it again with its times shifted into other names, under the same
    /// signature.
    pub shifted: Option<Duration>,
}

/// Which request it is, as far as the weather cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An update of a call.
    Update,
    /// Who is in a voice queue, or which there are.
    VoiceQueue,
    /// The reading of a call.
    Call,
    /// Anything of TaskRouter's.
    TaskRouter,
}

/// The weather of one world. Clones are the same.
#[derive(Clone)]
pub struct Sky(Arc<Mutex<State>>);

struct State {
    /// How long Twilio's API takes, where that is always the same.
    api: Option<Duration>,
    gusts: Vec<Gust>,
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
    /// How often it hits at the most.
    left: u32,
    rng: Rng,
}

impl Sky {
    /// The weather of a seed, of which only `kinds` blow.
    pub fn new(seed: u64, kinds: &[Kind]) -> Self {
        let gust = |kind: Kind| {
            // Each of its own, so that the others stay as they are where one is taken away.
            let mut rng = kind.rng(seed);
            let from = seconds(&mut rng, 0.0, 60.0);
            let to = from + seconds(&mut rng, 5.0, 90.0);
            Gust {
                kind,
                from,
                to: to.min(CLEARS_AFTER),
                strength: [0.1, 0.3, 0.6, 1.0][rng.usize(..4)],
                left: [1, 3, u32::MAX, u32::MAX][rng.usize(..4)],
                rng,
            }
        };
        Self(Arc::new(Mutex::new(State {
            api: None,
            gusts: kinds.iter().copied().map(gust).collect(),
            began: Instant::now(),
            calm: Rng::with_seed(seed),
        })))
    }

    /// No weather: Twilio's API takes just as long each time.
    pub fn clear(api: Duration) -> Self {
        let sky = Self::new(0, &[]);
        sky.with(|state| state.api = Some(api));
        sky
    }

    /// Whether there is weather of this kind in this world.
    pub fn has(&self, kind: Kind) -> bool {
        self.with(|state| state.gusts.iter().any(|gust| gust.kind == kind))
    }

    /// Whether weather of this kind blows now.
    pub fn blows(&self, kind: Kind) -> bool {
        self.with(|state| {
            let now = state.began.elapsed();
            let mut gusts = state.gusts.iter();
            gusts.any(|gust| gust.kind == kind && (gust.from..gust.to).contains(&now))
        })
    }

    /// When weather of this kind strikes, as told by `count` draws within its time.
    pub fn strikes(&self, kind: Kind, count: usize) -> Vec<Duration> {
        self.with(|state| {
            let Some(gust) = state.gusts.iter_mut().find(|gust| gust.kind == kind) else {
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
            if let Some(api) = state.api {
                (fate.there, fate.back) = (api / 2, api / 2);
            }
            let meets = |kind: Kind| match kind {
                Kind::LateUpdates | Kind::UpdateNotFound => target == Target::Update,
                Kind::QueueNotFound => target == Target::VoiceQueue,
                Kind::CallNotFound => target == Target::Call,
                Kind::TaskNotFound | Kind::TaskRouterRefuses => target == Target::TaskRouter,
                kind => kind.is_of_the_api(),
            };
            state.each(meets, |kind, rng| {
                let fault = befall(kind, rng, &mut fate);
                fate.fault = fate.fault.or(fault);
            });
            fate.there = fate.there.min(TWILIO_LATE);
            // However late it is, it is no later than Twilio ever is.
            match &mut fate.fault {
                Some(Fault::Reset) => fate.back = fate.back.min(TWILIO_LATE - fate.there),
                Some(Fault::Status {
                    carried_out: Some(later),
                    ..
                }) => {
                    fate.back = fate.back.min(TWILIO_LATE - fate.there);
                    *later = (*later).min(TWILIO_LATE - fate.there - fate.back);
                }
                _ => {}
            }
            fate
        })
    }

    /// How long a process pauses before it sends something.
    pub fn pause(&self) -> Duration {
        self.with(|state| {
            let mut pause = Duration::ZERO;
            let meets = |kind| kind == Kind::Pauses;
            state.each(meets, |_, rng| pause = seconds(rng, 0.1, 2.9));
            pause
        })
    }

    /// What befalls an event callback, or a question what comes next on a ladder.
    pub fn callback(&self, on_ladder: bool) -> CallbackFate {
        self.with(|state| {
            let first = milliseconds(&mut state.calm, 5, 60);
            let mut fate = CallbackFate {
                copies: vec![first],
                ..CallbackFate::default()
            };
            state.each(Kind::is_of_callbacks, |kind, rng| match kind {
                Kind::LostCallbacks => fate.copies.clear(),
                Kind::DoubledCallbacks if !fate.copies.is_empty() => {
                    let second = match rng.bool() {
                        true => milliseconds(rng, 0, 10),
                        false => seconds(rng, 0.5, 60.0),
                    };
                    fate.copies.push(first + second);
                }
                Kind::LateCallbacks => {
                    // A question is not asked for longer.
                    let longest = if on_ladder { 15.0 } else { 180.0 };
                    let late = seconds(rng, 0.5, longest);
                    fate.copies.iter_mut().for_each(|copy| *copy += late);
                }
                Kind::LostCallbackAnswers => fate.answer_lost = true,
                Kind::ShiftedTimes => fate.shifted = Some(seconds(rng, 1.0, 90.0)),
                _ => {}
            });
            fate
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
                ..Fate::default()
            };
            // A lock that was taken is known, or its holder's connection is gone.
            let loses = operation != Operation::Lock;
            let meets = |kind| match kind {
                Kind::SlowBroker => true,
                Kind::Freezes => operation == Operation::Append,
                kind => kind == Kind::LostConfirms && loses,
            };
            state.each(meets, |kind, rng| match kind {
                Kind::Freezes => fate.freeze = seconds(rng, 0.5, 20.0),
                Kind::SlowBroker => fate.delay += seconds(rng, 0.1, 4.0),
                _ => fate.loss = Some([Loss::Request, Loss::Answer][rng.usize(..2)]),
            });
            fate
        })
    }

    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        what(&mut self.0.lock())
    }
}

fn befall(kind: Kind, rng: &mut Rng, fate: &mut RequestFate) -> Option<Fault> {
    let status = |status, retry_after, carried_out| {
        Some(Fault::Status {
            status,
            retry_after,
            carried_out,
        })
    };
    let late = TWILIO_LATE.as_secs_f64();
    match kind {
        Kind::SlowAnswers => {
            fate.back += seconds(rng, 0.5, 15.0);
            None
        }
        Kind::LateUpdates => {
            fate.there += seconds(rng, 1.0, late);
            None
        }
        Kind::LostRequests => Some(Fault::Lost),
        Kind::LostAnswers => Some(Fault::Silence),
        Kind::ResetAfterRead => {
            if rng.bool() {
                fate.there += seconds(rng, 0.1, late);
            }
            Some(Fault::Reset)
        }
        Kind::Refused => Some(Fault::NotSent),
        Kind::TooMany => {
            let retry_after = [None, Some(1), Some(20), Some(3600), Some(u64::MAX)];
            status(429, retry_after[rng.usize(..5)], None)
        }
        Kind::ServerErrors => {
            // That request is over, though what it did may take a moment to show.
            let carried_out = rng.bool().then(|| seconds(rng, 0.0, 1.9));
            status([500, 503][rng.usize(..2)], None, carried_out)
        }
        Kind::BadGateways => {
            let carried_out = rng.bool().then(|| seconds(rng, 0.0, late - 1.0));
            status([502, 504][rng.usize(..2)], None, carried_out)
        }
        Kind::Unauthorized => status(401, None, None),
        Kind::NotFound
        | Kind::UpdateNotFound
        | Kind::QueueNotFound
        | Kind::CallNotFound
        | Kind::TaskNotFound => status(404, None, None),
        Kind::TaskRouterRefuses => status(429, Some(3600), None),
        _ => None,
    }
}

impl State {
    /// Calls `hit` for each kind of weather that meets and hits now.
    fn each(&mut self, meets: impl Fn(Kind) -> bool, mut hit: impl FnMut(Kind, &mut Rng)) {
        let now = self.began.elapsed();
        for gust in &mut self.gusts {
            let blows = gust.left > 0 && (gust.from..gust.to).contains(&now);
            if blows && meets(gust.kind) && gust.rng.f64() < gust.strength {
                gust.left -= 1;
                hit(gust.kind, &mut gust.rng);
            }
        }
    }
}

/// A time between.
pub fn seconds(rng: &mut Rng, from: f64, to: f64) -> Duration {
    Duration::from_millis(((from + rng.f64() * (to - from)) * 1e3) as u64)
}

fn milliseconds(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.u64(from..=to))
}
