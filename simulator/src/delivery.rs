//! How events and requests for TwiML leave Twilio: signed, timed out and retried in its way.

mod callback;
mod overrides;
mod sender;
mod twiml;
mod webhooks;

pub use callback::{Callback, Delivery};
pub(crate) use sender::Sender;
