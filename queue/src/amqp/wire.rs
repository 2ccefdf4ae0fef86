//! What messages, dead letters and entries of the log of intents look like on the wire.

use std::time::Duration;

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::{CONTENT_TYPE, Cause, DeadLetter, DeadLetterId, Intent, RawMessage, Reason};

const TRACEPARENT: &str = "traceparent";
const PANICS: &str = "x-overflow-panics";
const REASON: &str = "x-overflow-reason";
const ATTEMPTS: &str = "x-overflow-attempts";
const LAST_ERROR: &str = "x-overflow-last-error";
const DIED_AT: &str = "x-overflow-died-at";

/// RabbitMQ's own: how often the message was delivered before.
const DELIVERY_COUNT: &str = "x-delivery-count";
/// RabbitMQ's own: where in its stream the message is.
const OFFSET: &str = "x-stream-offset";
/// RabbitMQ's own: why, and when, it made a dead letter of the message; the latest death first.
const DEATHS: &str = "x-death";

const PERSISTENT: u8 = 2;

/// How each entry of the log of intents begins.
const MARK: u8 = 0;
const INTENT: u8 = 1;

/// In characters: keeps the headers well within the smallest frame that a broker may ask for.
const LONGEST_ERROR: usize = 1000;

/// What is published: the properties of `message`.
pub(super) fn properties(message: &RawMessage) -> BasicProperties {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    let mut properties = BasicProperties::default()
        .with_content_type(CONTENT_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_timestamp(now);
    if let Some(id) = short(&message.id) {
        properties = properties.with_message_id(id);
    }
    if let Some(kind) = short(&message.kind) {
        properties = properties.with_type(kind);
    }
    let mut headers = table([]);
    if let Some(trace) = &message.traceparent {
        headers.insert(TRACEPARENT.into(), text(trace.as_str()));
    }
    if message.panics > 0 {
        headers.insert(PANICS.into(), i64::from(message.panics).into());
    }
    properties.with_headers(headers)
}

/// What is published: the properties of the dead letter that `message` becomes.
pub(super) fn dead_properties(
    message: &RawMessage,
    cause: &Cause,
    died_at: Timestamp,
) -> BasicProperties {
    let properties = properties(message);
    let mut headers = properties.headers().clone().unwrap_or_default();
    headers.insert(REASON.into(), text(cause.reason.as_str()));
    headers.insert(ATTEMPTS.into(), i64::from(cause.attempts).into());
    headers.insert(DIED_AT.into(), text(&died_at.to_string()));
    if let Some(error) = &cause.last_error {
        let error: String = error.chars().take(LONGEST_ERROR).collect();
        headers.insert(LAST_ERROR.into(), text(&error));
    }
    properties.with_headers(headers)
}

/// What was delivered.
pub(super) fn message(properties: &BasicProperties, body: Vec<u8>) -> RawMessage {
    RawMessage {
        id: properties.message_id().as_ref().map(ToString::to_string),
        kind: properties.kind().as_ref().map(ToString::to_string),
        body,
        traceparent: header(properties, TRACEPARENT)
            .and_then(as_text)
            .and_then(|trace| trace.parse().ok()),
        panics: number(properties, PANICS),
    }
}

/// How often the message was delivered before, by the broker's count.
pub(super) fn delivery_count(properties: &BasicProperties) -> u32 {
    number(properties, DELIVERY_COUNT)
}

/// Where in its stream the message is.
pub(super) fn offset(properties: &BasicProperties) -> Option<i64> {
    header(properties, OFFSET).and_then(as_integer)
}

/// As an argument to consume a stream from there.
pub(super) fn from_offset(offset: i64) -> FieldTable {
    table([(OFFSET, offset.into())])
}

/// As an argument to consume what came into a stream within `past`, by the broker's own clock.
pub(super) fn from_past(past: Duration) -> FieldTable {
    table([(OFFSET, text(&format!("{}s", past.as_secs())))])
}

/// A letter from the queue of dead letters: ours, the broker's, or a stranger's.
pub(super) fn dead_letter(properties: &BasicProperties, body: Vec<u8>) -> DeadLetter {
    let message = message(properties, body);
    let death = last_death(properties);
    let reason = match header(properties, REASON).and_then(as_text) {
        Some(ours) => ours.as_str().into(),
        None => match death.and_then(|death| as_text(death.inner().get("reason")?)) {
            // Its time to live, which a policy sets, ran out. Our deadline is another matter.
            Some(reason) if reason == "expired" => Reason::Other("message_ttl".to_owned()),
            Some(reason) => reason.as_str().into(),
            None => Reason::Other("unknown".to_owned()),
        },
    };
    let died_at = header(properties, DIED_AT)
        .and_then(as_text)
        .and_then(|time| time.parse().ok())
        .or_else(|| as_time(death?.inner().get("time")?))
        .or_else(|| seconds(properties.timestamp().as_ref().copied()?))
        .unwrap_or_else(Timestamp::now);
    DeadLetter {
        id: DeadLetterId::of(&message),
        died_at,
        cause: Cause {
            reason,
            attempts: number(properties, ATTEMPTS),
            last_error: header(properties, LAST_ERROR).and_then(as_text),
        },
        message,
    }
}

fn last_death(properties: &BasicProperties) -> Option<&FieldTable> {
    header(properties, DEATHS)?
        .as_array()?
        .as_slice()
        .first()?
        .as_field_table()
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

/// Zero where there is none, or none that makes sense.
fn number(properties: &BasicProperties, name: &str) -> u32 {
    header(properties, name)
        .and_then(as_integer)
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(0)
}

fn as_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Clients and brokers choose any of AMQP's widths.
fn as_integer(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(n) => Some(n.into()),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => Some(n.into()),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => Some(n.into()),
        AMQPValue::LongUInt(n) => Some(n.into()),
        AMQPValue::LongLongInt(n) => Some(n),
        _ => None,
    }
}

fn as_time(value: &AMQPValue) -> Option<Timestamp> {
    seconds(value.as_timestamp()?)
}

fn seconds(since_1970: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(since_1970).ok()?).ok()
}

pub(super) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

pub(super) fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}

/// What is too long for its AMQP property came from somebody else, and isn't needed to decode.
fn short(text: &Option<String>) -> Option<ShortString> {
    ShortString::try_new(text.as_deref()?).ok()
}

/// An entry of the log of intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Intent(Intent),
    /// Begins each reading: by it, the reader can tell its place later, and whether the log is still
    /// the one that it was.
    Mark(u128),
}

impl Entry {
    pub(super) fn id(&self) -> u128 {
        match self {
            Self::Intent(intent) => intent.id,
            Self::Mark(id) => *id,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let id = self.id().to_be_bytes();
        match self {
            Self::Intent(intent) => [
                &[INTENT],
                &id[..],
                &intent.incarnation.to_be_bytes(),
                intent.call_sid.as_str().as_bytes(),
            ]
            .concat(),
            Self::Mark(_) => [&[MARK], &id[..]].concat(),
        }
    }

    /// `None` where it is a stranger's, or of a later version.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (kind, rest) = body.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let id = u128::from_be_bytes(*id);
        match *kind {
            MARK if rest.is_empty() => Some(Self::Mark(id)),
            INTENT => {
                let (incarnation, call_sid) = rest.split_first_chunk()?;
                Some(Self::Intent(Intent {
                    id,
                    incarnation: u64::from_be_bytes(*incarnation),
                    call_sid: std::str::from_utf8(call_sid).ok()?.parse().ok()?,
                }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw() -> RawMessage {
        RawMessage {
            id: Some("EV1".to_owned()),
            kind: Some("redirect.v1".to_owned()),
            body: b"{}".to_vec(),
            traceparent: Some(crate::TraceParent::new(1, 2, true)),
            panics: 2,
        }
    }

    #[test]
    fn a_message_survives_the_wire() {
        assert_eq!(message(&properties(&raw()), b"{}".to_vec()), raw());
    }

    #[test]
    fn a_dead_letter_survives_the_wire() {
        let cause = Cause {
            reason: Reason::Refused,
            attempts: 7,
            last_error: Some("é".repeat(LONGEST_ERROR + 1)),
        };
        let died_at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let letter = dead_letter(&dead_properties(&raw(), &cause, died_at), b"{}".to_vec());
        assert_eq!(letter.died_at, died_at);
        assert_eq!(letter.cause.reason, Reason::Refused);
        assert_eq!(letter.cause.attempts, 7);
        assert_eq!(letter.cause.last_error.unwrap(), "é".repeat(LONGEST_ERROR));
        assert_eq!(letter.message, raw());
    }

    #[test]
    fn what_a_stranger_put_there_is_a_dead_letter_too() {
        let properties = BasicProperties::default()
            .with_timestamp(86_400)
            .with_headers(table([
                (DEATHS, text("no array")),
                (TRACEPARENT, true.into()),
            ]));
        let letter = dead_letter(&properties, b"\xff".to_vec());
        assert_eq!(letter.cause.reason, Reason::Other("unknown".to_owned()));
        assert_eq!(letter.died_at.as_second(), 86_400);
        assert_eq!(letter.message.traceparent, None);
        assert!(letter.id.0.starts_with("sha256-"));
    }

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(
            id: u128,
            incarnation: u64,
            digits in "[0-9a-f]{32}",
        ) {
            let call_sid = format!("CA{digits}").parse().unwrap();
            let intent = Entry::Intent(Intent { id, incarnation, call_sid });
            prop_assert_eq!(Entry::decode(&intent.encode()), Some(intent));
            let mark = Entry::Mark(id);
            prop_assert_eq!(Entry::decode(&mark.encode()), Some(mark));
        }

        #[test]
        fn any_bytes_can_be_tried(body: Vec<u8>, kind in 0..3_u8) {
            let _ = Entry::decode(&body);
            let _ = Entry::decode(&[&[kind], &body[..]].concat());
        }
    }

    #[test]
    fn what_is_longer_or_shorter_than_ours_is_none_of_ours() {
        let mark = Entry::Mark(7).encode();
        assert_eq!(Entry::decode(&mark[1..]), None);
        assert_eq!(Entry::decode(&[&mark[..], &[0]].concat()), None);
        assert_eq!(Entry::decode(b""), None);
    }
}
