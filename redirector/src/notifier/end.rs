//! How a notification ends.

use queue::{Cause, Reason};

use crate::delivery::PANICKED;

/// How a notification ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The receiver took it.
    Told,
    /// The receiver will never take it, or there is none.
    Refused(String),
    /// The receiver did not take it in time.
    GivenUp(String),
    /// It can't be understood.
    Undecodable(String),
    /// We stop: another consumer takes it.
    Released,
    /// It panicked: it is put on the queue again.
    Panicked,
    /// It panicked again and again.
    Poison,
}

impl End {
    /// All that [`Self::as_str`] says.
    pub(super) const NAMES: [&'static str; 6] = [
        "told",
        "refused",
        "given_up",
        "undecodable",
        "released",
        "panicked",
    ];

    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Refused(_) => "refused",
            Self::GivenUp(_) => "given_up",
            Self::Undecodable(_) => "undecodable",
            Self::Released => "released",
            Self::Panicked | Self::Poison => "panicked",
        }
    }

    /// Why it is a dead letter, if it is one.
    pub(super) fn cause(self, attempts: u32) -> Option<Cause> {
        let (reason, last_error) = match self {
            Self::Refused(problem) | Self::GivenUp(problem) => (Reason::NotNotified, problem),
            Self::Undecodable(problem) => (Reason::Undecodable, problem),
            Self::Poison => (Reason::NotNotified, PANICKED.to_owned()),
            Self::Told | Self::Released | Self::Panicked => return None,
        };
        Some(Cause {
            reason,
            attempts,
            last_error: Some(last_error),
        })
    }
}
