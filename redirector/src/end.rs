//! How a delivery ends.

use queue::Cause;

/// How a delivery ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The caller was redirected, by us.
    Redirected,
    /// The caller waited no more: redirected before, or with an agent.
    AlreadyHandled,
    /// The caller had hung up.
    CallEnded,
    /// It can't be done.
    Dead(Cause),
    /// We stop: another consumer takes it.
    Released,
    /// The queue has given it to somebody else meanwhile.
    Lost,
}

impl End {
    /// All that [`Self::as_str`] says.
    pub(crate) const NAMES: [&'static str; 6] = [
        "redirected",
        "already_handled",
        "call_ended",
        "dead_letter",
        "released",
        "lost",
    ];

    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Redirected => "redirected",
            Self::AlreadyHandled => "already_handled",
            Self::CallEnded => "call_ended",
            Self::Dead(_) => "dead_letter",
            Self::Released => "released",
            Self::Lost => "lost",
        }
    }
}
