//! What an account holds.

mod call;
mod event_streams;
mod flow;
mod incoming_number;
mod leg;
mod recording;
mod task;
mod task_queue;
mod voice_queue;
mod workflow;
mod workspace;

pub(crate) use call::{Activity, Call};
pub(crate) use event_streams::{Sink, Subscription};
pub(crate) use flow::{Flow, FlowStatus, check_definition};
pub(crate) use incoming_number::IncomingNumber;
pub(crate) use leg::Leg;
pub(crate) use recording::Recording;
pub(crate) use task::Task;
pub use task::TaskStatus;
pub(crate) use task_queue::{TaskOrder, TaskQueue, is_expression};
pub(crate) use voice_queue::{LARGEST_QUEUE, VoiceQueue};
pub(crate) use workflow::{
    Target, TaskRouting, Workflow, default_configuration, sequential_configuration,
};
pub(crate) use workspace::Workspace;
