//! What the processes have in common: settings and redirect plans, logs, metrics, the admin
//! listener, and stopping in order.

pub mod admin;
pub mod failure;
mod host;
pub mod http;
pub mod out;
pub mod plan;
pub mod policies;
pub mod process;
mod queue_metrics;
pub mod report;
pub mod role;
pub mod settings;
pub mod shutdown;
pub mod telemetry;

pub use host::{Host, ending};
pub use plan::{Notify, Plan, Plans};
pub use role::Role;
pub use settings::Problems;
