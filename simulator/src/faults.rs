//! Faults on demand: what goes wrong, where, and how often.

mod rules;

use std::collections::HashSet;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use twilio::CallSid;
use twilio::rest::Endpoint;

pub(crate) use rules::RequestFaults;
pub use rules::{Faults, RuleId};

use crate::events::EventKind;

/// What goes wrong with an API request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It is answered with an error; nothing is changed.
    Status {
        /// The HTTP status.
        status: u16,
        /// Twilio's error code.
        code: u32,
        /// `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// It is handled later. The change is made even if the client has left by then.
    Delay {
        /// How much later.
        #[serde(rename = "ms", with = "crate::millis")]
        by: Duration,
    },
    /// It is never handled and never answered; the connection stays open until the client leaves.
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
    /// The connection is closed properly.
    Close,
    /// The connection stays open, silent, until the client leaves.
    Hang,
}

impl Fault {
    /// 500, "An internal server error has occurred".
    pub const INTERNAL_SERVER_ERROR: Self = Self::status(500, 20500, None);
    /// 503, "Service unavailable".
    pub const SERVICE_UNAVAILABLE: Self = Self::status(503, 20503, None);
    /// 401, "Authenticate", as for a revoked token.
    pub const UNAUTHORIZED: Self = Self::status(401, 20003, None);
    /// 404, "The requested resource was not found", whether or not there is one.
    pub const NOT_FOUND: Self = Self::status(404, 20404, None);
    /// 429, "Too Many Requests", without `Retry-After`.
    pub const TOO_MANY_REQUESTS: Self = Self::status(429, 20429, None);

    const fn status(status: u16, code: u32, retry_after: Option<u32>) -> Self {
        Self::Status {
            status,
            code,
            retry_after,
        }
    }

    /// 429, "Too Many Requests", with `Retry-After` in seconds.
    pub const fn too_many_requests(retry_after: u32) -> Self {
        Self::status(429, 20429, Some(retry_after))
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
    /// Every time after the next so many times.
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
    /// The calls that it concerns, by the request's path; if empty, all requests.
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
    pub fn of(mut self, calls: impl IntoIterator<Item = CallSid>) -> Self {
        self.calls.extend(calls);
        self
    }

    /// Only the next `count` times.
    pub fn next(self, count: u32) -> Self {
        self.when(When::Next(count))
    }

    /// Only after the next `count` times.
    pub fn after(self, count: u32) -> Self {
        self.when(When::After(count))
    }

    /// Only with this probability, from 0 to 1.
    pub fn with_probability(self, probability: f64) -> Self {
        self.when(When::Probability(probability))
    }

    fn when(self, when: When) -> Self {
        Self { when, ..self }
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
    /// It is sent later, and others before it.
    Delay {
        /// How much later.
        #[serde(rename = "ms", with = "crate::millis")]
        by: Duration,
    },
    /// It is delivered, and some time later delivered again.
    Duplicate {
        /// From the first sending to the second.
        #[serde(rename = "after_ms", with = "crate::millis")]
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
