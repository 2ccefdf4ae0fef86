//! What there is at Twilio of what setup makes.

use std::collections::BTreeMap;

use twilio::rest::{Flow, IncomingNumber, RestError, TaskQueue, Workflow, Workspace};
use twilio::{EVENT_STREAM_PATH, WorkflowSid, without_overrides};

use crate::api::Api;
use crate::definitions::{Names, Role};
use crate::error::{Doing, Error, Result};
use crate::record::{Record, ReplacedConfiguration};
use crate::stream::Stream;
use crate::workspace::only;

/// What was found.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) workspace: Workspace,
    /// All of the workspace's.
    pub(crate) all_task_queues: Vec<TaskQueue>,
    /// Ours among them.
    pub(crate) task_queues: BTreeMap<Role, TaskQueue>,
    /// The placeholder in place of ours: one of the user's.
    pub(crate) adopted: Option<TaskQueue>,
    /// All of the workspace's.
    pub(crate) workflows: Vec<Workflow>,
    /// Ours among them.
    pub(crate) workflow: Option<Workflow>,
    pub(crate) flow: Option<Flow>,
    /// Ours, and others that post to where ingest takes events.
    pub(crate) streams: Vec<Stream>,
    /// Workflows of the user's that were extended, as the record has them.
    pub(crate) extended: BTreeMap<WorkflowSid, ReplacedConfiguration>,
    /// Why Studio's flows could not be read: this key or region has none.
    pub(crate) no_studio: Option<String>,
    /// Why Event Streams could not be read.
    pub(crate) no_event_streams: Option<String>,
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
        let (flow, no_studio) = unless_denied(flow(api, names, record).await)?;
        let (streams, no_event_streams) = unless_denied(streams(api, names, record).await)?;
        let mut adopted = all_task_queues.iter();
        Ok(Self {
            adopted: adopted.find(|q| record.placeholder == Some(q.sid)).cloned(),
            all_task_queues,
            task_queues,
            workflows,
            workflow,
            flow: flow.flatten(),
            streams: streams.unwrap_or_default(),
            extended: record.extended_workflows.clone(),
            no_studio,
            no_event_streams,
            workspace,
        })
    }

    /// The task queue that tasks enter whom nobody took.
    pub(crate) fn placeholder(&self) -> Option<&TaskQueue> {
        let ours = || self.task_queues.get(&Role::Placeholder);
        self.adopted.as_ref().or_else(ours)
    }

    /// The streams that post there, whoever made them; ours first.
    fn streams_to(&self, destination: &str) -> impl Iterator<Item = &Stream> {
        let to = |ours: bool| {
            let streams = self.streams.iter().filter(move |s| s.is_ours == ours);
            streams.filter(|stream| stream.posts_to(destination))
        };
        to(true).chain(to(false))
    }

    /// The stream that posts there; one that works and has a subscription, if there are several.
    pub(crate) fn stream_to(&self, destination: &str) -> Option<&Stream> {
        let is_worse = |stream: &&Stream| (stream.has_failed(), stream.subscriptions.is_empty());
        self.streams_to(destination).min_by_key(is_worse)
    }
}

/// What was read, or why these credentials, or their region, keep it from being read. It may not be
/// needed.
pub(crate) fn unless_denied<T>(read: Result<T>) -> Result<(Option<T>, Option<String>)> {
    let is_denied = |error: &RestError| {
        let refusal = error.refusal();
        refusal.is_some_and(|refusal| matches!(refusal.status, 401 | 403 | 404))
    };
    match read {
        Ok(read) => Ok((Some(read), None)),
        Err(Error::Twilio { doing, error }) if is_denied(&error) => {
            Ok((None, Some(format!("cannot {doing}: {error}"))))
        }
        Err(error) => Err(error),
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
    let mut streams = Vec::new();
    for sink in sinks {
        let is_ours = sink.description == name || record.sink == Some(sink.sid);
        let is_for_ingest = |url| without_overrides(url).ends_with(EVENT_STREAM_PATH);
        if !is_ours && !sink.destination().is_some_and(is_for_ingest) {
            continue;
        }
        let subscriptions = api.client.subscriptions(&sink.sid).await;
        let subscriptions = subscriptions.doing("list the Event Streams subscriptions")?;
        let ours = subscriptions.iter().filter(|subscription| {
            let sid = &subscription.sid;
            subscription.description == name || record.subscriptions.contains(sid)
        });
        streams.push(Stream {
            ours: ours.map(|subscription| subscription.sid).collect(),
            subscriptions,
            sink,
            is_ours,
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
