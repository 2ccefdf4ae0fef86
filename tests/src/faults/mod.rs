//! Faults, injected for real while callers come in steadily, and what must hold after each.
//!
//! A [`Scenario`] is defined once. The tests run each by itself, in a short form; `tests/chaos` runs
//! them at random, one after the other on the same processes, for as long as it is told.

mod arena;
pub mod broker;
pub mod callbacks;
pub mod chaos;
pub mod conditions;
pub mod disk;
pub mod late;
mod load;
pub mod processes;
pub mod table;
pub mod twice;
pub mod twilio;
pub mod vanished;
mod verdict;
mod waits;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ::twilio::CallSid;
use futures::future::BoxFuture;
use simulator::{Caller, State};

pub use arena::{Arena, Between, Broker, Plan};
pub use conditions::Conditions;
pub use load::Load;
pub use verdict::Figures;

use crate::PATIENCE;

/// Calls a second in the tests.
const RATE: f64 = 20.0;

/// For the rows in which no callback may be refused: a machine short of processors isn't their fault.
const BUSY_MACHINE: (&str, &str) = ("PUBLISH_TIMEOUT", "10s");

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A fault, and what must hold.
pub struct Scenario {
    /// Names it in the table and its file.
    pub name: &'static str,
    /// What goes wrong, as the table says it.
    pub fault: &'static str,
    /// What must hold, as the table says it.
    pub promise: &'static str,
    /// Which queue it is shown with.
    pub between: Between,
    /// Whether the other queue can't have it.
    pub that_queue_only: bool,
    /// Settings that it needs.
    pub settings: &'static [(&'static str, &'static str)],
    /// What its processes run in.
    pub conditions: Conditions,
    /// Whether the spools or the embedded queue must lie on a disk that can be filled.
    pub needs_disk: bool,
    /// The fault, from its beginning until it is over. It waits until it has been felt: a fault that
    /// did not strike shows nothing.
    pub strike: for<'a> fn(&'a mut Arena) -> BoxFuture<'a, ()>,
    /// The reasons of dead letters that are left of callers who were redirected all the same.
    pub dead_letters: &'static [&'static str],
    /// Whether each callback that is answered must have a 2xx, and none stay without.
    pub keeps_callbacks: bool,
}

impl Scenario {
    /// What most have in common: the queue is RabbitMQ, and nobody becomes a dead letter.
    const BASE: Self = Self {
        name: "",
        fault: "",
        promise: "",
        between: Between::RabbitMq,
        that_queue_only: false,
        settings: &[],
        conditions: Conditions::GOOD,
        needs_disk: false,
        strike: |_| Box::pin(async {}),
        dead_letters: &[],
        keeps_callbacks: false,
    };
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        broker::ALL,
        processes::ALL,
        twilio::ALL,
        late::ALL,
        twice::ALL,
        callbacks::ALL,
        disk::ALL,
        vanished::ALL,
        conditions::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Runs a scenario by itself, and keeps its figures for the table.
///
/// # Panics
/// A promise is broken; the message lists each caller concerned.
pub async fn run(scenario: &'static Scenario) {
    let disk = match scenario.needs_disk {
        true => match disk::Disk::mount() {
            None => return,
            mounted => mounted,
        },
        false => None,
    };
    let patience = scenario.keeps_callbacks.then_some(&BUSY_MACHINE);
    let settings = scenario.settings.iter().chain(patience);
    let mut arena = Arena::build(Plan {
        between: scenario.between,
        settings: settings
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        conditions: scenario.conditions,
        disk,
        rate: RATE,
        seed: 1,
        longer: false,
    })
    .await;
    arena.calls(20).await;
    (scenario.strike)(&mut arena).await;
    arena.calls(20).await;
    let figures = settle(&mut arena, scenario.dead_letters).await;
    for reason in scenario.dead_letters {
        assert!(
            figures.dead_letters.contains_key(*reason),
            "none of {reason}"
        );
    }
    if scenario.keeps_callbacks {
        let without = figures.without_callback;
        assert_eq!(without, 0, "callbacks were never answered with a 2xx");
        // Twilio's repetitions, which are few, would hide a spool that fails for a while.
        let journal = arena.twilio().journal();
        let answered = journal.callbacks().map(|sent| sent.outcome);
        let refused =
            answered.filter(|outcome| outcome.status().is_some() && !outcome.is_success());
        assert_eq!(refused.count(), 0, "answers to callbacks were no 2xx");
    }
    table::keep(scenario, &figures);
}

/// Ends the load, waits until everybody is taken care of, and judges.
async fn settle(arena: &mut Arena, reasons: &[&str]) -> Figures {
    let callers = arena.load.stop().await;
    nobody_waits(arena, &callers, reasons).await;
    arena.nothing_is_left().await;
    let dead = verdict::dead_letters(&arena.stack).await;
    let journal = arena.twilio().journal();
    match verdict::judge(&journal, &callers, &dead, reasons) {
        Ok(figures) => figures,
        Err(broken) => panic!("{} promises broken:\n{}", broken.len(), broken.join("\n")),
    }
}

/// Waits until each caller is redirected, gone or a dead letter for good. Whoever's event never reached
/// us, or whose message was given up, is left to a sweep, which finds them also where the scenario is
/// without one.
async fn nobody_waits(arena: &mut Arena, callers: &[Caller], reasons: &[&str]) {
    let began = Instant::now();
    let mut sweeps = false;
    let mut dead = HashMap::new();
    while began.elapsed() < PATIENCE {
        let seen = arena
            .twilio()
            .wait_until(|state| state.waiting_count() <= dead.len());
        if tokio::time::timeout(LOOK_EVERY, seen).await.is_ok() {
            return;
        }
        dead = verdict::dead_letters(&arena.stack).await;
        let given_up = |_: &CallSid, reason: &mut String| reasons.contains(&reason.as_str());
        let given_up: HashMap<_, _> = dead.extract_if(given_up).collect();
        if sweeps || began.elapsed() < LOOK_EVERY * 2 {
            continue;
        }
        let accepted = verdict::accepted(&arena.twilio().journal());
        let waits = |caller: &&Caller| {
            let waiting = |state: &State| state.is_waiting(&caller.call_sid);
            arena.twilio().inspect(waiting) && !dead.contains_key(&caller.call_sid)
        };
        let mut waiting = callers.iter().filter(waits);
        if waiting.all(|caller| {
            let call = &caller.call_sid;
            !accepted.contains(call) || given_up.contains_key(call)
        }) {
            let settings = [("SWEEP_INTERVAL", "1s"), ("SWEEP_GRACE", "1s")];
            let settings = settings.map(|(name, value)| (name, value.to_owned()));
            let sweeper = arena.stack.start_redirector_with(&settings).await;
            arena.stack.redirectors.push(sweeper);
            sweeps = true;
        }
    }
}
