//! Whether every promise was kept, by the simulator's journal.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use simulator::{CallerLog, EventKind, Heard, Moment, Simulator, Story};
use twilio::{CallSid, TaskQueueSid, TaskSid};

use crate::ladder_judge;
use crate::promises::{Broken, Notes, Promise};

/// What a world allows.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Before an update, nobody can know of what happened for so long.
    pub blind: Duration,
    /// When the weather cleared.
    pub cleared: Duration,
    /// How long somebody may still be on hold then.
    pub patience: Duration,
    /// Until when was watched.
    pub until: Duration,
    /// Whether callers are found whose event never arrived, or whose request is a dead letter.
    pub sweeps: bool,
    /// The tasks whose requests are dead letters.
    pub given_up: BTreeSet<TaskSid>,
    /// Whether callers come onto a ladder, and if so, whether it may lead to a mailbox.
    pub ladder: Option<bool>,
}

/// Every promise that was broken, once for each caller. `moments` are what the simulator told.
pub fn judge(
    simulator: &Simulator,
    moments: &[Moment],
    notes: &Notes,
    terms: Terms,
) -> Vec<Broken> {
    let mut entered = entered(moments, simulator.placeholder());
    let expired = expired(moments);
    for (task, at) in &expired {
        let at = entered.get(task).map_or(*at, |entered| *entered.min(at));
        entered.insert(*task, at);
    }
    let stranded = entered.clone();
    entered.retain(|task, at| {
        let (kind, at) = match expired.get(task) {
            Some(expired) => (EventKind::TaskCanceled, *expired),
            None => (EventKind::TaskQueueEntered, *at),
        };
        let known = || !terms.given_up.contains(task) && arrived(simulator, kind, task, at);
        terms.sweeps || known()
    });
    let tasks = tasks(moments);
    let none = Vec::new();
    let (mut broken, sent) = notes.taken();
    for log in simulator.journal().callers() {
        let caller = Caller {
            log,
            tasks: tasks.get(&log.call).unwrap_or(&none),
            entered: &entered,
            stranded: &stranded,
            sent: &sent,
            terms: &terms,
        };
        let call = Some(log.call);
        let mut promises = caller.promises_broken();
        if let Some(mailbox) = terms.ladder {
            let could_ask = notes.could_ask(log.call);
            promises.extend(ladder_judge::promises_broken(log, could_ask, mailbox));
        }
        let promises = promises.into_iter();
        broken.extend(promises.map(|promise| Broken { promise, call }));
    }
    broken.sort_unstable();
    broken.dedup();
    broken
}

/// When each task came to the placeholder queue.
fn entered(moments: &[Moment], placeholder: TaskQueueSid) -> BTreeMap<TaskSid, Duration> {
    let entered = |moment: &Moment| match &moment.story {
        Story::QueueEntered { task, queue, .. } if *queue == placeholder => {
            Some((*task, moment.at))
        }
        _ => None,
    };
    moments.iter().filter_map(entered).collect()
}

/// When each task's time to live was up.
fn expired(moments: &[Moment]) -> BTreeMap<TaskSid, Duration> {
    let expired = |moment: &Moment| match &moment.story {
        Story::TaskClosed { task, reason, .. }
            if reason.as_deref() == Some("Task TTL Exceeded") =>
        {
            Some((*task, moment.at))
        }
        _ => None,
    };
    moments.iter().filter_map(expired).collect()
}

/// Whether the event of a task at `at` was answered with a 2xx.
fn arrived(simulator: &Simulator, kind: EventKind, task: &TaskSid, at: Duration) -> bool {
    simulator.inspect(|state| {
        let journal = state.journal();
        // That of an earlier queue may be on its way for long.
        let was_sent = |event| journal.callbacks().find(|c| c.event == event).map(|c| c.at);
        journal.callbacks().any(|callback| {
            callback.task == Some(*task)
                && callback.kind == kind
                && callback.outcome.is_success()
                && was_sent(callback.event).is_some_and(|sent| sent >= at)
        })
    })
}

/// The tasks that stood for each caller, and since when.
fn tasks(moments: &[Moment]) -> BTreeMap<CallSid, Vec<(Duration, TaskSid)>> {
    let mut tasks: BTreeMap<CallSid, Vec<_>> = BTreeMap::new();
    for moment in moments {
        if let Story::CallPlaced { call, task } = moment.story {
            tasks.entry(call).or_default().push((moment.at, task));
        }
    }
    tasks
}

struct Caller<'a> {
    log: &'a CallerLog,
    tasks: &'a [(Duration, TaskSid)],
    /// When their tasks came to the placeholder queue, as far as we can know.
    entered: &'a BTreeMap<TaskSid, Duration>,
    /// The same of all tasks.
    stranded: &'a BTreeMap<TaskSid, Duration>,
    sent: &'a BTreeMap<String, Duration>,
    terms: &'a Terms,
}

/// Where a caller is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// On hold, and since when for want of an agent.
    Hold {
        stranded: Option<Duration>,
        /// Whether we can know of it.
        known: bool,
    },
    /// Moved by us.
    Moved,
    /// Taken by somebody else, and when.
    Taken { at: Duration },
}

impl Caller<'_> {
    fn promises_broken(&self) -> Vec<Promise> {
        let mut broken = Vec::new();
        let mut place = Place::Taken { at: Duration::ZERO };
        // From when to when they were on hold for want of an agent.
        let mut stays: Vec<(Duration, Duration)> = Vec::new();
        for entry in &self.log.entries {
            let at = entry.at;
            match &entry.heard {
                Heard::HoldMusic => {
                    place = Place::Hold {
                        stranded: self.since(at, self.stranded),
                        known: self.since(at, self.entered).is_some(),
                    };
                }
                Heard::AgentAnswered | Heard::TakenOffHold | Heard::HungUp { .. } => {
                    stays.extend(self.leaves(place, at, &mut broken));
                    place = Place::Taken { at };
                }
                Heard::Redirected { request_id, .. } => {
                    stays.extend(self.leaves(place, at, &mut broken));
                    let sent = self.sent.get(request_id).copied().unwrap_or(at);
                    let blind_since = sent.saturating_sub(self.terms.blind);
                    match place {
                        Place::Moved => broken.push(Promise::MovedTwice),
                        Place::Taken { at } if at < blind_since => {
                            broken.push(Promise::ConversationCut);
                        }
                        Place::Taken { .. } => {}
                        Place::Hold { .. } => {
                            let covers = |(from, to): &(_, _)| *from <= sent && *to >= blind_since;
                            if !stays.iter().any(covers) {
                                broken.push(Promise::MovedTooEarly);
                            }
                        }
                    }
                    place = Place::Moved;
                }
                _ => {}
            }
        }
        self.leaves(place, self.terms.until, &mut broken);
        broken
    }

    /// The caller's place ends at `at`. From when to when they were on hold for want of an agent, if
    /// they were.
    fn leaves(
        &self,
        place: Place,
        at: Duration,
        broken: &mut Vec<Promise>,
    ) -> Option<(Duration, Duration)> {
        let Place::Hold {
            stranded: Some(since),
            known,
        } = place
        else {
            return None;
        };
        if known && at >= since.max(self.terms.cleared) + self.terms.patience {
            broken.push(Promise::LeftOnHold);
        }
        (at >= since).then_some((since, at))
    }

    /// Since when the caller who is on hold since `at` is so for want of an agent.
    fn since(&self, at: Duration, entered: &BTreeMap<TaskSid, Duration>) -> Option<Duration> {
        let (_, task) = self.tasks.iter().rfind(|(since, _)| *since <= at)?;
        entered.get(task).map(|entered| at.max(*entered))
    }
}
