//! Dead letters: requests that could not be done, kept for an operator.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{RawMessage, RedirectRequest};

/// Why a request ended as a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The deadline passed before the call could be redirected.
    Expired,
    /// No redirect plan names its placeholder queue (any more).
    NoPlan,
    /// Twilio refused the redirect for good.
    Refused,
    /// Twilio refused our credentials until the deadline passed.
    Unauthorized,
    /// The message could not be understood.
    Undecodable,
    /// It was delivered again and again without an outcome: it may kill its consumer.
    DeliveryLimit,
    /// Put there by something else, under this name.
    Other(String),
}

impl Reason {
    /// The name that metrics, headers and the command line use.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Expired => "expired",
            Self::NoPlan => "no_plan",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::Undecodable => "undecodable",
            Self::DeliveryLimit => "delivery_limit",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Reason {
    fn from(name: &str) -> Self {
        match name {
            "expired" => Self::Expired,
            "no_plan" => Self::NoPlan,
            "refused" => Self::Refused,
            "unauthorized" => Self::Unauthorized,
            "undecodable" => Self::Undecodable,
            "delivery_limit" => Self::DeliveryLimit,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What the redirector says of a request that it gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Why.
    pub reason: Reason,
    /// How many times Twilio was asked to update the call.
    pub attempts: u32,
    /// The last error, if an attempt was made.
    pub last_error: Option<String>,
}

/// Names one dead letter: its message ID (the event SID), or a digest of the body where a foreign
/// message has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DeadLetterId(pub String);

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for DeadLetterId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// One dead letter.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its name on the command line.
    pub id: DeadLetterId,
    /// When it became one.
    pub died_at: Timestamp,
    /// Why, after how many attempts, with which last error.
    pub cause: Cause,
    /// The message itself.
    pub message: RawMessage,
}

impl DeadLetter {
    /// The request in it, if it can be understood.
    pub fn request(&self) -> Option<RedirectRequest> {
        self.message.decode().ok()
    }
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// These only; all where it is empty.
    pub ids: Vec<DeadLetterId>,
    /// With this reason only.
    pub reason: Option<Reason>,
    /// That died at least this long ago.
    pub older_than: Option<Duration>,
    /// That died at most this long ago.
    pub newer_than: Option<Duration>,
}

impl Filter {
    /// Whether the letter is among those meant at the time `now`.
    pub fn matches(&self, letter: &DeadLetter, now: Timestamp) -> bool {
        let age = now.duration_since(letter.died_at).unsigned_abs();
        (self.ids.is_empty() || self.ids.contains(&letter.id))
            && self
                .reason
                .as_ref()
                .is_none_or(|r| *r == letter.cause.reason)
            && self.older_than.is_none_or(|limit| age >= limit)
            && self.newer_than.is_none_or(|limit| age <= limit)
    }
}
