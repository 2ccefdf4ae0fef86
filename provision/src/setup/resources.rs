//! What setup does with each resource.

use serde_json::Value;
use twilio::rest::{IncomingNumber, VoiceWebhook, Workflow};
use twilio::{
    E164, FlowSid, PhoneNumberSid, TaskChannelSid, TaskQueueSid, WorkflowSid, WorkspaceSid,
};

use super::Setup;
use super::plan::{Action, workflow_sid};
use crate::api::Repeatable;
use crate::callback::shown;
use crate::definitions::{self, Step};
use crate::diff;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::record::Record;
use crate::routing::Routing;

/// The workflow that leads to the placeholder.
#[derive(Debug)]
pub(super) enum WorkflowPlan {
    /// Ours.
    Own(Action<WorkflowSid>),
    /// The user's.
    Extend(Extension),
}

/// A workflow of the user's, with the placeholder added.
#[derive(Debug)]
pub(super) struct Extension {
    pub(super) workflow: Workflow,
    pub(super) action: Action<WorkflowSid>,
    /// What else the user should know.
    pub(super) notes: Vec<String>,
}

/// A phone number that is to lead to the flow.
#[derive(Debug)]
pub(super) struct NumberPlan {
    pub(super) sid: PhoneNumberSid,
    pub(super) current: VoiceWebhook,
    /// The change, as it is shown; `None` where there is none.
    pub(super) change: Option<String>,
}

pub(super) fn task_queues(
    setup: &Setup,
    inventory: &Inventory,
) -> Vec<(Step, Action<TaskQueueSid>)> {
    // A workflow of the user's has queues of its own.
    let steps = match setup.workflow {
        Some(_) => &[Step::Placeholder][..],
        None => &Step::ALL,
    };
    steps
        .iter()
        .map(|&step| {
            let Some(queue) = inventory.task_queues.get(&step) else {
                return (step, Action::Create);
            };
            let name = setup.names.task_queue(step);
            let wanted = &step.definition().target_workers;
            let mut changes = Vec::new();
            if queue.friendly_name != name {
                changes.push(diff::field("name", &queue.friendly_name, &name));
            }
            // Whom the other queues ask is for the user to say, once they are there.
            if step == Step::Placeholder && queue.target_workers != *wanted {
                changes.push(diff::field("target workers", &queue.target_workers, wanted));
            }
            match changes.is_empty() {
                true => (step, Action::Keep(queue.sid)),
                false => (step, Action::Update(queue.sid, changes)),
            }
        })
        .collect()
}

pub(super) fn workflow(
    setup: &Setup,
    inventory: &Inventory,
    record: Option<&Record>,
) -> Result<WorkflowPlan, Error> {
    let sid_of = |step: Step| match inventory.task_queues.get(&step) {
        Some(queue) => queue.sid.to_string(),
        None => format!("(new) {}", setup.names.task_queue(step)),
    };
    let Some(extended) = setup.workflow else {
        let wanted = Routing::from_value(definitions::workflow(sid_of));
        return Ok(WorkflowPlan::Own(match &inventory.workflow {
            None => Action::Create,
            Some(workflow) => compare(workflow, &wanted),
        }));
    };
    let workflow = inventory
        .workflows
        .iter()
        .find(|workflow| workflow.sid == extended)
        .ok_or(Error::NoSuchWorkflow {
            workspace: inventory.workspace.sid,
            workflow: extended,
        })?;
    let placeholder = sid_of(Step::Placeholder);
    let wanted = extend(workflow, &placeholder, setup.target_timeout)?;
    let mut notes: Vec<_> = wanted
        .findings(&placeholder)
        .into_iter()
        .map(|finding| {
            let (found, remedy) = (finding.problem.found(), finding.problem.remedy());
            format!("! filter {} {found}: {remedy}", finding.filter)
        })
        .collect();
    if let Some(queue) = wanted.default_queue().filter(|queue| *queue != placeholder) {
        notes.push(format!(
            "! tasks that no filter takes go to {queue} (default filter), as before, and are not \
             redirected"
        ));
    }
    if record.is_some_and(|record| record.extended_workflows.contains_key(&extended)) {
        notes.push("teardown restores it as it was before the first extension".to_owned());
    }
    Ok(WorkflowPlan::Extend(Extension {
        workflow: workflow.clone(),
        action: compare(workflow, &wanted),
        notes,
    }))
}

/// The workflow's configuration with the placeholder added.
pub(super) fn extend(
    workflow: &Workflow,
    placeholder: &str,
    target_timeout: Option<u32>,
) -> Result<Routing, Error> {
    let extend = || {
        let mut routing = Routing::parse(&workflow.configuration)?;
        routing.extend(placeholder, target_timeout)?;
        Ok(routing)
    };
    extend().map_err(|problem: crate::routing::InvalidRouting| Error::Workflow {
        workflow: workflow.sid,
        problem: problem.to_string(),
    })
}

fn compare(workflow: &Workflow, wanted: &Routing) -> Action<WorkflowSid> {
    match Routing::parse(&workflow.configuration) {
        Ok(current) if current == *wanted => Action::Keep(workflow.sid),
        Ok(current) => Action::Update(
            workflow.sid,
            diff::lines(&current.pretty(), &wanted.pretty()),
        ),
        Err(problem) => Action::Update(
            workflow.sid,
            vec![format!("its configuration is replaced: {problem}")],
        ),
    }
}

pub(super) async fn voice_channel(
    setup: &Setup,
    workspace: WorkspaceSid,
) -> Result<TaskChannelSid, Error> {
    setup
        .api
        .ask("list the task channels", Repeatable::Yes, || {
            setup.api.client.task_channels(&workspace)
        })
        .await?
        .into_iter()
        .find(|channel| channel.unique_name.eq_ignore_ascii_case("voice"))
        .map(|channel| channel.sid)
        .ok_or(Error::NoVoiceChannel(workspace))
}

pub(super) fn flow(
    setup: &Setup,
    inventory: &Inventory,
    workflow: &WorkflowPlan,
    voice_channel: TaskChannelSid,
) -> Action<FlowSid> {
    let Some(flow) = &inventory.flow else {
        return Action::Create;
    };
    let workflow = match workflow_sid(workflow) {
        Some(sid) => sid.to_string(),
        None => format!("(new) {}", setup.names.workflow()),
    };
    let wanted = definitions::studio_flow(&workflow, voice_channel.as_str());
    let mut changes = Vec::new();
    let name = setup.names.studio_flow();
    if flow.friendly_name != name {
        changes.push(diff::field("name", &flow.friendly_name, &name));
    }
    if flow.status != "published" {
        changes.push(diff::field("status", &flow.status, "published"));
    }
    if flow.definition != wanted {
        changes.extend(diff::lines(&pretty(&flow.definition), &pretty(&wanted)));
    }
    match changes.is_empty() {
        true => Action::Keep(flow.sid),
        false => Action::Update(flow.sid, changes),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

impl NumberPlan {
    pub(super) fn make(
        setup: &Setup,
        number: &E164,
        numbers: Vec<IncomingNumber>,
        inventory: &Inventory,
    ) -> Result<Self, Error> {
        let number = numbers
            .into_iter()
            .find(|incoming| incoming.is(number))
            .ok_or_else(|| Error::NoSuchNumber(number.as_str().to_owned()))?;
        let winner = [
            ("the TwiML application", number.voice_application()),
            ("the SIP trunk", number.trunk()),
        ];
        for (kind, sid) in winner {
            if let Some(sid) = sid {
                return Err(Error::NumberTaken {
                    number: number.sid,
                    kind,
                    sid: sid.to_owned(),
                });
            }
        }
        let wanted = inventory
            .flow
            .as_ref()
            .map(|flow| setup.flow_webhook(flow.sid, flow.webhook_url.as_deref()));
        let current = &number.voice.url;
        let change = match &wanted {
            Some(wanted) if wanted == current => None,
            Some(wanted) => Some(diff::field("voice URL", &shown(current), wanted)),
            None => Some(diff::field(
                "voice URL",
                &shown(current),
                "the new Studio flow",
            )),
        };
        Ok(Self {
            sid: number.sid,
            current: number.voice,
            change,
        })
    }
}

impl Setup {
    /// Where calls are sent for the flow.
    pub(super) fn flow_webhook(&self, flow: FlowSid, told: Option<&str>) -> String {
        match told {
            Some(url) => url.to_owned(),
            None => format!(
                "https://webhooks.twilio.com/v1/Accounts/{}/Flows/{flow}",
                self.api.account
            ),
        }
    }
}
