//! What the end-to-end tests stand on: the real binaries as processes of their own, against the
//! simulator in this one, over a real queue.

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod collector;
pub mod faults;
mod foreign;
mod process;
mod prometheus;
mod proxy;
pub mod senders;
mod stack;

pub use foreign::Foreign;
pub use process::{Process, Surroundings, binary};
pub use prometheus::Prometheus;
pub use proxy::Proxy;
pub use rabbitmq::free_address;
pub use stack::{Backend, NUMBER, Stack, StackOptions, http};

/// How long tests wait for what must happen: far above what it takes, also on a busy machine.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(300);
