//! The whole pair in a simulated world: the real ingest and the real redirectors, one thread,
//! tokio's paused clock, one seed. Twilio is the simulator, called in process; the queue is in
//! memory; between them is a weather that the seed decides. The simulator's journal judges.

mod callbacks;
mod dead_letters;
mod judge;
mod kind;
mod ladder_judge;
mod ladders;
mod life;
pub mod load;
mod outcome_judge;
mod panics;
mod people;
mod processes;
mod promises;
mod setup;
mod story;
mod strikes;
mod twilio_side;
mod weather;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use queue::Content;
use simulator::{Fate, Moment, Simulator, State};
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;
use twilio::CallSid;

pub use kind::{Kind, UnknownKind, kinds_of};
pub use promises::{Broken, Promise};
pub use setup::Told;
pub use story::Line;
pub use twilio_side::{inward, outward};

use judge::{Terms, judge};
use ladder_judge::is_on_a_ladder;
use people::Person;
use promises::Promise::*;
use setup::{Setup, Stage};
use story::story_of;
use weather::CLEARS_AFTER;

/// When the last of what the weather has delayed has come.
const ENDS_AFTER: Duration = Duration::from_secs(320);
/// How long after a redirect it is seen to that something became of the caller, here.
pub(crate) const LATER: Duration = Duration::from_secs(60);
/// By then it is known of everybody.
const FOLLOWED_UP_AFTER: Duration = Duration::from_secs(30 * 60);
/// No ladder takes longer.
const LONGEST_LADDER: Duration = Duration::from_secs(3_600);

/// One world: what was lived in it, and what was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Its seed.
    pub seed: u64,
    /// Its weather and its people.
    pub kinds: Vec<Kind>,
    told: Told,
    /// How many callers lived in it.
    pub lives: usize,
    /// How it ended for those who came onto a ladder.
    pub fates: Vec<Fate>,
    /// The promises broken.
    pub broken: Vec<Broken>,
    /// What happened.
    pub lines: Vec<Line>,
    /// What a person would call whom the lines name by a SID.
    names: BTreeMap<String, String>,
}

impl World {
    /// Lives the world of a seed, with the weather that the seed draws.
    pub fn of(seed: u64) -> Self {
        Self::with(seed, &kinds_of(seed))
    }

    /// The same with other weather.
    pub fn with(seed: u64, kinds: &[Kind]) -> Self {
        Self::told(seed, kinds, Told::default())
    }

    /// The same with redirectors that are told what may not be so.
    pub fn told(seed: u64, kinds: &[Kind], told: Told) -> Self {
        let counted = panics::count();
        let mut world = on_paused_clock(live(seed, kinds, told));
        if panics::count() > counted {
            world.broken.push(Broken {
                promise: Panic,
                call: None,
            });
        }
        world
    }

    /// The world with as little weather as still breaks one of the promises: kinds that aren't
    /// needed are taken away one at a time.
    pub fn smallest(self) -> Self {
        let wanted = self.broken.first().map(|broken| broken.promise);
        let breaks = |world: &Self| world.broken.iter().any(|b| Some(b.promise) == wanted);
        let mut smallest = self;
        loop {
            let fewer = (0..smallest.kinds.len()).map(|without| {
                let mut kinds = smallest.kinds.clone();
                kinds.remove(without);
                Self::told(smallest.seed, &kinds, smallest.told)
            });
            match fewer.into_iter().find(breaks) {
                Some(smaller) => smallest = smaller,
                None => return smallest,
            }
        }
    }

    /// What was broken and how it came to it, for a person to read.
    pub fn story(&self) -> String {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
        let mut story = format!("seed {}, weather {}", self.seed, kinds.join(","));
        let Some(broken) = self.broken.first() else {
            return story + ": every promise was kept\n";
        };
        story.push_str(&format!(": {}\n", broken.promise.broken()));
        story + &story_of(&self.lines, broken.call, &self.names)
    }
}

/// Runs `story` to its end in this thread, on a clock that stands still while somebody works.
fn on_paused_clock<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime without sockets can be made");
    runtime.block_on(story)
}

async fn live(seed: u64, kinds: &[Kind], told: Told) -> World {
    fastrand::seed(seed);
    let mut rng = Rng::with_seed(seed);
    let began = Instant::now();
    let setup = Setup::draw(seed, kinds, &told);
    let Stage {
        simulator,
        wire,
        ingests,
        struck,
        sky,
        mut moments,
    } = setup.stage(seed, kinds);
    let teller = wire.teller.clone();
    let (here, all): (Arc<[Kind]>, _) = (kinds.into(), &simulator);
    for number in 1..=setup.callers {
        let person = Person {
            simulator: Arc::clone(all),
            number,
            kinds: Arc::clone(&here),
            rng: rng.fork(),
            teller: teller.clone(),
            began,
            climbs: setup.ladders.are_there(),
        };
        tokio::spawn(person.live());
    }
    let watched = dead_letters::watch(&struck, &wire, kinds);
    let watched = tokio::spawn(watched);

    // What it is at when the weather clears, it leaves.
    let _ = tokio::time::timeout_at(began + CLEARS_AFTER, struck.suffer(&sky, seed)).await;
    tokio::time::sleep_until(began + CLEARS_AFTER).await;
    struck
        .processes
        .iter()
        .for_each(|process| process.recover());
    teller.say("the weather has cleared");
    tokio::time::sleep_until(began + ENDS_AFTER).await;
    if setup.ladders.are_there() {
        let over = simulator.wait_until(|state| !state.journal().callers().any(is_on_a_ladder));
        let _ = tokio::time::timeout(LONGEST_LADDER, over).await;
    }
    watched.abort();

    for call in ingests.lost() {
        wire.notes.broken(EventLost, Some(call));
    }
    let is_over = |call: &CallSid| simulator.inspect(|state| !state.is_in_progress(call));
    let still_to_be_told = || {
        let messages = struck.broker.messages().into_iter();
        let calls = messages.flat_map(|message| match message.content() {
            Ok(Content::Redirected(redirected)) => {
                redirected.iter().map(|one| one.call_sid).collect()
            }
            Ok(Content::Outcome(outcome)) => vec![outcome.call_sid],
            _ => Vec::new(),
        });
        calls.into_iter().any(|call| is_over(&call))
    };
    let until = Instant::now() + FOLLOWED_UP_AFTER;
    while still_to_be_told() && Instant::now() < until {
        tokio::time::sleep(LATER).await;
    }
    for message in struck.broker.messages().iter().chain(&ingests.spooled()) {
        let unsettled = match message.content() {
            // It is seen to again and again for as long as somebody talks.
            Ok(Content::Redirected(redirected)) => {
                let calls = redirected.into_iter().map(|one| one.call_sid);
                calls.filter(is_over).map(Some).collect()
            }
            other => vec![other.ok().and_then(|content| content.call_sid())],
        };
        for call in unsettled {
            wire.notes.broken(NeverSettled, call);
        }
    }
    let outcomes = struck.broker.told();
    let is_exact = ![Kind::OtherPlans, Kind::ShiftedTimes]
        .iter()
        .any(|kind| kinds.contains(kind));
    for log in simulator
        .journal()
        .callers()
        .filter(|log| is_over(&log.call))
    {
        for promise in outcome_judge::promises_broken(log, &outcomes, is_exact) {
            wire.notes.broken(promise, Some(log.call));
        }
    }
    let given_up = struck.broker.dead_letters().into_iter();
    let given_up = given_up.filter_map(|letter| Some(letter.request()?.task_sid));
    let terms = Terms {
        blind: setup.blind(kinds),
        cleared: CLEARS_AFTER,
        patience: setup.patience(),
        until: simulator.inspect(State::elapsed),
        sweeps: setup.sweeps,
        given_up: given_up.collect(),
        ladder: setup
            .ladders
            .are_there()
            .then(|| setup.ladders.may_reach_a_mailbox()),
    };
    let broken = judge(&simulator, &moments_told(&mut moments), &wire.notes, terms);
    tell_what_was_heard(&simulator, &wire.teller);
    let fates = match setup.ladders.are_there() {
        true => simulator
            .journal()
            .callers()
            .filter_map(ladder_judge::fate)
            .collect(),
        false => Vec::new(),
    };
    World {
        seed,
        kinds: kinds.to_vec(),
        told,
        lives: setup.callers,
        fates,
        broken,
        lines: teller.lines(),
        names: names(&simulator),
    }
}

/// All that the simulator has told.
fn moments_told(moments: &mut Receiver<Moment>) -> Vec<Moment> {
    std::iter::from_fn(|| moments.try_recv().ok()).collect()
}

fn tell_what_was_heard(simulator: &Simulator, teller: &story::Teller) {
    use simulator::{Callee, Heard};
    for log in simulator.journal().callers() {
        for entry in &log.entries {
            let what = match &entry.heard {
                Heard::HoldMusic => "the caller hears hold music".to_owned(),
                Heard::Redirected { .. } => "the caller is redirected".to_owned(),
                Heard::ConversationCut { .. } => "the caller's conversation is cut".to_owned(),
                Heard::Dialled(dial) => format!("numbers were dialled: {:?}", dial.outcome),
                Heard::Said { text } => format!("the caller hears {text:?}"),
                Heard::Recorded { lasted } => format!("a message of {lasted:?} is recorded"),
                Heard::ApplicationError { problem } => {
                    format!("the caller hears of an application error: {problem}")
                }
                Heard::HungUp { by } => format!("the call ends: {by:?}"),
                _ => continue,
            };
            teller.say_at(entry.at, log.call, what);
        }
        for callee in &log.callees {
            let who = if callee.mailbox {
                "the mailbox"
            } else {
                "the phone"
            };
            for moment in &callee.moments {
                let what = match &moment.what {
                    Callee::Heard(_) => continue,
                    what => format!("{who} of {}: {what:?}", callee.number.as_str()),
                };
                teller.say_at(moment.at, log.call, what);
            }
        }
    }
}

fn names(simulator: &Simulator) -> BTreeMap<String, String> {
    let callers = simulator.journal();
    let calls = callers.callers().enumerate();
    let name =
        |(number, call): (usize, CallSid)| (call.to_string(), format!("call {}", number + 1));
    calls
        .map(|(number, log)| name((number, log.call)))
        .collect()
}
