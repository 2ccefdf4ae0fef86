//! The resources of ours: made where they are missing, and set right where they differ.

use twilio::rest::{EventSchema, FlowDraft, TaskQueueDraft};
use twilio::{CLOUD_EVENT_PREFIX, EventType, SinkSid};

use super::plan::Planner;
use crate::callback::shown;
use crate::definitions::{self, Role};
use crate::diff;
use crate::error::{Doing, Error, Result};
use crate::step::{Step, Work, yet_to_be_made};

const COMMIT_MESSAGE: &str = "overflow setup";

/// The version that has all that we read, and is known to be served for each of our types.
const SCHEMA_VERSION: u32 = 1;

impl Planner<'_> {
    pub(super) fn task_queue(&self, role: Role) -> Step {
        let name = self.site.names.task_queue(role);
        let found = self.site.inventory.task_queues.get(&role);
        let sid = found.map(|queue| queue.sid);
        let mut step = Step::resource("task queue", &name, sid);
        let mut target_workers = role.definition().target_workers.clone();
        if let Some(found) = found {
            if role != Role::Placeholder {
                // The user decides who serves the other queues, once they are there.
                target_workers.clone_from(&found.target_workers);
            }
            step.field("name", &found.friendly_name, &name);
            step.field("target workers", &found.target_workers, &target_workers);
        }
        step.then(async move |work: &mut Work<'_, '_>| {
            let (client, workspace) = work.twilio();
            let draft = TaskQueueDraft {
                friendly_name: &name,
                target_workers: &target_workers,
            };
            let made = match &sid {
                Some(sid) => client.update_task_queue(&workspace, sid, &draft).await,
                None => client.create_task_queue(&workspace, &draft).await,
            };
            let made = made.map(|queue| queue.sid);
            let sid = work.set_up("task queue", &name, sid.is_none(), made)?;
            work.remember(|record| {
                record.task_queues.insert(name, sid);
            })
        })
    }

    pub(super) fn workflow(&self) -> Step {
        let name = self.site.names.workflow();
        let configuration = definitions::workflow(|role| self.sid_of(role)).to_string();
        let found = self.site.inventory.workflow.as_ref();
        let sid = found.map(|workflow| workflow.sid);
        let mut step = Step::resource("workflow", &name, sid);
        if let Some(found) = found {
            step.configuration(&found.configuration, &configuration);
        }
        step.then(async move |work: &mut Work<'_, '_>| {
            let (client, workspace) = work.twilio();
            let configuration = work.fill_in_json(&configuration);
            let made = match &sid {
                Some(sid) => {
                    client
                        .update_workflow(&workspace, sid, &configuration)
                        .await
                }
                None => {
                    client
                        .create_workflow(&workspace, &name, &configuration)
                        .await
                }
            };
            let made = made.map(|workflow| workflow.sid);
            let sid = work.set_up("workflow", &name, sid.is_none(), made)?;
            work.remember(|record| record.workflow = Some(sid))
        })
    }

    pub(super) async fn flow(&self) -> Result<Step> {
        let workspace = self.site.inventory.workspace.sid;
        let channels = self.setup.api.client.task_channels(&workspace).await;
        let voice = channels
            .doing("list the task channels")?
            .into_iter()
            .find(|channel| channel.unique_name.eq_ignore_ascii_case("voice"))
            .ok_or(Error::NoVoiceChannel(workspace))?;
        let workflow = match &self.site.inventory.workflow {
            Some(workflow) => workflow.sid.to_string(),
            None => yet_to_be_made(&self.site.names.workflow()),
        };
        let name = self.site.names.studio_flow();
        let definition = definitions::studio_flow(workflow, voice.sid.to_string());
        let found = self.site.inventory.flow.as_ref();
        let sid = found.map(|flow| flow.sid);
        let mut step = Step::resource("Studio flow", &name, sid);
        if let Some(found) = found {
            step.field("name", &found.friendly_name, &name);
            step.field("status", &found.status, "published");
            step.changes(diff::json(&found.definition, &definition));
        }
        Ok(step.then(async move |work: &mut Work<'_, '_>| {
            let (client, _) = work.twilio();
            let definition = work.fill_in_json(&definition.to_string());
            let draft = FlowDraft {
                friendly_name: &name,
                definition: &definition,
                commit_message: COMMIT_MESSAGE,
            };
            let problems = client.validate_flow(&draft).await;
            let problems = problems.doing("validate the Studio flow")?;
            if !problems.is_empty() {
                return Err(Error::InvalidFlow(problems.join("; ")));
            }
            let flow = match &sid {
                Some(sid) => client.update_flow(sid, &draft).await,
                None => client.create_flow(&draft).await,
            };
            let webhook = flow
                .as_ref()
                .ok()
                .map(|flow| work.site.api.webhook_of(flow));
            let made = flow.map(|flow| flow.sid);
            let sid = work.set_up("Studio flow", &name, sid.is_none(), made)?;
            // What refers to a flow needs its address.
            let webhook = webhook.map(|webhook| (yet_to_be_made(&name), webhook));
            work.made.extend(webhook);
            work.remember(|record| record.studio_flow = Some(sid))
        }))
    }

    pub(super) fn sink(&self, destination: String) -> Step {
        let name = self.site.names.event_stream();
        let mut step = Step::resource("Event Streams sink", &name, None::<SinkSid>);
        step.details([format!("destination: {}", shown(&destination))]);
        step.then(async move |work: &mut Work<'_, '_>| {
            let (client, _) = work.twilio();
            let made = client.create_webhook_sink(&name, &destination).await;
            let made = made.map(|sink| sink.sid);
            let sid = work.set_up("Event Streams sink", &name, true, made)?;
            work.remember(|record| record.sink = Some(sid))
        })
    }

    /// The subscription of a sink: of that one or, if there is none yet, of the one that the step
    /// before makes.
    pub(super) fn subscription(&self, sink: Option<SinkSid>) -> Step {
        let name = self.site.names.event_stream();
        let of = sink.map(|sid| format!(" of sink {sid}"));
        let shown = format!("{name}{}", of.unwrap_or_default());
        let step = Step::resource("Event Streams subscription", &shown, None::<SinkSid>);
        step.then(async move |work: &mut Work<'_, '_>| {
            let Some(sink) = sink.or(work.site.record.sink) else {
                return Ok(());
            };
            let types = EventType::ALL.map(|event| EventSchema {
                event_type: format!("{CLOUD_EVENT_PREFIX}{}", event.as_str()),
                schema_version: SCHEMA_VERSION,
            });
            let (client, _) = work.twilio();
            let made = client.create_subscription(&name, &sink, &types).await;
            let made = made.map(|subscription| subscription.sid);
            work.set_up("Event Streams subscription", &name, true, made)?;
            Ok(())
        })
    }
}
