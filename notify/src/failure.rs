//! Why a receiver was not told.

use std::error::Error;
use std::time::Duration;

use crate::public::NotPublic;

/// Why a receiver was not told. It holds nothing of the message, and of the URL nothing but the host.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It said that it is gone.
    #[error("the receiver answered 410: it wants to be told no more")]
    Gone,
    /// It said no, and will say it again.
    #[error("the receiver answered {0}")]
    Refused(u16),
    /// It sent us elsewhere.
    #[error("the receiver answered {0}, a redirect, which is not followed: give its own URL")]
    Redirect(u16),
    /// Its name leads to no public address.
    #[error("{NotPublic}")]
    NotPublic,
    /// It can't take it now.
    #[error("the receiver answered {status}")]
    Later {
        /// The HTTP status.
        status: u16,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// No answer came: it may have been told.
    #[error("no answer from the receiver: {0}")]
    NoAnswer(String),
}

impl Failure {
    /// Whether trying again is of no use.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Gone | Self::Refused(_) | Self::Redirect(_) | Self::NotPublic => true,
            Self::Later { .. } | Self::NoAnswer(_) => false,
        }
    }

    /// How long the receiver asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Later { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What an answer says, unless it says that it was told.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>) -> Option<Self> {
        match status {
            200..=299 => None,
            300..=399 => Some(Self::Redirect(status)),
            410 => Some(Self::Gone),
            408 | 429 | 500.. => Some(Self::Later {
                status,
                retry_after,
            }),
            _ => Some(Self::Refused(status)),
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let causes = std::iter::successors(Some(&error as &(dyn Error + 'static)), |&error| {
            error.source()
        });
        if causes.clone().any(|cause| cause.is::<NotPublic>()) {
            return Self::NotPublic;
        }
        // reqwest's own message is mostly "error sending request".
        let said: Vec<_> = causes.map(ToString::to_string).collect();
        Self::NoAnswer(said.join(": "))
    }
}
