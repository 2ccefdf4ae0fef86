//! What Twilio's wire says: identifiers, numbers, events, signatures, TwiML and the REST API.
//!
//! Knows no queue and no server. Everything that comes from outside is parsed here, once, into a
//! type that can't hold anything else.

mod caller;
mod e164;
mod event;
mod event_error;
mod form;
mod host;
mod json;
mod public_url;
pub mod rest;
mod sid;
mod signature;
mod task_attributes;
pub mod twiml;

/// A recording that is shorter holds no message of the caller's: they hung up, or said nothing.
pub const SHORTEST_MESSAGE: std::time::Duration = std::time::Duration::from_secs(2);

pub use caller::Caller;
pub use e164::{E164, InvalidE164};
pub use event::{CLOUD_EVENT_PREFIX, CancelReason, EventType, PROBE_EVENT, TaskRouterEvent};
pub use event_error::EventError;
pub use form::FormParams;
pub use host::{is_local, is_private};
pub use public_url::{
    CONNECTION_OVERRIDES, EVENT_STREAM_PATH, EVENTS_PATH, InvalidPublicUrl, PublicUrl,
    PublicUrlFlaw, TWIML_PATH, is_same_address, without_overrides,
};
pub use sid::{
    AccountSid, ApiKeySid, CallSid, EventSid, FlowSid, InvalidSid, PhoneNumberSid, QueueSid,
    RecordingSid, SinkSid, SubscriptionSid, TaskChannelSid, TaskQueueSid, TaskSid, WorkflowSid,
    WorkspaceSid,
};
pub use signature::{
    AuthToken, SIGNATURE_HEADER, SignatureError, SignatureVerifier, SignedUrl, sign_body, sign_form,
};
pub use task_attributes::{Conversation, TaskAttributes};
