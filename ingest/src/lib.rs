//! Takes TaskRouter's event callbacks, and answers each once it is durable.
//!
//! The order of work: size limit, signature, parse, filter, publish confirmed, `204`. An event
//! answered with `2xx` is either of no concern to us, or durable on the queue.

mod app;
mod endings;
mod filter;
mod handlers;
mod ingest;
mod metrics;
mod next_step;
mod outbox;
mod outcome;
mod server;
mod settings;
mod signed;
mod spooled;

pub use ingest::Ingest;
pub use settings::{Cli, IngestArgs, IngestSettings, SpoolSettings};
