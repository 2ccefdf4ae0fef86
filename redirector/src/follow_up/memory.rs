//! What is known of callers after the redirect: by what was told, in whichever process.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use queue::{Content, LATER, Redirected};
use tokio::time::{Duration, Instant};
use twilio::{CallSid, TaskSid};

/// How long something is remembered at least: it is needed until a redirect comes out of
/// [`queue::Lane::Later`], and what is on the queue meanwhile may come late.
pub(super) const REMEMBERED: Duration = Duration::from_secs(2 * LATER.as_secs());

/// What is known of callers after the redirect.
pub(crate) struct Memory(Mutex<Generations>);

struct Generations {
    young: Known,
    /// As it was when the young one began.
    old: Known,
    began: Instant,
}

#[derive(Default)]
struct Known {
    outcomes: HashSet<String>,
    ended: HashSet<CallSid>,
    tasks: HashMap<CallSid, TaskSid>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Generations {
            young: Known::default(),
            old: Known::default(),
            began: Instant::now(),
        }))
    }

    /// Takes in what was told.
    pub(super) fn learn(&self, told: &Content) {
        let mut known = self.0.lock();
        known.age();
        match told {
            Content::Redirected(redirected) => {
                redirected.iter().for_each(|one| known.redirected(one));
            }
            Content::Outcome(outcome) => {
                known.young.outcomes.insert(outcome.id.clone());
                if outcome.caller.is_some() {
                    known.young.ended.insert(outcome.call_sid);
                }
            }
            Content::Redirect(_) | Content::Notify(_) => {}
        }
    }

    /// Takes in a redirect before others are told.
    pub(super) fn redirected(&self, redirected: &Redirected) {
        let mut known = self.0.lock();
        known.age();
        known.redirected(redirected);
    }

    /// Whether the outcome was reported.
    pub(super) fn knows(&self, id: &str) -> bool {
        let known = self.0.lock();
        known.young.outcomes.contains(id) || known.old.outcomes.contains(id)
    }

    /// Whether the outcome is new. From now on it isn't.
    pub(super) fn claim(&self, id: &str) -> bool {
        let mut known = self.0.lock();
        known.age();
        !known.old.outcomes.contains(id) && known.young.outcomes.insert(id.to_owned())
    }

    /// Whether the caller's end is known.
    pub(super) fn has_ended(&self, call: &CallSid) -> bool {
        let known = self.0.lock();
        known.young.ended.contains(call) || known.old.ended.contains(call)
    }

    /// The task that stood for the caller.
    pub(super) fn task(&self, call: &CallSid) -> Option<TaskSid> {
        let known = self.0.lock();
        let task = known.young.tasks.get(call);
        task.or_else(|| known.old.tasks.get(call)).copied()
    }
}

impl Generations {
    fn redirected(&mut self, redirected: &Redirected) {
        let (call, task) = (redirected.call_sid, redirected.task_sid);
        self.young.tasks.insert(call, task);
    }

    fn age(&mut self) {
        if self.began.elapsed() > REMEMBERED {
            self.old = std::mem::take(&mut self.young);
            self.began = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outcome_is_new_once_until_it_is_forgotten() {
        let memory = Memory::new();
        assert!(memory.claim("RE1"));
        assert!(!memory.claim("RE1"));
        assert!(memory.knows("RE1") && !memory.knows("RE2"));
        tokio::time::advance(REMEMBERED).await;
        assert!(!memory.claim("RE1"), "it is remembered for that long");
        tokio::time::advance(REMEMBERED * 2).await;
        memory.claim("RE2");
        tokio::time::advance(REMEMBERED * 2).await;
        assert!(memory.claim("RE1"));
    }
}
