//! Webhooks, as [Standard Webhooks](https://www.standardwebhooks.com) describes them: one message to
//! one receiver, and what its answer means. When it is tried again is decided elsewhere.

mod public;
mod target;
mod webhook;

pub use target::{InvalidKey, InvalidTarget, Reach, SigningKey, Target};
pub use webhook::{Failure, Webhook};
