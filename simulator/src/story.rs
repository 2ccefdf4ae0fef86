//! What happens, for those who watch it as it happens.

use std::time::Duration;

use twilio::{CallSid, E164, TaskQueueSid, TaskSid};

use crate::journal::{CallbackRecord, Callee, Heard};
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
        /// How many task queues it was in before.
        step: usize,
        /// The task queue's friendly name.
        name: String,
        /// How long it stays there, at the simulator's speed; `None` for the last step.
        timeout: Option<Duration>,
    },
    /// There was an attempt to deliver a callback.
    Callback(CallbackRecord),
    /// A caller heard something.
    Heard {
        /// The call.
        call: CallSid,
        /// What.
        heard: Heard,
        /// Since the call's task entered the task queue that it is in.
        since_entered: Option<Duration>,
    },
    /// Something happened to somebody who was rung for a caller.
    Callee {
        /// The caller's call.
        call: CallSid,
        /// Their number.
        number: E164,
        /// Whether it is a mailbox.
        mailbox: bool,
        /// What.
        what: Callee,
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
