//! Takes redirect requests off the queue and updates the calls.
//!
//! One delivery's way: proof that the caller waits, intent, update, acknowledgement. It stays
//! unacknowledged until its outcome is known, so a crash gives it back to the queue.

mod app;
mod calls;
mod classify;
mod deadline;
mod deliveries;
mod delivery;
mod follow_up;
mod job;
mod labels;
mod ledger;
mod limiter;
mod lookup;
mod members;
mod memory;
mod metrics;
mod notifier;
mod outbox;
mod outcome;
mod settings;
mod shared;
mod sweep;
mod task_lists;
mod twilio_time;
mod worker;
mod workflows;

pub use settings::{
    Cli, RedirectorArgs, RedirectorSettings, SweepSettings, TwimlDelivery, TwimlUrl,
};
pub use worker::Redirector;
