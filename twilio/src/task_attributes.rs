//! A task's attributes: JSON of the customer's making, in which Flex keeps what it needs.

use crate::json::{self, Object};
use crate::{CallSid, Caller, EventError};

/// The attributes of a task that matter to us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskAttributes {
    /// The call that the task stands for; none for a chat, say.
    pub call_sid: Option<CallSid>,
    /// What shows that somebody has talked with the caller, and may be talking still. An update of
    /// the call would cut them off, so such a task is left alone.
    pub conversation: Option<Conversation>,
    /// What is known of the caller's numbers.
    pub caller: Caller,
}

/// A conversation that a task's attributes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conversation {
    /// An agent and the caller were joined in a conference: Flex notes it once an agent accepts.
    Conference,
    /// An agent passes the caller on, or consults a colleague.
    Transfer,
}

impl Conversation {
    /// For logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conference => "conference",
            Self::Transfer => "transfer",
        }
    }
}

/// Where plugins note a transfer.
const TRANSFER: [&str; 3] = ["transferMeta", "transfer_meta", "transferring"];
/// Flex's own note of a conference: an object with `sid` and `participants`.
const CONFERENCE: &str = "conference";
/// Where TaskRouter and plugins note a conference.
const CONFERENCE_SID: [&str; 2] = ["conference_sid", "conferenceSid"];
const CONFERENCE_SID_PREFIX: &str = "CF";

impl TaskAttributes {
    /// Reads attributes: any JSON, by Twilio's rules, though an object in Flex.
    ///
    /// # Errors
    /// They are not JSON, or `call_sid` is something else than a call's SID.
    pub fn parse(attributes: &str) -> Result<Self, EventError> {
        let invalid = |problem| EventError::Invalid("TaskAttributes", problem);
        if !attributes.trim_start().starts_with('{') {
            // Anything but an object holds no call.
            return serde_json::from_str::<serde::de::IgnoredAny>(attributes)
                .map(|_| Self::default())
                .map_err(|e| invalid(json::problem(&e, "not JSON")));
        }
        let attributes =
            Object::parse(attributes).map_err(|e| invalid(json::problem(&e, "not JSON")))?;
        let call_sid = attributes
            .text("call_sid")
            .map(|sid| sid.parse())
            .transpose()
            .map_err(|e: crate::InvalidSid| invalid(format!("call_sid is {e}")))?;
        Ok(Self {
            call_sid,
            conversation: conversation(&attributes),
            caller: Caller::new(
                attributes.text("called").as_deref(),
                attributes.text("from").as_deref(),
            ),
        })
    }
}

fn conversation(attributes: &Object<'_>) -> Option<Conversation> {
    let says_something = |key: &&str| attributes.json(key).is_some_and(|json| !is_empty(json));
    if TRANSFER.iter().any(says_something) {
        return Some(Conversation::Transfer);
    }
    let noted_by_flex = attributes
        .json(CONFERENCE)
        .is_some_and(|json| json.starts_with('{') && !is_empty(json));
    let named = CONFERENCE_SID.iter().any(|key| {
        let sid = attributes.text(key);
        sid.is_some_and(|sid| sid.starts_with(CONFERENCE_SID_PREFIX))
    });
    (noted_by_flex || named).then_some(Conversation::Conference)
}

/// Whether a JSON value means "none".
fn is_empty(json: &str) -> bool {
    let dense: String = json
        .chars()
        .filter(|c| !c.is_whitespace())
        .take(8)
        .collect();
    ["false", "\"\"", "\"false\"", "0", "{}", "[]"].contains(&dense.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(attributes: &str) -> Option<Conversation> {
        TaskAttributes::parse(attributes).unwrap().conversation
    }

    #[test]
    fn a_conference_and_a_transfer_are_known_by_what_flex_and_its_plugins_write() {
        use Conversation::{Conference, Transfer};
        for (attributes, wanted) in [
            (
                r#"{"conference":{"sid":"CF1","participants":{"worker":"CA1","customer":"CA2"}}}"#,
                Conference,
            ),
            (r#"{"conference_sid":"CF1"}"#, Conference),
            (r#"{"conferenceSid":"CF1"}"#, Conference),
            (
                r#"{"transferMeta":{"transferStatus":"transferring"}}"#,
                Transfer,
            ),
            (r#"{"transfer_meta":{"mode":"WARM"}}"#, Transfer),
            (r#"{"transferring":true}"#, Transfer),
            (
                r#"{"conference":{"sid":"CF1"},"transferring":"yes"}"#,
                Transfer,
            ),
        ] {
            assert_eq!(conversation(attributes), Some(wanted), "{attributes}");
        }
    }

    #[test]
    fn empty_notes_and_words_of_the_customers_own_are_no_conversation() {
        for attributes in [
            "[]",
            "{}",
            r#"{"conference":null,"conference_sid":null,"transferMeta":null}"#,
            r#"{"conference":{ },"conference_sid":"","transferMeta":{},"transferring":false}"#,
            r#"{"transferring":"false","transfer_meta":""}"#,
            r#"{"conference":"RustConf","transfer_to":"sales","transferable":true}"#,
        ] {
            assert_eq!(conversation(attributes), None, "{attributes}");
        }
    }

    #[test]
    fn callers_by_sip_from_a_client_or_without_caller_id_lack_a_number() {
        let lacks_number = |attributes: &str| {
            TaskAttributes::parse(attributes)
                .unwrap()
                .caller
                .lacks_number
        };
        for from in [
            "client:alice",
            "sip:alice@example.com",
            "anonymous",
            "+266696687",
        ] {
            assert!(lacks_number(&format!(r#"{{"from":"{from}"}}"#)), "{from}");
        }
        for attributes in [r#"{"from":"+14155550123"}"#, "{}", r#"{"from":null}"#] {
            assert!(!lacks_number(attributes), "{attributes}");
        }
    }

    #[test]
    fn what_nobody_reads_may_be_as_odd_as_it_likes() {
        let call = "CA00000000000000000000000000000001";
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for odd in [
            r#""\ud83d""#,
            "1e999",
            &deep,
            r#"{"\ud83d":1}"#,
            "1,\"name\":2",
        ] {
            let attributes = format!(r#"{{"name":{odd},"call_sid":"{call}"}}"#);
            let call_sid = TaskAttributes::parse(&attributes).unwrap().call_sid;
            assert_eq!(call_sid.unwrap().as_str(), call);
        }
        let doubled = format!(r#"{{"call_sid":null,"call_sid":"{call}"}}"#);
        let call_sid = TaskAttributes::parse(&doubled).unwrap().call_sid;
        assert_eq!(
            call_sid.unwrap().as_str(),
            call,
            "the last of a doubled key"
        );
    }
}
