//! What each caller heard, what was asked of the API, and what became of each callback.

mod callee;
mod caller;
mod fate;
mod log;
mod wire;

use serde::Serialize;
use twilio::CallSid;

pub use callee::{Callee, CalleeEnd, CalleeLog, CalleeMoment};
pub use caller::{CallerLog, DialOutcome, DialRecord, Entry, HangUp, Heard, Instructions};
pub use fate::Fate;
pub(crate) use log::{Log, LogId};
pub(crate) use wire::value;
pub use wire::{CallbackOutcome, CallbackRecord, RequestOutcome, RequestRecord};

use crate::ordered::Ordered;

/// What happened in a run. Tests judge by it.
#[derive(Debug, Clone, Serialize)]
pub struct Journal {
    #[serde(serialize_with = "Ordered::serialize_values")]
    pub(crate) callers: Ordered<CallSid, CallerLog>,
    pub(crate) requests: Log<RequestRecord>,
    pub(crate) callbacks: Log<CallbackRecord>,
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            callers: Ordered::default(),
            requests: Log::new(limit),
            callbacks: Log::new(limit),
        }
    }

    /// What a caller heard; `None` if there was no such call.
    pub fn caller(&self, call: &CallSid) -> Option<&CallerLog> {
        self.callers.get(call)
    }

    /// What each caller heard, in the order of their calls.
    pub fn callers(&self) -> impl DoubleEndedIterator<Item = &CallerLog> {
        self.callers.values()
    }

    /// How many times a caller was redirected.
    pub fn redirects(&self, call: &CallSid) -> usize {
        self.caller(call).map_or(0, CallerLog::redirects)
    }

    /// The API requests that the journal still has, oldest first.
    pub fn requests(&self) -> impl DoubleEndedIterator<Item = &RequestRecord> {
        self.requests.iter()
    }

    /// How many API requests there were in all.
    pub fn request_count(&self) -> u64 {
        self.requests.total()
    }

    /// The attempts to deliver callbacks that the journal still has, oldest first.
    pub fn callbacks(&self) -> impl DoubleEndedIterator<Item = &CallbackRecord> {
        self.callbacks.iter()
    }

    /// How many attempts to deliver callbacks there were in all.
    pub fn callback_count(&self) -> u64 {
        self.callbacks.total()
    }
}
