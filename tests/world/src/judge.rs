//! Whether every promise was kept, by the simulator's journal.

use std::collections::BTreeSet;
use std::time::Duration;

use queue::memory::Broker;
use simulator::{CallerLog, Heard, Simulator};
use twilio::CallSid;

use crate::network::Sent;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// A caller who was moved already was updated again.
    Twice(CallSid),
    /// A caller is on hold long after the weather has cleared.
    OnHold(CallSid),
    /// The task of a caller who was on hold was closed.
    TaskClosed(CallSid),
    /// A caller who was helped is a dead letter.
    DeadLetter(CallSid),
}

impl Broken {
    /// Which kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Twice(_) => "moved twice",
            Self::OnHold(_) => "left on hold",
            Self::TaskClosed(_) => "task closed while on hold",
            Self::DeadLetter(_) => "helped, and a dead letter",
        }
    }

    /// Who it was broken to.
    pub fn call(&self) -> &CallSid {
        match self {
            Self::Twice(call)
            | Self::OnHold(call)
            | Self::TaskClosed(call)
            | Self::DeadLetter(call) => call,
        }
    }
}

/// Before an update that meets a caller whom other software has just moved, a look may have been
/// under way for this long: nobody can know better.
const JUST_NOW: Duration = Duration::from_secs(5);

/// The callers who were updated when they were not on hold.
pub fn moved_twice(simulator: &Simulator, sent: &Sent) -> Vec<Broken> {
    let journal = simulator.journal();
    let sent = sent.lock().expect("nobody panics");
    let twice = |log: &&CallerLog| {
        let mut off_hold = None;
        log.entries.iter().any(|entry| {
            match &entry.heard {
                Heard::HoldMusic => off_hold = None,
                Heard::AgentAnswered | Heard::HungUp { .. } => off_hold = Some(Duration::MAX),
                Heard::TakenOffHold => off_hold = Some(entry.at),
                Heard::Redirected { request_id, .. } => {
                    let was_sent = sent.iter().find(|(id, _)| id == request_id);
                    let was_sent = was_sent.map_or(entry.at, |(_, at)| *at);
                    let knew = |off: Duration| off == Duration::MAX || was_sent > off + JUST_NOW;
                    if off_hold.is_some_and(knew) {
                        return true;
                    }
                    off_hold = Some(Duration::MAX);
                }
                _ => {}
            }
            false
        })
    };
    let logs = journal.callers().filter(twice);
    logs.map(|log| Broken::Twice(log.call)).collect()
}

/// The callers who are on hold in the placeholder queue, though they had time enough. Without a
/// sweep only those count whose event was answered with a 2xx.
pub fn on_hold(simulator: &Simulator, broker: &Broker, sweeps: bool) -> Vec<Broken> {
    let placeholder = simulator.placeholder();
    let given_up: BTreeSet<_> = broker
        .dead_letters()
        .iter()
        .filter_map(|letter| Some(letter.request()?.task_sid))
        .collect();
    simulator.inspect(|state| {
        let waits = |call: &CallSid| {
            let Some(task) = state.task_of(call) else {
                return false;
            };
            let in_placeholder = state
                .task(&task)
                .is_some_and(|task| task.queue == placeholder);
            let answered = || {
                let mut events = state.journal().callbacks();
                let entered = state.entered_event(&task);
                events.any(|event| Some(event.event) == entered && event.outcome.is_success())
            };
            in_placeholder && !given_up.contains(&task) && (sweeps || answered())
        };
        let callers = state.callers_still_waiting().into_iter().filter(waits);
        callers.map(Broken::OnHold).collect()
    })
}
