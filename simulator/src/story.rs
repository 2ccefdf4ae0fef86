//! What happens, for those who watch it as it happens.

use std::time::Duration;

use twilio::{CallSid, E164, EventSid, TaskQueueSid, TaskSid};

use crate::events::EventKind;
use crate::journal::HangUp;
use crate::resources::TaskStatus;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Since the simulator's start.
    pub at: Duration,
    /// What happened.
    pub story: Story,
}

/// Something that happened to a caller, a task or a callback.
#[derive(Debug, Clone, PartialEq)]
pub enum Story {
    /// A caller calls and hears hold music from now on.
    CallPlaced {
        /// The call.
        call: CallSid,
        /// The task that stands for it.
        task: TaskSid,
    },
    /// A task entered a task queue.
    QueueEntered {
        /// The task.
        task: TaskSid,
        /// Its call; `None` if the task was created through the API without one.
        call: Option<CallSid>,
        /// The task queue.
        queue: TaskQueueSid,
        /// The task queue's friendly name.
        name: String,
        /// How long it stays there, at the simulator's speed; `None` for the last step.
        timeout: Option<Duration>,
    },
    /// Nobody took a task while it was in a task queue.
    QueueTimeout {
        /// The task.
        task: TaskSid,
        /// The task queue that it leaves.
        queue: TaskQueueSid,
        /// The task queue's friendly name.
        name: String,
    },
    /// A callback was answered.
    CallbackAnswered {
        /// The event.
        event: EventSid,
        /// Its type.
        kind: EventKind,
        /// Its task.
        task: Option<TaskSid>,
        /// The HTTP status of the answer.
        status: u16,
        /// From sending to the answer.
        latency: Duration,
        /// 1 for the first.
        attempt: u32,
    },
    /// A callback was not answered.
    CallbackFailed {
        /// The event.
        event: EventSid,
        /// Its type.
        kind: EventKind,
        /// Its task.
        task: Option<TaskSid>,
        /// What was wrong.
        problem: &'static str,
        /// 1 for the first.
        attempt: u32,
    },
    /// An API request took the caller out of what they heard.
    CallRedirected {
        /// The call.
        call: CallSid,
        /// Twilio's name of the request, `RQ…`.
        request_id: String,
        /// Since the call's task entered the task queue that it is in.
        after: Option<Duration>,
    },
    /// Outside numbers ring for the caller.
    Dialled {
        /// The call.
        call: CallSid,
        /// The numbers.
        numbers: Vec<E164>,
        /// Since the call's task entered the task queue that it is in.
        after: Option<Duration>,
    },
    /// A redirect ended a conversation that the caller was in.
    ConversationCut {
        /// The call.
        call: CallSid,
    },
    /// The caller heard "an application error has occurred".
    ApplicationError {
        /// The call.
        call: CallSid,
        /// Why.
        problem: String,
    },
    /// A call ended.
    HungUp {
        /// The call.
        call: CallSid,
        /// Who or what ended it.
        by: HangUp,
    },
    /// A task ended.
    TaskClosed {
        /// The task.
        task: TaskSid,
        /// Its call.
        call: Option<CallSid>,
        /// How it ended.
        status: TaskStatus,
        /// The reason that was given.
        reason: Option<String>,
    },
}
