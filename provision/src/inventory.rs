//! What there is at Twilio of what setup makes.

use std::collections::BTreeMap;

use twilio::WorkspaceSid;
use twilio::rest::{Flow, Sink, Subscription, TaskQueue, Workflow, Workspace};

use crate::api::Api;
use crate::definitions::{Names, Role};
use crate::error::{Doing, Error};
use crate::record::Record;
use crate::workspace::only;

/// What was found.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) workspace: Workspace,
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
        record: Option<&Record>,
    ) -> Result<Self, Error> {
        let sid = workspace.sid;
        let task_queues = task_queues(api, &sid, names, record).await?;
        let workflows = api
            .client
            .workflows(&sid)
            .await
            .doing("list the workflows")?;
        let recorded = record.and_then(|record| record.workflow);
        let name = names.workflow();
        let named: Vec<_> = workflows
            .iter()
            .filter(|workflow| workflow.friendly_name == name || recorded == Some(workflow.sid))
            .cloned()
            .collect();
        let workflow = only(
            "workflow",
            &name,
            prefer(named, |w| recorded == Some(w.sid)),
            |w| w.sid,
        )?;
        Ok(Self {
            workspace,
            task_queues,
            workflows,
            workflow,
            flow: flow(api, names, record).await?,
            streams: streams(api, names, record).await?,
        })
    }

    pub(crate) fn placeholder(&self) -> Option<&TaskQueue> {
        self.task_queues.get(&Role::Placeholder)
    }
}

/// Of several, the one that is recorded, if one is.
fn prefer<T>(mut candidates: Vec<T>, recorded: impl Fn(&T) -> bool) -> Vec<T> {
    match candidates.iter().position(recorded) {
        Some(index) => vec![candidates.swap_remove(index)],
        None => candidates,
    }
}

async fn task_queues(
    api: &Api,
    workspace: &WorkspaceSid,
    names: &Names,
    record: Option<&Record>,
) -> Result<BTreeMap<Role, TaskQueue>, Error> {
    let all = api
        .client
        .task_queues(workspace)
        .await
        .doing("list the task queues")?;
    let mut found = BTreeMap::new();
    for role in Role::ALL {
        let name = names.task_queue(role);
        let recorded = record.and_then(|record| record.task_queues.get(&name));
        let matching: Vec<_> = all
            .iter()
            .filter(|queue| queue.friendly_name == name || recorded == Some(&queue.sid))
            .cloned()
            .collect();
        let matching = prefer(matching, |queue| recorded == Some(&queue.sid));
        if let Some(queue) = only("task queue", &name, matching, |queue| queue.sid)? {
            found.insert(role, queue);
        }
    }
    Ok(found)
}

async fn flow(api: &Api, names: &Names, record: Option<&Record>) -> Result<Option<Flow>, Error> {
    let name = names.studio_flow();
    let recorded = record.and_then(|record| record.studio_flow);
    let matching: Vec<_> = api
        .client
        .flows()
        .await
        .doing("list the Studio flows")?
        .into_iter()
        .filter(|flow| flow.friendly_name == name || recorded == Some(flow.sid))
        .collect();
    let matching = prefer(matching, |flow| recorded == Some(flow.sid));
    match only("Studio flow", &name, matching, |flow| flow.sid)? {
        Some(summary) => api
            .client
            .flow(&summary.sid)
            .await
            .doing("read the Studio flow"),
        None => Ok(None),
    }
}

async fn streams(api: &Api, names: &Names, record: Option<&Record>) -> Result<Vec<Stream>, Error> {
    let name = names.event_stream();
    let recorded = record.and_then(|record| record.sink);
    let sinks = api
        .client
        .sinks()
        .await
        .doing("list the Event Streams sinks")?;
    let mut streams = Vec::new();
    for sink in sinks {
        if sink.description != name && recorded != Some(sink.sid) {
            continue;
        }
        let subscriptions = api
            .client
            .subscriptions(&sink.sid)
            .await
            .doing("list the Event Streams subscriptions")?;
        streams.push(Stream {
            sink,
            subscriptions,
        });
    }
    Ok(streams)
}
