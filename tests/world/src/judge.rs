//! Whether every promise was kept, by the simulator's journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use simulator::{CallerLog, EventKind, Heard, Moment, Simulator, Story};
use twilio::{CallSid, TaskQueueSid, TaskSid};

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// A caller whom we had moved was updated again.
    MovedTwice,
    /// A conversation with somebody else was cut.
    ConversationCut,
    /// A caller was moved whose task had not come to the placeholder queue.
    MovedTooEarly,
    /// A caller is on hold long after the weather has cleared.
    LeftOnHold,
    /// The task of a caller who was on hold was closed.
    TaskClosed,
    /// The task of a conference, transfer or consultation was closed.
    TransferClosed,
    /// A caller who was helped is a dead letter.
    DeadLetter,
    /// A caller who waits is a dead letter, though Twilio could be reached.
    GivenUp,
    /// An event was answered with a 2xx and is nowhere.
    EventLost,
    /// A request never came to an end.
    NeverSettled,
    /// Something of ours panicked.
    Panic,
}

impl Promise {
    /// In words.
    pub fn broken(self) -> &'static str {
        match self {
            Self::MovedTwice => "a caller was moved twice",
            Self::ConversationCut => "a conversation was cut",
            Self::MovedTooEarly => "a caller was moved before the placeholder queue",
            Self::LeftOnHold => "a caller was left on hold",
            Self::TaskClosed => "the task of a caller on hold was closed",
            Self::TransferClosed => "the task of a transfer was closed",
            Self::DeadLetter => "a caller was helped, and is a dead letter",
            Self::GivenUp => "a caller was given up, though Twilio said that they wait",
            Self::EventLost => "an event was answered with 2xx, and is lost",
            Self::NeverSettled => "a request never came to an end",
            Self::Panic => "something panicked",
        }
    }
}

/// A promise that was broken, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// To whom, where it is known.
    pub call: Option<CallSid>,
}

/// What is noticed while it happens. Clones are the same.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    broken: Vec<Broken>,
    /// When each update was sent, by Twilio's name of it.
    sent: BTreeMap<String, Duration>,
    requests: usize,
    updates: usize,
}

impl Notes {
    /// A promise is broken.
    pub fn broken(&self, promise: Promise, call: Option<CallSid>) {
        self.with(|noted| noted.broken.push(Broken { promise, call }));
    }

    /// A request is made to Twilio.
    pub fn request(&self, updates: bool) {
        self.with(|noted| {
            noted.requests += 1;
            noted.updates += usize::from(updates);
        });
    }

    /// How many requests were made to Twilio.
    pub fn requests(&self) -> usize {
        self.with(|noted| noted.requests)
    }

    /// How many of them were updates of calls.
    pub fn updates(&self) -> usize {
        self.with(|noted| noted.updates)
    }

    /// An update is carried out that was sent at `at`.
    pub fn sent(&self, request_id: &str, at: Duration) {
        self.with(|noted| noted.sent.insert(request_id.to_owned(), at));
    }

    fn with<T>(&self, what: impl FnOnce(&mut Noted) -> T) -> T {
        what(&mut self.0.lock())
    }
}

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
    let (mut broken, sent) = notes.with(|noted| (noted.broken.clone(), noted.sent.clone()));
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
        let promises = caller.promises_broken().into_iter();
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
