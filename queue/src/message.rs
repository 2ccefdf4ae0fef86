//! Messages as all backends carry them.

use std::fmt;
use std::str::FromStr;

use twilio::CallSid;

use crate::{Outcome, RedirectRequest, Redirected};

/// The message type of a [`RedirectRequest`] in JSON.
pub const REDIRECT_V1: &str = "redirect.v1";

/// The message type of an [`Outcome`] in JSON.
pub const OUTCOME_V1: &str = "outcome.v1";

/// The message type of an array of [`Redirected`] in JSON.
pub const REDIRECTED_V1: &str = "redirected.v1";

/// The message type of an [`Outcome`] in JSON that a plan's `notify` is to be told of.
pub const NOTIFY_V1: &str = "notify.v1";

/// The MIME type of every body that we publish.
pub const CONTENT_TYPE: &str = "application/json";

/// A message on its way through the queue, with the trace that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub content: Content,
    /// The trace that the callback started.
    pub traceparent: Option<TraceParent>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A caller is to be redirected.
    Redirect(RedirectRequest),
    /// What became of a caller, or of an attempt to reach somebody.
    Outcome(Outcome),
    /// These callers were redirected: some time later it is seen to that something became of each.
    Redirected(Vec<Redirected>),
    /// Somebody is to be told of an outcome.
    Notify(Outcome),
}

/// One of the queues behind the queue: what waits in one doesn't hold up the others. Files know them by
/// their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Requests to redirect a caller.
    Redirects = 0,
    /// Outcomes, and what comes out of [`Lane::Later`].
    Outcomes = 1,
    /// What moves on to [`Lane::Outcomes`] by itself, some time later. It has no consumers.
    Later = 2,
    /// What somebody is to be told.
    Notifications = 3,
}

impl Lane {
    /// Each of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Redirects,
        Self::Outcomes,
        Self::Later,
        Self::Notifications,
    ];

    /// Whether it takes no more than the queue's greatest length. Where a delivery is held until
    /// something of it is put there, there is no limit.
    pub(crate) fn is_limited(self) -> bool {
        matches!(self, Self::Redirects | Self::Outcomes)
    }

    /// Where a message of this type is put.
    pub fn of(kind: Option<&str>) -> Self {
        match kind {
            Some(OUTCOME_V1) => Self::Outcomes,
            Some(REDIRECTED_V1) => Self::Later,
            Some(NOTIFY_V1) => Self::Notifications,
            _ => Self::Redirects,
        }
    }
}

impl From<RedirectRequest> for Content {
    fn from(request: RedirectRequest) -> Self {
        Self::Redirect(request)
    }
}

impl From<Redirected> for Content {
    fn from(redirected: Redirected) -> Self {
        Self::Redirected(vec![redirected])
    }
}

impl<T: Into<Content>> From<T> for Message {
    fn from(content: T) -> Self {
        Self {
            content: content.into(),
            traceparent: None,
        }
    }
}

impl Content {
    fn kind(&self) -> &'static str {
        match self {
            Self::Redirect(_) => REDIRECT_V1,
            Self::Outcome(_) => OUTCOME_V1,
            Self::Redirected(_) => REDIRECTED_V1,
            Self::Notify(_) => NOTIFY_V1,
        }
    }

    /// What `message-id` says; the event SID of a request, the first call of several.
    pub fn id(&self) -> String {
        match self {
            Self::Redirect(request) => request.event_sid.to_string(),
            Self::Outcome(outcome) | Self::Notify(outcome) => outcome.id.clone(),
            Self::Redirected(_) => self
                .call_sid()
                .map_or_else(String::new, |call| call.to_string()),
        }
    }

    /// The caller's call; the first of several.
    pub fn call_sid(&self) -> Option<CallSid> {
        match self {
            Self::Redirect(request) => Some(request.call_sid),
            Self::Outcome(outcome) | Self::Notify(outcome) => Some(outcome.call_sid),
            Self::Redirected(redirected) => Some(redirected.first()?.call_sid),
        }
    }

    /// Whether it is for those who listen.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self, Self::Outcome(_) | Self::Redirected(_))
    }

    fn body(&self) -> Vec<u8> {
        let body = match self {
            Self::Redirect(request) => serde_json::to_vec(request),
            Self::Outcome(outcome) | Self::Notify(outcome) => serde_json::to_vec(outcome),
            Self::Redirected(redirected) => serde_json::to_vec(redirected),
        };
        body.unwrap_or_default()
    }
}

impl Message {
    /// The message as the wire carries it.
    pub fn encode(&self) -> RawMessage {
        RawMessage {
            id: Some(self.content.id()),
            kind: Some(self.content.kind().to_owned()),
            body: self.content.body(),
            traceparent: self.traceparent.clone(),
            panics: 0,
        }
    }
}

/// A message as it is on the queue, not yet decoded: anybody may have published it.
#[derive(Clone, PartialEq, Eq)]
pub struct RawMessage {
    /// `message-id`; the event SID in ours.
    pub id: Option<String>,
    /// `type`; [`REDIRECT_V1`] in ours.
    pub kind: Option<String>,
    /// The body, JSON in ours.
    pub body: Vec<u8>,
    /// The trace context header, if there is a valid one.
    pub traceparent: Option<TraceParent>,
    /// How many consumers panicked over it, as [`Delivery::panicked`](crate::Delivery::panicked)
    /// counts them.
    pub panics: u32,
}

impl RawMessage {
    /// The message as it is published again after a consumer panicked over it.
    pub(crate) fn after_panic(&self) -> Self {
        Self {
            panics: self.panics.saturating_add(1),
            ..self.clone()
        }
    }

    /// The lane in which it belongs.
    pub fn lane(&self) -> Lane {
        Lane::of(self.kind.as_deref())
    }

    /// The lane to which it returns once it was delivered: what has waited until later has waited.
    pub(crate) fn lane_again(&self) -> Lane {
        match self.lane() {
            Lane::Later => Lane::Outcomes,
            lane => lane,
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// This version doesn't know the type, or the body doesn't match it.
    pub fn content(&self) -> Result<Content, DecodeError> {
        let body = |kind| move |error| DecodeError::Body { kind, error };
        Ok(match self.kind.as_deref() {
            Some(REDIRECT_V1) => {
                Content::Redirect(serde_json::from_slice(&self.body).map_err(body(REDIRECT_V1))?)
            }
            Some(OUTCOME_V1) => {
                Content::Outcome(serde_json::from_slice(&self.body).map_err(body(OUTCOME_V1))?)
            }
            Some(REDIRECTED_V1) => Content::Redirected(
                serde_json::from_slice(&self.body).map_err(body(REDIRECTED_V1))?,
            ),
            Some(NOTIFY_V1) => {
                Content::Notify(serde_json::from_slice(&self.body).map_err(body(NOTIFY_V1))?)
            }
            Some(kind) => return Err(DecodeError::UnknownType(kind.chars().take(64).collect())),
            None => return Err(DecodeError::NoType),
        })
    }

    /// Reads a request to redirect a caller.
    ///
    /// # Errors
    /// It is none, or can't be read.
    pub fn request(&self) -> Result<RedirectRequest, DecodeError> {
        match self.content()? {
            Content::Redirect(request) => Ok(request),
            other => Err(DecodeError::UnknownType(other.kind().to_owned())),
        }
    }
}

impl fmt::Debug for RawMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMessage")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a message can't be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A later version's type, or somebody else's.
    #[error("message type {0:?} is not one that this version knows here")]
    UnknownType(String),
    /// No type at all.
    #[error("message has no type (expected {REDIRECT_V1})")]
    NoType,
    /// The body doesn't match the type.
    #[error("body is not a {kind}: {error}")]
    Body {
        /// The type.
        kind: &'static str,
        /// Why not.
        error: serde_json::Error,
    },
}

/// A W3C trace context `traceparent` value: `00-<trace id>-<parent id>-<flags>`
/// (<https://www.w3.org/TR/trace-context/#traceparent-header>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(String);

/// A string that is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent")]
pub struct InvalidTraceParent;

impl TraceParent {
    /// Builds a value from its parts.
    pub fn new(trace_id: u128, parent_id: u64, sampled: bool) -> Self {
        Self(format!(
            "00-{trace_id:032x}-{parent_id:016x}-{:02x}",
            u8::from(sampled)
        ))
    }

    /// The header value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 32 hexadecimal digits that all parts of the trace share.
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let hex = |part: &str, length| {
            part.len() == length
                && part
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, parent, flags] = parts[..] else {
            return Err(InvalidTraceParent);
        };
        let valid = version == "00"
            && hex(trace, 32)
            && hex(parent, 16)
            && hex(flags, 2)
            && trace.bytes().any(|b| b != b'0')
            && parent.bytes().any(|b| b != b'0');
        valid
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidTraceParent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::arbitrary::requests;

    prop_compose! {
        fn traces()(trace in 1..=u128::MAX, parent in 1..=u64::MAX, sampled: bool) -> TraceParent {
            TraceParent::new(trace, parent, sampled)
        }
    }

    prop_compose! {
        fn messages()(
            request in requests(),
            traceparent in prop::option::of(traces()),
        ) -> Message {
            Message { content: request.into(), traceparent }
        }
    }

    fn raw(kind: Option<&str>, body: Vec<u8>) -> RawMessage {
        RawMessage {
            id: None,
            kind: kind.map(str::to_owned),
            body,
            traceparent: None,
            panics: 0,
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_can_be_decoded(message in messages()) {
            let raw = message.encode();
            prop_assert_eq!(raw.content().unwrap(), message.content.clone());
            prop_assert_eq!(raw.id.clone().unwrap(), message.content.id());
            prop_assert_eq!(raw.traceparent, message.traceparent);
        }

        #[test]
        fn any_bytes_can_be_tried(body: Vec<u8>, kind: Option<String>) {
            let _ = raw(Some(REDIRECT_V1), body.clone()).request();
            prop_assert!(raw(kind.as_deref(), body).request().is_err());
        }

        #[test]
        fn a_damaged_body_can_be_tried(
            message in messages(),
            position: prop::sample::Index,
            byte: u8,
            cut: prop::sample::Index,
        ) {
            let mut body = message.encode().body;
            let position = position.index(body.len());
            body[position] = byte;
            let _ = raw(Some(REDIRECT_V1), body.clone()).request();
            body.truncate(cut.index(body.len()));
            prop_assert!(raw(Some(REDIRECT_V1), body).request().is_err());
        }

        #[test]
        fn a_trace_is_read_as_it_was_written(trace in traces()) {
            prop_assert_eq!(trace.as_str().parse::<TraceParent>().unwrap(), trace.clone());
            prop_assert_eq!(trace.trace_id(), &trace.as_str()[3..35]);
        }

        #[test]
        fn any_text_can_be_tried_as_a_trace(text: String, near in "[0-9a-g]{2}-[0-9a-g]{32}-[0-9a-g]{16}-[0-9a-g]{2}") {
            for text in [text, near] {
                if let Ok(trace) = text.parse::<TraceParent>() {
                    prop_assert_eq!(trace.as_str(), text.as_str());
                    prop_assert_eq!(trace.trace_id().len(), 32);
                }
            }
        }
    }

    #[test]
    fn a_trace_of_zeros_is_none() {
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        assert_eq!(zeros.parse::<TraceParent>(), Err(InvalidTraceParent));
        let zeros = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
        assert_eq!(zeros.parse::<TraceParent>(), Err(InvalidTraceParent));
    }

    #[test]
    fn a_message_of_another_type_says_which() {
        let error = raw(Some("redirect.v2"), b"{}".to_vec())
            .request()
            .unwrap_err();
        assert!(error.to_string().contains("redirect.v2"), "{error}");
        let error = raw(None, b"{}".to_vec()).request().unwrap_err();
        assert!(matches!(error, DecodeError::NoType));
        let error = raw(Some(&"x".repeat(100_000)), Vec::new())
            .request()
            .unwrap_err();
        assert!(error.to_string().len() < 200);
    }

    #[test]
    fn logs_do_not_get_the_body() {
        let raw = raw(Some("x"), b"{\"from\":\"+15005550006\"}".to_vec());
        assert!(!format!("{raw:?}").contains("5005550006"));
    }
}
