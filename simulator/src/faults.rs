//! Faults on demand: what goes wrong, where, and how often.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use twilio::CallSid;

use crate::events::EventKind;
use crate::http::Endpoint;

/// What goes wrong with an API request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answered with an error; nothing is changed.
    Status {
        /// The HTTP status.
        status: u16,
        /// Twilio's error code.
        code: u32,
        /// `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// Worked on later. The change is made even if the client has left by then.
    Delay {
        /// How much later.
        #[serde(rename = "ms", with = "millis")]
        by: Duration,
    },
    /// Never answered and never worked on; the connection stays open until the client leaves.
    Hang,
    /// The connection is reset before anything is changed.
    Reset,
    /// The change is made, and its answer never reaches the client.
    LoseAnswer(Loss),
}

/// How an answer gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The connection is reset.
    Reset,
    /// The connection is closed in order.
    Close,
    /// The connection stays open, silent, until the client leaves.
    Hang,
}

impl Fault {
    /// 500, "An internal server error has occurred".
    pub const INTERNAL_SERVER_ERROR: Self = Self::status(500, 20500);
    /// 503, "Service unavailable".
    pub const SERVICE_UNAVAILABLE: Self = Self::status(503, 20503);
    /// 401, "Authenticate", as for a revoked token.
    pub const UNAUTHORIZED: Self = Self::status(401, 20003);
    /// 404, "The requested resource was not found", whether or not there is one.
    pub const NOT_FOUND: Self = Self::status(404, 20404);
    /// 429, "Too Many Requests", without `Retry-After`.
    pub const TOO_MANY_REQUESTS: Self = Self::status(429, 20429);

    const fn status(status: u16, code: u32) -> Self {
        Self::Status {
            status,
            code,
            retry_after: None,
        }
    }

    /// 429, "Too Many Requests", with `Retry-After` in seconds.
    pub const fn too_many_requests(retry_after: u32) -> Self {
        Self::Status {
            status: 429,
            code: 20429,
            retry_after: Some(retry_after),
        }
    }
}

/// How often a rule applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Every time.
    #[default]
    Always,
    /// The next so many times, then no more.
    Next(u32),
    /// Not the next so many times, then every time.
    After(u32),
    /// With this probability, from 0 to 1.
    Probability(f64),
}

impl When {
    fn applies(&mut self, random: &mut StdRng) -> bool {
        match self {
            Self::Always => true,
            Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
            Self::After(0) => true,
            Self::After(left) => {
                *left -= 1;
                false
            }
            Self::Probability(p) => random.random::<f64>() < *p,
        }
    }
}

/// A fault of API requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The operations that it concerns; all if empty.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// The calls in whose paths it strikes; all, and what is of no call, if empty.
    #[serde(default)]
    pub calls: HashSet<CallSid>,
    /// What goes wrong.
    pub fault: Fault,
    /// How often.
    #[serde(default)]
    pub when: When,
}

impl Rule {
    /// `fault` on every request of `endpoints`.
    pub fn on(endpoints: impl IntoIterator<Item = Endpoint>, fault: Fault) -> Self {
        Self {
            endpoints: endpoints.into_iter().collect(),
            calls: HashSet::new(),
            fault,
            when: When::Always,
        }
    }

    /// `fault` on every request.
    pub fn everywhere(fault: Fault) -> Self {
        Self::on([], fault)
    }

    /// Only on requests for these calls.
    pub fn of(self, calls: impl IntoIterator<Item = CallSid>) -> Self {
        Self {
            calls: calls.into_iter().collect(),
            ..self
        }
    }

    /// Only the next `count` times.
    pub fn next(self, count: u32) -> Self {
        Self {
            when: When::Next(count),
            ..self
        }
    }

    /// From the next but `count` on.
    pub fn after(self, count: u32) -> Self {
        Self {
            when: When::After(count),
            ..self
        }
    }

    /// Only with this probability, from 0 to 1.
    pub fn with_probability(self, probability: f64) -> Self {
        Self {
            when: When::Probability(probability),
            ..self
        }
    }

    fn concerns(&self, endpoint: Endpoint, call: Option<CallSid>) -> bool {
        (self.endpoints.is_empty() || self.endpoints.contains(&endpoint))
            && (self.calls.is_empty() || call.is_some_and(|call| self.calls.contains(&call)))
    }
}

/// What goes wrong with a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackFault {
    /// It is never sent.
    Drop,
    /// It is delivered, and some time later delivered again.
    Duplicate {
        /// From the first sending to the second.
        #[serde(rename = "after_ms", with = "millis")]
        after: Duration,
    },
    /// It is signed with a token that is not the account's.
    Forge,
}

/// A fault of callbacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackRule {
    /// The event types that it concerns; all if empty.
    #[serde(default)]
    pub events: Vec<EventKind>,
    /// What goes wrong.
    pub fault: CallbackFault,
    /// How often.
    #[serde(default)]
    pub when: When,
}

/// Names a rule, for its removal.
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

/// What one request has to go through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

impl Fate {
    /// For the journal: the fault that decided, or else the delay.
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

    /// Adds a rule. Rules are asked in the order in which they were added: delays add up, of the
    /// other faults the first that applies decides.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut rules = self.0.lock();
        let id = rules.fresh_id();
        rules.requests.push((id, rule));
        id
    }

    /// Adds a rule for callbacks; the first that applies decides.
    pub fn add_for_callbacks(&self, rule: CallbackRule) -> RuleId {
        let mut rules = self.0.lock();
        let id = rules.fresh_id();
        rules.callbacks.push((id, rule));
        id
    }

    /// Removes a rule; whether it was still there.
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

    /// What a request has to go through; `call` is the one that its path names.
    pub(crate) fn for_request(&self, endpoint: Endpoint, call: Option<CallSid>) -> Fate {
        let mut rules = self.0.lock();
        let Rules {
            requests, random, ..
        } = &mut *rules;
        let mut fate = Fate::default();
        for (_, rule) in requests {
            let concerned = rule.concerns(endpoint, call);
            let delays = matches!(rule.fault, Fault::Delay { .. });
            if !concerned || (fate.fault.is_some() && !delays) || !rule.when.applies(random) {
                continue;
            }
            match rule.fault {
                Fault::Delay { by } => fate.delay += by,
                fault => fate.fault = Some(fault),
            }
        }
        fate
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

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u128(time.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
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
        let fate = faults.for_request(Endpoint::ListTask, None);
        assert_eq!(fate.fault, Some(Fault::Reset));
        assert_eq!(fate.delay, Duration::from_millis(40));
        assert!(faults.remove(reset));
        let fate = faults.for_request(Endpoint::ListTask, None);
        assert_eq!(fate.fault, Some(Fault::Hang));
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
