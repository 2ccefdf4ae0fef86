//! The resources of ours: made where they are missing, and set right where they differ.

use std::fmt::Display;

use twilio::rest::{EventSchema, Flow, FlowDraft, TaskQueue, TaskQueueDraft, WorkflowDraft};
use twilio::{EventType, SinkSid, WorkflowSid};

use super::plan::Planner;
use crate::callback::shown;
use crate::definitions::{self, DEFINITIONS, Role};
use crate::diff;
use crate::error::{Doing, Error, Result};
use crate::step::{Step, Work};
use crate::stream::Stream;
use crate::unmade::yet_to_be_made;

const COMMIT_MESSAGE: &str = "overflow setup";

/// How long an offer lasts where nobody says so, in seconds.
const TWILIOS_RESERVATION_TIMEOUT: u32 = 120;

/// The version that has all that we read, and is known to be served for each of our types.
const SCHEMA_VERSION: u32 = 1;

/// Flows and sinks are the account's, and other workspaces of it may have some of the same name.
pub(super) fn another_setups(kind: &str, name: &str, sid: impl Display, why: &str) -> Error {
    Error::Unclear(format!(
        "{kind} {name:?} ({sid}) {why}: it is of another setup\n  Nothing was changed. Choose \
         another prefix by --prefix or, if nobody needs it, delete it in the console."
    ))
}

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
        let found = found.cloned();
        step.then(async move |work: &mut Work<'_, '_>| {
            let (client, workspace) = work.twilio();
            if let Some(found) = &found {
                let again = client.task_queue(&workspace, &found.sid);
                let what = format!("task queue {name}");
                work.check_unchanged(&what, found, again, TaskQueue::clone)
                    .await?;
            }
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
        let current = found.and_then(|workflow| workflow.task_reservation_timeout);
        // Another than Twilio's own was chosen by somebody.
        let chosen = current.filter(|seconds| *seconds != TWILIOS_RESERVATION_TIMEOUT);
        let seconds = self.setup.reservation_timeout.or(chosen);
        let seconds = seconds.or(self.site.record.reservation_timeout);
        let seconds = seconds.unwrap_or(DEFINITIONS.task_reservation_timeout);
        let re_evaluate_tasks = self.setup.re_evaluate_tasks;
        let mut step = Step::resource("workflow", &name, sid);
        if let Some(found) = found {
            step.configuration(&found.configuration, &configuration);
            let current = current.map_or_else(String::new, |seconds| format!("{seconds} s"));
            step.field(
                "task reservation timeout",
                &current,
                &format!("{seconds} s"),
            );
            step.says_who_goes_by_it(re_evaluate_tasks);
        }
        step.details([self.offer(seconds)]);
        let found = found.cloned();
        step.then(async move |work: &mut Work<'_, '_>| {
            let (client, workspace) = work.twilio();
            if let Some(found) = &found {
                work.check_workflow(found).await?;
            }
            let configuration = work.fill_in_json(&configuration);
            let draft = WorkflowDraft {
                configuration: &configuration,
                task_reservation_timeout: Some(seconds),
                re_evaluate_tasks: re_evaluate_tasks && sid.is_some(),
            };
            let made = match &sid {
                Some(sid) => client.update_workflow(&workspace, sid, draft).await,
                None => client.create_workflow(&workspace, &name, draft).await,
            };
            let made = made.map(|workflow| workflow.sid);
            let sid = work.set_up("workflow", &name, sid.is_none(), made)?;
            work.remember(|record| record.workflow = Some(sid))
        })
    }

    /// The flow that leads to a workflow: to that one or, if there is none yet, to ours.
    pub(super) async fn flow(&self, workflow: Option<WorkflowSid>) -> Result<Step> {
        if let Some(problem) = self.site.inventory.no_studio.clone() {
            let needed = "setup needs Studio to make a flow (with --workflow it makes none)";
            return Err(Error::Denied { needed, problem });
        }
        if let Some(flow) = &self.site.inventory.foreign_flow {
            let (name, sid) = (&flow.friendly_name, flow.sid);
            return Err(another_setups(
                "Studio flow",
                name,
                sid,
                "leads to no workflow here",
            ));
        }
        let workspace = self.site.inventory.workspace.sid;
        let channels = self.setup.api.client.task_channels(&workspace).await;
        let voice = channels
            .doing("list the task channels")?
            .into_iter()
            .find(|channel| channel.unique_name.eq_ignore_ascii_case("voice"))
            .ok_or(Error::NoVoiceChannel(workspace))?;
        let workflow = workflow.map_or_else(
            || yet_to_be_made(&self.site.names.workflow()),
            |workflow| workflow.to_string(),
        );
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
        let found = found.cloned();
        Ok(step.then(async move |work: &mut Work<'_, '_>| {
            let (client, _) = work.twilio();
            if let Some(found) = &found {
                let again = client.flow(&found.sid);
                let what = format!("Studio flow {name}");
                work.check_unchanged(&what, found, again, Flow::clone)
                    .await?;
            }
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
    pub(super) fn subscription(&self, stream: Option<&Stream>, events: Vec<EventType>) -> Step {
        let name = self.site.names.event_stream();
        let of = stream.map(|stream| format!(" of sink {}", stream.sink.sid));
        let shown = format!("{name}{}", of.unwrap_or_default());
        let mut step = Step::resource("Event Streams subscription", &shown, None::<SinkSid>);
        if events.len() < EventType::ALL.len() {
            let names: Vec<_> = events.iter().map(|event| event.as_str()).collect();
            step.details([format!("events that it lacks: {}", names.join(", "))]);
        }
        let stream = stream.cloned();
        step.then(async move |work: &mut Work<'_, '_>| {
            if let Some(stream) = &stream {
                work.check_subscriptions(stream).await?;
            }
            let is_theirs = stream.as_ref().is_some_and(|stream| !stream.is_ours);
            let sink = stream.map(|stream| stream.sink.sid);
            let Some(sink) = sink.or(work.site.record.sink) else {
                return Ok(());
            };
            let types = events.iter().map(|event| EventSchema {
                event_type: event.cloud_event_name(),
                schema_version: SCHEMA_VERSION,
            });
            let types: Vec<_> = types.collect();
            let (client, _) = work.twilio();
            let made = client.create_subscription(&name, &sink, &types).await;
            let made = made.map(|subscription| subscription.sid);
            let sid = work.set_up("Event Streams subscription", &name, true, made)?;
            if !is_theirs {
                return Ok(());
            }
            work.remember(|record| {
                record.subscriptions.insert(sid);
            })
        })
    }
}
