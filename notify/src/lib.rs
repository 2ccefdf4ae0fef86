//! Webhooks, as [Standard Webhooks](https://www.standardwebhooks.com) describes them: one message to
//! one receiver, and what its answer means. When it is tried again is decided elsewhere.

mod failure;
mod public;
mod signing_key;
mod target;
mod webhook;

pub use failure::Failure;
pub use signing_key::{InvalidSigningKey, SigningKey};
pub use target::{InvalidTarget, Reach, Target};
pub use webhook::{Message, Webhook};
