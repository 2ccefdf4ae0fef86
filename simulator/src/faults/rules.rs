//! The rules in force.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use twilio::CallSid;
use twilio::rest::Endpoint;

use super::{CallbackFault, CallbackRule, Fault, Rule};
use crate::events::EventKind;

/// Identifies a rule, so that it can be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct RuleId(u64);

/// The rules in force. Clones share them.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<Rules>>);

struct Rules {
    next_id: u64,
    requests: Vec<(RuleId, Rule)>,
    callbacks: Vec<(RuleId, CallbackRule)>,
    random: StdRng,
}

/// The faults of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RequestFaults {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

impl RequestFaults {
    /// For the journal: the fault, or else the delay.
    pub(crate) fn recorded(self) -> Option<Fault> {
        let delayed = (!self.delay.is_zero()).then_some(Fault::Delay { by: self.delay });
        self.fault.or(delayed)
    }
}

impl Faults {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Rules {
            next_id: 0,
            requests: Vec::new(),
            callbacks: Vec::new(),
            random: StdRng::seed_from_u64(seed),
        })))
    }

    /// Adds a rule. Rules apply in the order in which they were added: delays add up; of the other
    /// faults the first one counts.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut rules = self.0.lock();
        let id = rules.fresh_id();
        rules.requests.push((id, rule));
        id
    }

    /// Adds a rule for callbacks; the first one that applies counts.
    pub fn add_for_callbacks(&self, rule: CallbackRule) -> RuleId {
        let mut rules = self.0.lock();
        let id = rules.fresh_id();
        rules.callbacks.push((id, rule));
        id
    }

    /// Removes a rule; returns whether it was still there.
    pub fn remove(&self, id: RuleId) -> bool {
        let mut rules = self.0.lock();
        let before = rules.requests.len() + rules.callbacks.len();
        rules.requests.retain(|(known, _)| *known != id);
        rules.callbacks.retain(|(known, _)| *known != id);
        before > rules.requests.len() + rules.callbacks.len()
    }

    /// Removes all rules.
    pub fn clear(&self) {
        let mut rules = self.0.lock();
        rules.requests.clear();
        rules.callbacks.clear();
    }

    /// The faults of a request; `call` is the one that its path names.
    pub(crate) fn for_request(&self, endpoint: Endpoint, call: Option<CallSid>) -> RequestFaults {
        let mut rules = self.0.lock();
        let Rules {
            requests, random, ..
        } = &mut *rules;
        let mut faults = RequestFaults::default();
        for (_, rule) in requests {
            let concerned = rule.concerns(endpoint, call);
            let delays = matches!(rule.fault, Fault::Delay { .. });
            if !concerned || (faults.fault.is_some() && !delays) || !rule.when.applies(random) {
                continue;
            }
            match rule.fault {
                Fault::Delay { by } => faults.delay += by,
                fault => faults.fault = Some(fault),
            }
        }
        faults
    }

    pub(crate) fn for_callback(&self, kind: EventKind) -> Option<CallbackFault> {
        let mut rules = self.0.lock();
        let Rules {
            callbacks, random, ..
        } = &mut *rules;
        callbacks.iter_mut().find_map(|(_, rule)| {
            let concerned = rule.events.is_empty() || rule.events.contains(&kind);
            (concerned && rule.when.applies(random)).then_some(rule.fault)
        })
    }
}

impl Rules {
    fn fresh_id(&mut self) -> RuleId {
        self.next_id += 1;
        RuleId(self.next_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_for_the_next_two_leaves_the_third_alone() {
        let faults = Faults::seeded(1);
        faults.add(Rule::on([Endpoint::UpdateCall], Fault::Hang).next(2));
        assert_eq!(faults.for_request(Endpoint::FetchCall, None).fault, None);
        for expected in [Some(Fault::Hang), Some(Fault::Hang), None] {
            assert_eq!(
                faults.for_request(Endpoint::UpdateCall, None).fault,
                expected
            );
        }
    }

    #[test]
    fn a_rule_after_two_leaves_two_alone_and_then_none() {
        let faults = Faults::seeded(1);
        faults.add(Rule::everywhere(Fault::Hang).after(2));
        for expected in [None, None, Some(Fault::Hang), Some(Fault::Hang)] {
            assert_eq!(
                faults.for_request(Endpoint::UpdateCall, None).fault,
                expected
            );
        }
    }

    #[test]
    fn a_rule_of_a_call_concerns_no_other_and_nothing_that_is_of_none() {
        let faults = Faults::seeded(1);
        let [sick, healthy] = [1, 2].map(|n| format!("CA{n:032x}").parse().unwrap());
        faults.add(Rule::everywhere(Fault::Hang).of([sick]));
        for (call, expected) in [
            (Some(sick), Some(Fault::Hang)),
            (Some(healthy), None),
            (None, None),
        ] {
            assert_eq!(
                faults.for_request(Endpoint::UpdateCall, call).fault,
                expected
            );
        }
    }

    #[test]
    fn delays_add_up_and_the_first_other_fault_decides() {
        let faults = Faults::seeded(1);
        let delay = Fault::Delay {
            by: Duration::from_millis(20),
        };
        let reset = faults.add(Rule::everywhere(Fault::Reset));
        for rule in [Fault::Hang, delay, delay] {
            faults.add(Rule::everywhere(rule));
        }
        let drawn = faults.for_request(Endpoint::ListTask, None);
        assert_eq!(drawn.fault, Some(Fault::Reset));
        assert_eq!(drawn.delay, Duration::from_millis(40));
        assert!(faults.remove(reset));
        let drawn = faults.for_request(Endpoint::ListTask, None);
        assert_eq!(drawn.fault, Some(Fault::Hang));
    }

    #[test]
    fn the_same_seed_fails_the_same_requests() {
        let run = |seed| {
            let faults = Faults::seeded(seed);
            faults.add(Rule::everywhere(Fault::Reset).with_probability(0.3));
            (0..1000)
                .map(|_| {
                    faults
                        .for_request(Endpoint::UpdateCall, None)
                        .fault
                        .is_some()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let failed = run(7).into_iter().filter(|failed| *failed).count();
        assert!((200..400).contains(&failed), "{failed} of 1000 at 0.3");
    }
}
