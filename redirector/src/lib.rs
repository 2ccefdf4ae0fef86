//! Takes redirect requests off the queue and updates the calls.
//!
//! One delivery's way: deadline, plan, nobody else at the call, verification with Twilio where
//! there is doubt, update, retry or end. The delivery stays unacknowledged until its outcome is
//! known, so a crash gives it back to the queue.

mod age;
mod app;
mod attempts;
mod calls;
mod classify;
mod end;
mod gate;
mod held;
mod job;
mod metrics;
mod patience;
mod settings;
mod sweep;
mod twilio_api;
mod worker;

pub use app::App;
pub use settings::{RedirectorArgs, RedirectorSettings, SweepSettings, TwimlDelivery, TwimlUrl};
pub use worker::Redirector;
