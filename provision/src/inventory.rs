//! What there is at Twilio of what setup makes.

use std::collections::BTreeMap;

use twilio::is_same_address;
use twilio::rest::{Flow, IncomingNumber, Sink, Subscription, TaskQueue, Workflow, Workspace};

use crate::api::Api;
use crate::definitions::{Names, Role};
use crate::error::{Doing, Result};
use crate::record::Record;
use crate::workspace::only;

/// What was found.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) workspace: Workspace,
    /// All of the workspace's.
    pub(crate) all_task_queues: Vec<TaskQueue>,
    /// Ours among them.
    pub(crate) task_queues: BTreeMap<Role, TaskQueue>,
    /// All of the workspace's.
    pub(crate) workflows: Vec<Workflow>,
    /// Ours among them.
    pub(crate) workflow: Option<Workflow>,
    pub(crate) flow: Option<Flow>,
    pub(crate) streams: Vec<Stream>,
}

/// A sink of ours, and what it is subscribed to.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) sink: Sink,
    pub(crate) subscriptions: Vec<Subscription>,
}

impl Inventory {
    /// Looks for what carries our names, or was recorded as ours and renamed since.
    pub(crate) async fn read(
        api: &Api,
        workspace: Workspace,
        names: &Names,
        record: &Record,
    ) -> Result<Self> {
        let (client, sid) = (&api.client, &workspace.sid);
        let all_task_queues = client.task_queues(sid).await;
        let all_task_queues = all_task_queues.doing("list the task queues")?;
        let mut task_queues = BTreeMap::new();
        for role in Role::ALL {
            let name = names.task_queue(role);
            let recorded = record.task_queues.get(&name).copied();
            let id = |queue: &TaskQueue| (queue.sid, queue.friendly_name == name);
            if let Some(queue) = ours("task queue", &name, recorded, &all_task_queues, id)? {
                task_queues.insert(role, queue);
            }
        }
        let workflows = client.workflows(sid).await.doing("list the workflows")?;
        let name = names.workflow();
        let id = |workflow: &Workflow| (workflow.sid, workflow.friendly_name == name);
        let workflow = ours("workflow", &name, record.workflow, &workflows, id)?;
        Ok(Self {
            all_task_queues,
            task_queues,
            workflows,
            workflow,
            flow: flow(api, names, record).await?,
            streams: streams(api, names, record).await?,
            workspace,
        })
    }

    /// Our stream that posts there.
    pub(crate) fn stream_to(&self, destination: &str) -> Option<&Stream> {
        let mut streams = self.streams.iter();
        streams.find(|stream| {
            let current = stream.sink.destination();
            current.is_some_and(|current| is_same_address(current, destination))
        })
    }
}

/// Of all resources of a kind, the one that is recorded or else the only one of our name. `id` gives
/// one's SID, and whether the name is ours.
fn ours<T: Clone, S: PartialEq + ToString>(
    kind: &'static str,
    name: &str,
    recorded: Option<S>,
    all: &[T],
    id: impl Fn(&T) -> (S, bool),
) -> Result<Option<T>> {
    if let Some(found) = all.iter().find(|one| Some(id(one).0) == recorded) {
        return Ok(Some(found.clone()));
    }
    let named = all.iter().filter(|one| id(one).1).cloned().collect();
    let remedy = "Rename or delete all but one of them in the console, or choose another prefix by \
                  --prefix.";
    only(kind, name, named, |one| id(one).0, remedy)
}

async fn flow(api: &Api, names: &Names, record: &Record) -> Result<Option<Flow>> {
    let name = names.studio_flow();
    let all = api.client.flows().await.doing("list the Studio flows")?;
    let id = |flow: &Flow| (flow.sid, flow.friendly_name == name);
    match ours("Studio flow", &name, record.studio_flow, &all, id)? {
        Some(found) => {
            let flow = api.client.flow(&found.sid).await;
            flow.doing("read the Studio flow")
        }
        None => Ok(None),
    }
}

async fn streams(api: &Api, names: &Names, record: &Record) -> Result<Vec<Stream>> {
    let name = names.event_stream();
    let sinks = api.client.sinks().await;
    let sinks = sinks.doing("list the Event Streams sinks")?;
    let is_ours = |sink: &Sink| sink.description == name || record.sink == Some(sink.sid);
    let mut streams = Vec::new();
    for sink in sinks.into_iter().filter(is_ours) {
        let subscriptions = api.client.subscriptions(&sink.sid).await;
        streams.push(Stream {
            subscriptions: subscriptions.doing("list the Event Streams subscriptions")?,
            sink,
        });
    }
    Ok(streams)
}

/// What answers calls to a number in place of its voice URL.
pub(crate) fn answered_by(number: &IncomingNumber) -> Option<String> {
    let application = number.voice_application();
    application
        .map(|sid| format!("TwiML application {sid}"))
        .or_else(|| number.trunk().map(|sid| format!("SIP trunk {sid}")))
}
