//! Callbacks that a test sends by itself.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use twilio::{CallSid, EventSid, TaskSid};

use crate::events::{Event, EventKind, Transport, Webhook};
use crate::journal::CallbackOutcome;
use crate::resources::Workspace;
use crate::simulator::Simulator;
use crate::state::{EventStream, State};

/// An event ready to be sent, unchanged or changed.
#[derive(Clone)]
pub struct Callback(pub(crate) Webhook);

impl Callback {
    /// One that goes to the URL of the demonstration's workspace.
    fn of(state: &State, event: Arc<Event>) -> Self {
        let url = state.callback_url();
        Self(Webhook::new(event, Transport::EventCallback, url))
    }

    /// Sends it to another URL than the workspace's. Its fragment may hold connection overrides.
    #[must_use]
    pub fn to(mut self, url: impl Into<String>) -> Self {
        self.0.url = url.into();
        self
    }

    /// Signs it with a token that is not the account's.
    #[must_use]
    pub fn forged(mut self) -> Self {
        self.0.forged = true;
        self
    }

    /// Backdates it, as if it arrived late.
    #[must_use]
    pub fn backdated(mut self, by: Duration) -> Self {
        let event = Arc::make_mut(&mut self.0.event);
        event.at = event.at.checked_sub(by).unwrap_or(event.at);
        for (name, value) in &mut event.params {
            match *name {
                "Timestamp" => *value = event.at.as_second().to_string(),
                "TimestampMs" => *value = event.at.as_millisecond().to_string(),
                _ => {}
            }
        }
        self
    }

    /// Delivers it as Event Streams does, to the sink that [`Callback::to`] names.
    #[must_use]
    pub fn through_event_streams(mut self) -> Self {
        self.0.transport = Transport::EventStream;
        self
    }

    /// The event.
    pub fn event(&self) -> EventSid {
        self.0.event.sid
    }

    /// Its type.
    pub fn kind(&self) -> EventKind {
        self.0.event.kind
    }

    /// Its call, if it has one.
    pub fn call(&self) -> Option<CallSid> {
        self.0.event.call
    }

    /// Its task, if it has one.
    pub fn task(&self) -> Option<TaskSid> {
        self.0.event.task
    }
}

/// What came of a delivery, retries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The event.
    pub event: EventSid,
    /// The outcome of the last attempt.
    pub outcome: CallbackOutcome,
    /// How many attempts there were.
    pub attempts: u32,
    /// From the first sending to the last outcome.
    pub latency: Duration,
}

impl Simulator {
    /// Sets the workspace's `EventCallbackUrl`, connection overrides in its fragment included.
    pub fn set_callback(&self, url: Option<&str>) {
        let url = url.unwrap_or_default().to_owned();
        self.change_workspace(|workspace| workspace.event_callback_url = url);
    }

    /// Sets the workspace's `EventsFilter`; `None` sends every event.
    pub fn set_events_filter(&self, kinds: Option<&[EventKind]>) {
        let filter = kinds.map(|kinds| {
            let names: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
            names.join(",")
        });
        self.change_workspace(|workspace| workspace.events_filter = filter);
    }

    fn change_workspace(&self, change: impl FnOnce(&mut Workspace)) {
        let workspace = self.demo.workspace;
        self.core
            .change(|state| state.workspaces.get_mut(&workspace).map(change));
    }

    /// Delivers events of these types through Event Streams to a webhook sink, besides the event
    /// callback; to none if `None`.
    pub fn set_event_stream(&self, sink_url: Option<&str>, kinds: &[EventKind]) {
        let stream = sink_url.map(|url| EventStream {
            url: url.to_owned(),
            kinds: kinds.to_vec(),
        });
        self.core.change(|state| state.event_stream = stream);
    }

    /// The `task-queue.entered` event of the task queue that a task is in, for the test to send: the
    /// same event that was or would have been sent, with the same SID. It goes to the workspace's
    /// callback URL, or where [`Callback::to`] sends it.
    pub fn entered_callback(&self, task: TaskSid) -> Option<Callback> {
        self.core.look(|state| {
            let event = state.tasks.get(&task)?.entered_event.clone()?;
            Some(Callback::of(state, event))
        })
    }

    /// Events of all kinds that don't mean a stranded caller: about workers, about other task queues,
    /// of other types, about tasks without a call.
    pub fn irrelevant_callbacks(&self, count: usize) -> Vec<Callback> {
        let callback = |index| {
            self.core.change(|state| {
                let event = Arc::new(state.irrelevant_event(index)?);
                Some(Callback::of(state, event))
            })
        };
        (0..count).filter_map(callback).collect()
    }

    /// Delivers callbacks in order, `concurrency` at a time, with Twilio's timeouts and retries but
    /// without callback faults. Returns what came of each, in the same order.
    pub async fn deliver(&self, callbacks: Vec<Callback>, concurrency: usize) -> Vec<Delivery> {
        let permits = Arc::new(Semaphore::new(concurrency.max(1)));
        let mut sending = Vec::new();
        for Callback(webhook) in callbacks {
            let permit = permits.clone().acquire_owned().await;
            let core = self.core.clone();
            let task = tokio::spawn(async move {
                let delivery = core.send(&webhook).await;
                drop(permit);
                delivery
            });
            sending.push(AbortOnDropHandle::new(task));
        }
        let deliveries = join_all(sending).await;
        // None of them panics.
        deliveries.into_iter().flatten().collect()
    }
}
