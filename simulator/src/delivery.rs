//! How events, and requests for TwiML, leave Twilio: signed, timed out and retried as it does.

mod callback;
mod courier;
mod overrides;
mod twiml;

pub use callback::{Callback, Delivery};
pub(crate) use courier::{Courier, Parcel};
