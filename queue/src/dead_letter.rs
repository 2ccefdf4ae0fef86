//! Dead letters: requests that could not be done, kept for an operator.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{Content, Message, RawMessage, RedirectRequest};

/// Why a request ended as a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The deadline passed before the call could be redirected.
    Expired,
    /// No redirect plan names its placeholder queue, or none does any more.
    NoPlan,
    /// Twilio refused the redirect for good.
    Refused,
    /// Twilio refused our credentials until the deadline passed.
    Unauthorized,
    /// The message could not be understood.
    Undecodable,
    /// It was delivered again and again without an outcome: it may kill its consumer.
    DeliveryLimit,
    /// Its consumers panicked over it again and again.
    Panicked,
    /// Somebody was to be told what became of a caller, and could not be.
    NotNotified,
    /// Something else put it there, with this reason.
    Other(String),
}

impl Reason {
    /// The reasons that a redirector gives. The delivery limit is the queue's.
    pub const OURS: [Self; 7] = [
        Self::Expired,
        Self::NoPlan,
        Self::Refused,
        Self::Unauthorized,
        Self::Undecodable,
        Self::Panicked,
        Self::NotNotified,
    ];

    /// The name that metrics, headers and the command line use.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Expired => "expired",
            Self::NoPlan => "no_plan",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::Undecodable => "undecodable",
            Self::DeliveryLimit => "delivery_limit",
            Self::Panicked => "panicked",
            Self::NotNotified => "not_notified",
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
            "panicked" => Self::Panicked,
            "not_notified" => Self::NotNotified,
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

/// What the redirector says about a request that it gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Why.
    pub reason: Reason,
    /// How many times Twilio was asked to update the call, or somebody was told.
    pub attempts: u32,
    /// The last error, if an attempt was made.
    pub last_error: Option<String>,
}

/// Names one dead letter: its message ID (the event SID), or a digest of the body if a foreign
/// message has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DeadLetterId(pub String);

impl DeadLetterId {
    /// The name of `message` as a dead letter.
    pub fn of(message: &RawMessage) -> Self {
        match &message.id {
            Some(id) if !id.is_empty() => Self(id.clone()),
            _ => {
                let digest = Sha256::digest(&message.body);
                let hex: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
                Self(format!("sha256-{hex}"))
            }
        }
    }
}

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
        self.message.request().ok()
    }

    /// The message that a replay at `now` puts on the queue. A request is marked with the time; what
    /// can't be understood goes back as it was. Panics are counted from zero again.
    pub fn replayed(&self, now: Timestamp) -> RawMessage {
        match self.request() {
            Some(request) => Message {
                content: Content::Redirect(RedirectRequest {
                    requeued_at: Some(now),
                    ..request
                }),
                traceparent: self.message.traceparent.clone(),
            }
            .encode(),
            None => RawMessage {
                panics: 0,
                ..self.message.clone()
            },
        }
    }
}

/// Some dead letters, and how many more there may be.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// The letters.
    pub letters: Vec<DeadLetter>,
    /// How many more match, or were not looked at.
    pub more: usize,
}

/// What becomes of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Back to the queue.
    Replay,
    /// Removed for good.
    Discard,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these; all if it is empty.
    pub ids: Vec<DeadLetterId>,
    /// Only those with this reason.
    pub reason: Option<Reason>,
    /// Only those that had died by then.
    pub died_by: Option<Timestamp>,
    /// Only those that died then or later.
    pub died_since: Option<Timestamp>,
}

impl Filter {
    /// Up to `limit` of the letters.
    pub(crate) fn oldest(&self, mut letters: Vec<DeadLetter>, limit: usize) -> Listed {
        letters.retain(|letter| self.matches(letter));
        let more = letters.len().saturating_sub(limit);
        letters.truncate(limit);
        Listed { letters, more }
    }

    /// How many letters to look for if `limit` are wanted: one for each ID.
    pub(crate) fn at_most(&self, limit: usize) -> usize {
        match self.ids.len() {
            0 => limit,
            ids => ids.min(limit),
        }
    }

    /// Whether the letter is among those meant.
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        (self.ids.is_empty() || self.ids.contains(&letter.id))
            && self
                .reason
                .as_ref()
                .is_none_or(|r| *r == letter.cause.reason)
            && self.died_by.is_none_or(|moment| letter.died_at <= moment)
            && self
                .died_since
                .is_none_or(|moment| letter.died_at >= moment)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::request::arbitrary::requests;

    fn foreign(body: &[u8]) -> RawMessage {
        RawMessage {
            id: None,
            kind: None,
            body: body.to_vec(),
            traceparent: None,
            panics: 0,
        }
    }

    fn letter(message: RawMessage, died_at: Timestamp) -> DeadLetter {
        DeadLetter {
            id: DeadLetterId::of(&message),
            died_at,
            cause: Cause {
                reason: Reason::Expired,
                attempts: 2,
                last_error: None,
            },
            message,
        }
    }

    #[test]
    fn a_message_without_an_id_is_named_after_its_body() {
        let id = DeadLetterId::of(&foreign(b"one"));
        assert_eq!(id.to_string(), "sha256-7692c3ad3540bb80");
        assert_ne!(id, DeadLetterId::of(&foreign(b"two")));
        let empty_id = RawMessage {
            id: Some(String::new()),
            ..foreign(b"one")
        };
        assert_eq!(DeadLetterId::of(&empty_id), id);
    }

    #[test]
    fn a_filter_means_what_meets_all_of_it() {
        let died_at = Timestamp::UNIX_EPOCH;
        let letter = letter(foreign(b"one"), died_at);
        let second = SignedDuration::from_secs(1);
        let all = Filter::default;
        let matching = [
            all(),
            Filter {
                ids: vec![letter.id.clone()],
                ..all()
            },
            Filter {
                reason: Some(Reason::Expired),
                ..all()
            },
            Filter {
                died_by: Some(died_at),
                died_since: Some(died_at),
                ..all()
            },
        ];
        for filter in matching {
            assert!(filter.matches(&letter), "{filter:?}");
        }
        let others = [
            Filter {
                ids: vec![DeadLetterId("other".into())],
                ..all()
            },
            Filter {
                reason: Some(Reason::Refused),
                ids: vec![letter.id.clone()],
                ..all()
            },
            Filter {
                died_by: Some(died_at - second),
                ..all()
            },
            Filter {
                died_since: Some(died_at + second),
                ..all()
            },
        ];
        for filter in others {
            assert!(!filter.matches(&letter), "{filter:?}");
        }
    }

    proptest! {
        #[test]
        fn a_reason_survives_its_name(name: String) {
            let reason = Reason::from(name.as_str());
            prop_assert_eq!(reason.as_str(), name.as_str());
            prop_assert_eq!(Reason::from(reason.as_str()), reason);
        }

        #[test]
        fn a_replay_marks_a_request_and_changes_nothing_else(request in requests()) {
            let now = Timestamp::now();
            let letter = letter(Message::from(request.clone()).encode(), now);
            let replayed = letter.replayed(now);
            prop_assert_eq!(DeadLetterId::of(&replayed), letter.id);
            let expected = RedirectRequest { requeued_at: Some(now), ..request };
            prop_assert_eq!(replayed.request().unwrap(), expected);
        }

        #[test]
        fn a_replay_leaves_what_cannot_be_understood_as_it_was(body: Vec<u8>) {
            let message = foreign(&body);
            let now = Timestamp::now();
            prop_assert_eq!(letter(message.clone(), now).replayed(now), message);
        }
    }
}
