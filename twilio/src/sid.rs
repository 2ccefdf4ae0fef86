//! Twilio's string identifiers (SIDs): two letters that name the kind of resource, then 32
//! hexadecimal digits. Each kind is a type of its own, parsed once where it enters the system.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const LENGTH: usize = 34;

/// Why a string is not a SID of the wanted kind.
///
/// It never holds the string: what was sent in a SID's place may be anything, a secret included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {article} {kind} SID: expected {prefix} and 32 hexadecimal digits")]
pub struct InvalidSid {
    article: &'static str,
    kind: &'static str,
    prefix: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Sid([u8; LENGTH]);

impl Sid {
    pub(crate) fn parse(text: &str, prefix: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
        let digits = bytes.strip_prefix(prefix.as_bytes())?;
        digits
            .iter()
            .all(u8::is_ascii_hexdigit)
            .then_some(Self(bytes))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

macro_rules! sids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal, $article:literal $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Sid);

        impl $name {
            /// The two letters that every SID of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// The SID as Twilio writes it.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $name {
            type Err = InvalidSid;

            fn from_str(text: &str) -> Result<Self, InvalidSid> {
                Sid::parse(text, $prefix).map(Self).ok_or(InvalidSid {
                    article: $article,
                    kind: $kind,
                    prefix: $prefix,
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

sids! {
    /// An account or subaccount.
    AccountSid, "AC", "an" "account";
    /// An API key, which may stand in for the auth token in REST requests.
    ApiKeySid, "SK", "an" "API key";
    /// A live or ended phone call.
    CallSid, "CA", "a" "call";
    /// One TaskRouter event: the key by which duplicates are known.
    EventSid, "EV", "an" "event";
    /// A Studio flow.
    FlowSid, "FW", "a" "flow";
    /// A phone number bought from or ported to Twilio.
    PhoneNumberSid, "PN", "a" "phone number";
    /// A voice queue: where `<Enqueue>` holds calls. Not a task queue.
    QueueSid, "QU", "a" "voice queue";
    /// A recording, such as a caller's message.
    RecordingSid, "RE", "a" "recording";
    /// An Event Streams sink.
    SinkSid, "DG", "a" "sink";
    /// An Event Streams subscription.
    SubscriptionSid, "DF", "a" "subscription";
    /// A TaskRouter task channel.
    TaskChannelSid, "TC", "a" "task channel";
    /// A TaskRouter task queue.
    TaskQueueSid, "WQ", "a" "task queue";
    /// A TaskRouter task: here, the work item that stands for a waiting caller.
    TaskSid, "WT", "a" "task";
    /// A TaskRouter workflow.
    WorkflowSid, "WW", "a" "workflow";
    /// A TaskRouter workspace.
    WorkspaceSid, "WS", "a" "workspace";
}

impl TaskSid {
    /// An event SID made of the task's own digits, for a request about the task that no event asks
    /// for: the same each time.
    pub fn stand_in_event(&self) -> EventSid {
        let mut bytes = self.0.0;
        bytes[..2].copy_from_slice(EventSid::PREFIX.as_bytes());
        EventSid(Sid(bytes))
    }
}

impl CallSid {
    /// A task SID made of the call's own digits and the second since which its caller waits, for a
    /// request about a caller for whom no task stands: the same each time, and another one when
    /// they come back.
    pub fn stand_in_task(&self, since: Timestamp) -> TaskSid {
        let mut bytes = self.0.0;
        bytes[..2].copy_from_slice(TaskSid::PREFIX.as_bytes());
        for (digit, shift) in bytes.iter_mut().rev().zip((0..32).step_by(4)) {
            let ours = char::from(*digit).to_digit(16).unwrap_or_default();
            let theirs = (since.as_second() >> shift) as u32 & 0xf;
            let mixed = char::from_digit(ours ^ theirs, 16).unwrap_or_default();
            *digit = mixed as u8;
        }
        TaskSid(Sid(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_its_prefix_and_32_hexadecimal_digits() {
        let text = "CA0123456789abcdef0123456789ABCDEF";
        let sid: CallSid = text.parse().unwrap();
        assert_eq!(sid.as_str(), text);
        assert_eq!(sid.to_string(), text);
        assert_eq!(serde_json::to_string(&sid).unwrap(), format!("\"{text}\""));
        assert_eq!(
            serde_json::from_str::<CallSid>(&format!("\"{text}\"")).unwrap(),
            sid
        );
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        let nearly = "CA0123456789abcdef0123456789abcde";
        for text in [
            "",
            "CA",
            nearly,
            &format!("{nearly}g"),
            &format!("{nearly}ff"),
            &format!("WT{}f", &nearly[2..]),
            &format!("ca{}f", &nearly[2..]),
            "CAé123456789abcdef0123456789abcdef",
        ] {
            let refused = text.parse::<CallSid>().unwrap_err();
            assert_eq!(
                refused.to_string(),
                "not a call SID: expected CA and 32 hexadecimal digits"
            );
        }
    }

    #[test]
    fn a_tasks_stand_in_event_has_its_digits() {
        let task: TaskSid = "WT0123456789abcdef0123456789abcdef".parse().unwrap();
        let event = task.stand_in_event();
        assert_eq!(event.as_str(), "EV0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn a_stand_in_task_is_the_same_for_one_stay_and_another_for_the_next() {
        let call: CallSid = "CA0123456789abcdef0123456789abcdef".parse().unwrap();
        let since = Timestamp::from_second(0x6a18_0000).unwrap();
        let task = call.stand_in_task(since);
        assert_eq!(task.as_str(), "WT0123456789abcdef01234567e3b3cdef");
        assert_eq!(task.as_str().parse(), Ok(task));
        let later = since + std::time::Duration::from_secs(1);
        assert_ne!(call.stand_in_task(later), task);
    }
}
