//! Everything that the simulator knows. Changes are made here, without waiting for anything; what they
//! start outside is returned as [`Effect`]s.

mod arrivals;
mod calls;
mod emit;
mod incoming;
mod lines;
mod redirects;
mod task_changes;
mod tasks;
mod world;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use twilio::{
    CallSid, E164, FlowSid, PhoneNumberSid, QueueSid, SinkSid, SubscriptionSid, TaskChannelSid,
    TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid,
};
use url::Url;

pub use arrivals::{Caller, PlaceCall, PlaceCallError};
pub(crate) use calls::{NotInProgress, seconds_between};
pub(crate) use task_changes::TaskChange;
pub use tasks::{Begin, OtherTask, TurnDown};

use crate::config::{Account, Config};
use crate::events::{EventKind, Webhook};
use crate::ids::Ids;
use crate::journal::{Entry, Heard, Journal};
use crate::line::Follow;
use crate::ordered::Ordered;
use crate::phone::Phone;
use crate::resources::{
    Activity, Call, Flow, IncomingNumber, Sink, Subscription, Task, TaskQueue, TaskStatus,
    VoiceQueue, Workflow, Workspace,
};
use crate::story::{Moment, Story};

/// What the simulator knows, for tests to look at.
pub struct State {
    pub(crate) config: Config,
    pub(crate) account: Account,
    pub(crate) base_url: Url,
    pub(crate) demo: Demo,
    pub(crate) workspaces: Ordered<WorkspaceSid, Workspace>,
    pub(crate) task_queues: Ordered<TaskQueueSid, TaskQueue>,
    pub(crate) workflows: Ordered<WorkflowSid, Workflow>,
    pub(crate) tasks: Ordered<TaskSid, Task>,
    pub(crate) calls: Ordered<CallSid, Call>,
    pub(crate) voice_queues: Ordered<QueueSid, VoiceQueue>,
    pub(crate) flows: Ordered<FlowSid, Flow>,
    pub(crate) sinks: Ordered<SinkSid, Sink>,
    pub(crate) subscriptions: Ordered<SubscriptionSid, Subscription>,
    pub(crate) incoming_numbers: Ordered<PhoneNumberSid, IncomingNumber>,
    /// By ISO code.
    pub(crate) forbidden_countries: HashSet<String>,
    pub(crate) phones: HashMap<E164, Phone>,
    pub(crate) event_stream: Option<EventStream>,
    pub(crate) journal: Journal,
    pub(crate) ids: Ids,
    pub(crate) started: Instant,
    effects: Vec<Effect>,
}

/// The resources of the demonstration: a Flex set-up with outside redirection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demo {
    pub(crate) workspace: WorkspaceSid,
    pub(crate) workflow: WorkflowSid,
    pub(crate) placeholder: TaskQueueSid,
    pub(crate) voice_channel: TaskChannelSid,
}

/// An Event Streams webhook sink and the types that are subscribed to.
#[derive(Debug, Clone)]
pub(crate) struct EventStream {
    pub(crate) url: String,
    pub(crate) kinds: Vec<EventKind>,
}

/// What a change starts outside the state.
pub(crate) enum Effect {
    /// An event is sent to a receiver.
    Send(Webhook),
    /// The state changes once this much time has passed.
    Later {
        after: Duration,
        change: Box<dyn FnOnce(&mut State) + Send>,
    },
    /// A call follows instructions.
    Follow(Follow),
    /// Watchers are told.
    Tell(Moment),
}

/// A task, as tests see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskView {
    /// The task.
    pub sid: TaskSid,
    /// Its status.
    pub status: TaskStatus,
    /// The reason that was given when it ended.
    pub reason: Option<String>,
    /// The task queue that it is in, or was in last.
    pub queue: TaskQueueSid,
    /// Its call.
    pub call: Option<CallSid>,
}

impl State {
    /// What each caller heard, what was asked, what was sent.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The calls whose callers hear hold music, in order. It scans all calls; to count them,
    /// [`State::waiting_count`] is cheaper.
    pub fn callers_still_waiting(&self) -> Vec<CallSid> {
        self.calls
            .values()
            .filter(|call| call.is_waiting())
            .map(|call| call.sid)
            .collect()
    }

    /// How many callers hear hold music.
    pub fn waiting_count(&self) -> usize {
        self.voice_queues
            .values()
            .map(|queue| queue.members.len())
            .sum()
    }

    /// Whether this caller hears hold music.
    pub fn is_waiting(&self, call: &CallSid) -> bool {
        self.calls.get(call).is_some_and(Call::is_waiting)
    }

    /// Whether this call is in progress.
    pub fn is_in_progress(&self, call: &CallSid) -> bool {
        let call = self.calls.get(call);
        call.is_some_and(|call| call.activity != Activity::Over)
    }

    /// The task that stands for a caller now.
    pub fn task_of(&self, call: &CallSid) -> Option<TaskSid> {
        Some(self.calls.get(call)?.task)
    }

    /// Whether a task is one of a conference or a transfer, by its attributes.
    pub fn is_of_a_conference(&self, task: &TaskSid) -> bool {
        self.tasks.get(task).is_some_and(|task| {
            task.attributes.contains("\"conference\"")
                || task.attributes.contains("\"transferMeta\"")
        })
    }

    /// A task; `None` if there never was one, or there is none any more.
    pub fn task(&self, task: &TaskSid) -> Option<TaskView> {
        let task = self.tasks.get(task)?;
        Some(TaskView {
            sid: task.sid,
            status: task.status,
            reason: task.reason.clone(),
            queue: task.target().queue,
            call: task.call,
        })
    }

    /// How many tasks have not ended.
    pub fn open_tasks(&self) -> usize {
        self.tasks
            .values()
            .filter(|task| !task.status.is_terminal())
            .count()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// The time since the simulator's start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn tell(&mut self, story: Story) {
        let at = self.elapsed();
        self.effects.push(Effect::Tell(Moment { at, story }));
    }

    /// Changes the state after some time.
    fn later(&mut self, after: Duration, change: impl FnOnce(&mut Self) + Send + 'static) {
        self.effects.push(Effect::Later {
            after,
            change: Box::new(change),
        });
    }

    pub(crate) fn heard(&mut self, call: CallSid, heard: Heard) {
        let at = self.elapsed();
        self.tell(Story::Heard {
            call,
            heard: heard.clone(),
            since_entered: self.since_entered(call),
        });
        if let Some(log) = self.journal.callers.get_mut(&call) {
            log.entries.push(Entry { at, heard });
        }
    }

    /// Whether a channel has this SID or this unique name: there are calls only.
    pub(crate) fn is_task_channel(&self, name: &str) -> bool {
        name == "voice" || name == self.demo.voice_channel.as_str()
    }

    /// The friendly name of a task queue; empty if it was deleted.
    pub(crate) fn task_queue_name(&self, queue: TaskQueueSid) -> &str {
        let queue = self.task_queues.get(&queue);
        queue.map_or("", |queue| &queue.friendly_name)
    }

    /// The friendly name of a workflow; empty if it was deleted.
    pub(crate) fn workflow_name(&self, workflow: WorkflowSid) -> &str {
        let workflow = self.workflows.get(&workflow);
        workflow.map_or("", |workflow| &workflow.friendly_name)
    }
}
