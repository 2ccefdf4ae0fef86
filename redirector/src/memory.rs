//! What is known of callers after the redirect: by what was told, in whichever process.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use queue::{CallerEnd, Content, LATER, Outcome, Redirected};
use tokio::time::{Duration, Instant};
use twilio::{CallSid, TaskSid};

/// How long something is remembered at least: it is needed until a redirect comes out of
/// [`queue::Lane::Later`], and what is on the queue meanwhile may come late.
const REMEMBERED: Duration = Duration::from_secs(2 * LATER.as_secs());

/// How far is read back at the start: nobody may have run for a while.
pub(crate) const READ_BACK: Duration = Duration::from_secs(2 * 60 * 60);

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
    pub(crate) fn learn(&self, told: &Content) {
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
    pub(crate) fn redirected(&self, redirected: &Redirected) {
        let mut known = self.0.lock();
        known.age();
        known.redirected(redirected);
    }

    /// Whether the outcome was reported.
    pub(crate) fn knows(&self, id: &str) -> bool {
        let known = self.0.lock();
        known.young.outcomes.contains(id) || known.old.outcomes.contains(id)
    }

    /// What the outcome means for the caller. Who had somebody, or left a message, was not missed: Twilio
    /// may say both where somebody picks up as the caller hangs up.
    pub(crate) fn end(&self, outcome: &Outcome) -> Option<CallerEnd> {
        let is_by_itself = outcome.dialed_call_sid.is_none() && outcome.recording_sid.is_none();
        let is_missed = outcome.caller == Some(CallerEnd::Missed);
        let contradicts = is_by_itself && is_missed && self.has_ended(&outcome.call_sid);
        outcome.caller.filter(|_| !contradicts)
    }

    /// Whether the outcome is new. From now on it isn't.
    pub(crate) fn claim(&self, outcome: &Outcome) -> bool {
        let mut known = self.0.lock();
        known.age();
        let is_new = !known.old.outcomes.contains(&outcome.id)
            && known.young.outcomes.insert(outcome.id.clone());
        if is_new && outcome.caller.is_some() {
            known.young.ended.insert(outcome.call_sid);
        }
        is_new
    }

    /// Whether the caller's end is known.
    pub(crate) fn has_ended(&self, call: &CallSid) -> bool {
        let known = self.0.lock();
        known.young.ended.contains(call) || known.old.ended.contains(call)
    }

    /// The task that stood for the caller.
    pub(crate) fn task(&self, call: &CallSid) -> Option<TaskSid> {
        let known = self.0.lock();
        let task = known.young.tasks.get(call);
        task.or_else(|| known.old.tasks.get(call)).copied()
    }
}

impl Generations {
    fn redirected(&mut self, redirected: &Redirected) {
        let (call, task) = (redirected.call_sid, redirected.task_sid);
        let before = self.young.tasks.insert(call, task);
        let before = before.or_else(|| self.old.tasks.get(&call).copied());
        if before.is_some_and(|before| before != task) {
            // They came back, and were redirected anew.
            self.young.ended.remove(&call);
            self.old.ended.remove(&call);
        }
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
    use jiff::Timestamp;
    use queue::OutcomeKind;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outcome_is_new_once_until_it_is_forgotten() {
        let memory = Memory::new();
        let claim = |id: &str| memory.claim(&outcome(id));
        assert!(claim("RE1"));
        assert!(!claim("RE1"));
        assert!(memory.knows("RE1") && !memory.knows("RE2"));
        tokio::time::advance(REMEMBERED).await;
        assert!(!claim("RE1"), "it is remembered for that long");
        tokio::time::advance(REMEMBERED * 2).await;
        claim("RE2");
        tokio::time::advance(REMEMBERED * 2).await;
        assert!(claim("RE1"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_had_somebody_was_not_missed() {
        let memory = Memory::new();
        let missed = outcome("CA1");
        let taken = Outcome {
            caller: Some(CallerEnd::Taken),
            dialed_call_sid: Some(redirected(1).call_sid),
            ..outcome("CA2")
        };
        memory.redirected(&redirected(1));
        assert_eq!(memory.end(&missed), Some(CallerEnd::Missed));
        memory.claim(&taken);
        assert_eq!(memory.end(&missed), None);
        assert_eq!(
            memory.end(&taken),
            Some(CallerEnd::Taken),
            "they may have come back"
        );
        tokio::time::advance(REMEMBERED + Duration::from_secs(1)).await;
        memory.redirected(&redirected(1));
        assert_eq!(memory.end(&missed), None);
        memory.redirected(&redirected(2));
        assert_eq!(
            memory.end(&missed),
            Some(CallerEnd::Missed),
            "they came back"
        );
    }

    fn redirected(task: u32) -> Redirected {
        Redirected {
            account_sid: format!("AC{:032x}", 1).parse().unwrap(),
            call_sid: format!("CA{:032x}", 1).parse().unwrap(),
            task_sid: format!("WT{task:032x}").parse().unwrap(),
            plan: "sales".to_owned(),
            entered_at: Timestamp::UNIX_EPOCH,
            redirected_at: Timestamp::UNIX_EPOCH,
            in_doubt: false,
            was_over: false,
        }
    }

    fn outcome(id: &str) -> Outcome {
        Outcome {
            id: id.to_owned(),
            ..redirected(1).missed(Timestamp::UNIX_EPOCH, OutcomeKind::HungUp)
        }
    }
}
