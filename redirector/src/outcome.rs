//! How a delivery ends.

use queue::Cause;

/// A message whose job has panicked this often is poison: it becomes a dead letter.
pub(crate) const PANICS: u32 = 3;
pub(crate) const PANICKED: &str =
    "the redirector panicked over it again and again: please report it";

/// How a delivery ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The caller was redirected, by us.
    Redirected,
    /// The caller waited no more: redirected before, or with somebody.
    AlreadyHandled,
    /// The caller had hung up.
    CallEnded,
    /// The task belongs to a conference or a transfer: not ours to touch.
    Transfer,
    /// The caller is to be rescued, and their workflow leads to no plan that rescues.
    NotOurs,
    /// It can't be done.
    Dead(Cause),
    /// We stop: another consumer takes it.
    Released,
    /// Its job panicked: it is put on the queue again, or is a dead letter.
    Panicked,
}

impl Outcome {
    /// All that [`Self::as_str`] says.
    pub(crate) const NAMES: [&'static str; 8] = [
        "redirected",
        "already_handled",
        "call_ended",
        "transfer",
        "not_ours",
        "dead_letter",
        "released",
        "panicked",
    ];

    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Redirected => "redirected",
            Self::AlreadyHandled => "already_handled",
            Self::CallEnded => "call_ended",
            Self::Transfer => "transfer",
            Self::NotOurs => "not_ours",
            Self::Dead(_) => "dead_letter",
            Self::Released => "released",
            Self::Panicked => "panicked",
        }
    }
}
