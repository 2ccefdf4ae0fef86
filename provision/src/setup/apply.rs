//! Carries the plan out, step by step. Each step leaves Twilio in a state from which another run of
//! setup goes on.

use std::collections::BTreeMap;

use twilio::rest::{FlowDraft, TaskQueueDraft, VoiceWebhook, Workflow, WorkspaceChange};
use twilio::{FlowSid, SinkSid, TaskQueueSid, WorkflowSid};

use super::Setup;
use super::events::{CallbackPlan, StreamPlan, event_types};
use super::plan::{Action, Plan};
use super::resources::{Extension, NumberPlan, WorkflowPlan, extend};
use crate::api::{Api, Repeatable};
use crate::callback::stream_url;
use crate::console::Console;
use crate::definitions::{self, Step};
use crate::dotenv::Dotenv;
use crate::error::Error;
use crate::inventory::{Inventory, Stream};
use crate::record::{Record, RecordFile, ReplacedCallback, ReplacedRouting, ReplacedVoice};
use crate::routing::Routing;

const COMMIT_MESSAGE: &str = "overflow setup";

/// A plan being carried out.
pub(super) struct Application<'a, 'c> {
    pub(super) setup: &'a Setup,
    pub(super) inventory: &'a Inventory,
    pub(super) records: RecordFile,
    pub(super) record: Record,
    pub(super) console: &'a mut Console<'c>,
}

/// The Studio flow, and where calls are sent for it.
struct FlowMade {
    sid: FlowSid,
    webhook: String,
}

impl Application<'_, '_> {
    pub(super) async fn carry_out(
        mut self,
        plan: &Plan,
        mut dotenv: Dotenv,
    ) -> Result<Dotenv, Error> {
        self.record.prefix = self.setup.names.prefix().to_owned();
        let queues = self.task_queues(plan).await?;
        let Some(placeholder) = queues.get(&Step::Placeholder).copied() else {
            // Every plan has it.
            return Ok(dotenv);
        };
        let flow = match &plan.workflow {
            WorkflowPlan::Extend(extension) => {
                self.extend_workflow(extension, placeholder).await?;
                None
            }
            WorkflowPlan::Own(action) => {
                let workflow = self.own_workflow(action, &queues).await?;
                self.flow(plan, workflow).await?
            }
        };
        self.stream(&plan.events.stream).await?;
        self.callback(&plan.events.callback).await?;
        for index in &plan.events.superfluous {
            self.delete_stream(&self.inventory.streams[*index]).await?;
        }
        if let (Some(number), Some(flow)) = (&plan.number, flow) {
            self.number(number, &flow).await?;
        }
        let values = self.setup.env_values(placeholder.as_str(), self.inventory);
        if !dotenv.changes(&values).is_empty() {
            dotenv.set(&values)?;
            self.say(format!("wrote {}", self.setup.env_file.display()));
        }
        Ok(dotenv)
    }

    fn api(&self) -> &Api {
        &self.setup.api
    }

    fn say(&mut self, text: String) {
        self.console.line(format_args!("✓ {text}"));
    }

    fn remember(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), Error> {
        change(&mut self.record);
        self.records.write(&self.record)
    }

    async fn task_queues(&mut self, plan: &Plan) -> Result<BTreeMap<Step, TaskQueueSid>, Error> {
        let workspace = self.inventory.workspace.sid;
        let mut sids = BTreeMap::new();
        for (step, action) in &plan.task_queues {
            let name = self.setup.names.task_queue(*step);
            let current = self.inventory.task_queues.get(step);
            let target_workers = match (step, current) {
                (Step::Placeholder, _) | (_, None) => &step.definition().target_workers,
                (_, Some(queue)) => &queue.target_workers,
            };
            let draft = TaskQueueDraft {
                friendly_name: &name,
                target_workers,
            };
            let (doing, api) = (format!("set up task queue {name}"), self.api());
            let sid = match action {
                Action::Keep(sid) => *sid,
                Action::Create => {
                    let request = || api.client.create_task_queue(&workspace, &draft);
                    let sid = api.ask(doing, Repeatable::No, request).await?.sid;
                    self.say(format!("created task queue {name} ({sid})"));
                    sid
                }
                Action::Update(sid, _) => {
                    let request = || api.client.update_task_queue(&workspace, sid, &draft);
                    api.ask(doing, Repeatable::Yes, request).await?;
                    self.say(format!("updated task queue {name} ({sid})"));
                    *sid
                }
            };
            self.remember(|record| {
                record.task_queues.insert(name, sid);
            })?;
            sids.insert(*step, sid);
        }
        Ok(sids)
    }

    async fn own_workflow(
        &mut self,
        action: &Action<WorkflowSid>,
        queues: &BTreeMap<Step, TaskQueueSid>,
    ) -> Result<WorkflowSid, Error> {
        let workspace = self.inventory.workspace.sid;
        let name = self.setup.names.workflow();
        let configuration = definitions::workflow(|step| {
            queues
                .get(&step)
                .map(ToString::to_string)
                .unwrap_or_default()
        })
        .to_string();
        let (doing, api) = (format!("set up workflow {name}"), self.api());
        let sid = match action {
            Action::Keep(sid) => *sid,
            Action::Create => {
                let request = || {
                    api.client
                        .create_workflow(&workspace, &name, &configuration)
                };
                let sid = api.ask(doing, Repeatable::No, request).await?.sid;
                self.say(format!("created workflow {name} ({sid})"));
                sid
            }
            Action::Update(sid, _) => {
                let request = || api.client.update_workflow(&workspace, sid, &configuration);
                api.ask(doing, Repeatable::Yes, request).await?;
                self.say(format!("updated workflow {name} ({sid})"));
                *sid
            }
        };
        self.remember(|record| record.workflow = Some(sid))?;
        Ok(sid)
    }

    async fn extend_workflow(
        &mut self,
        extension: &Extension,
        placeholder: TaskQueueSid,
    ) -> Result<(), Error> {
        let Action::Update(sid, _) = extension.action else {
            return Ok(());
        };
        let workspace = self.inventory.workspace.sid;
        let workflow = &extension.workflow;
        let installed =
            extend(workflow, placeholder.as_str(), self.setup.target_timeout)?.to_text();
        let previous = self.before_extension(workflow, placeholder);
        self.remember(|record| {
            let replaced = ReplacedRouting {
                installed: installed.clone(),
                previous,
            };
            record.extended_workflows.insert(sid, replaced);
        })?;
        let api = self.api();
        let doing = format!("extend workflow {}", workflow.friendly_name);
        let request = || api.client.update_workflow(&workspace, &sid, &installed);
        api.ask(doing, Repeatable::Yes, request).await?;
        self.say(format!(
            "extended workflow {} ({sid})",
            workflow.friendly_name
        ));
        Ok(())
    }

    /// The configuration that teardown is to restore: what was before our first extension, and what
    /// the user changed since.
    fn before_extension(&self, workflow: &Workflow, placeholder: TaskQueueSid) -> String {
        let current = &workflow.configuration;
        let Ok(mut routing) = Routing::parse(current) else {
            return current.clone();
        };
        let known = self.record.extended_workflows.get(&workflow.sid);
        if let Some(known) = known
            && Routing::parse(&known.installed).as_ref() == Ok(&routing)
        {
            return known.previous.clone();
        }
        if routing.leads_to(placeholder.as_str()) && routing.retract(placeholder.as_str()).is_ok() {
            return routing.to_text();
        }
        current.clone()
    }

    async fn flow(
        &mut self,
        plan: &Plan,
        workflow: WorkflowSid,
    ) -> Result<Option<FlowMade>, Error> {
        let (Some(action), Some(channel)) = (&plan.flow, plan.voice_channel) else {
            return Ok(None);
        };
        let name = self.setup.names.studio_flow();
        let definition = definitions::studio_flow(workflow.as_str(), channel.as_str()).to_string();
        let draft = FlowDraft {
            friendly_name: &name,
            definition: &definition,
            commit_message: COMMIT_MESSAGE,
        };
        if !matches!(action, Action::Keep(_)) {
            self.validate(&draft).await?;
        }
        let (doing, api) = (format!("set up Studio flow {name}"), self.api());
        let (sid, webhook) = match action {
            Action::Keep(sid) => {
                let known = self.inventory.flow.as_ref();
                (*sid, known.and_then(|flow| flow.webhook_url.clone()))
            }
            Action::Create => {
                let request = || api.client.create_flow(&draft);
                let flow = api.ask(doing, Repeatable::No, request).await?;
                self.say(format!("created Studio flow {name} ({})", flow.sid));
                (flow.sid, flow.webhook_url)
            }
            Action::Update(sid, _) => {
                let request = || api.client.update_flow(sid, &draft);
                let flow = api.ask(doing, Repeatable::Yes, request).await?;
                self.say(format!("updated Studio flow {name} ({sid})"));
                (*sid, flow.webhook_url)
            }
        };
        self.remember(|record| record.studio_flow = Some(sid))?;
        let webhook = self.setup.flow_webhook(sid, webhook.as_deref());
        Ok(Some(FlowMade { sid, webhook }))
    }

    async fn validate(&self, draft: &FlowDraft<'_>) -> Result<(), Error> {
        let api = self.api();
        let problems = api
            .ask("validate the Studio flow", Repeatable::Yes, || {
                api.client.validate_flow(draft)
            })
            .await?;
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::InvalidFlow(problems.join("; ")))
    }

    async fn stream(&mut self, plan: &StreamPlan) -> Result<(), Error> {
        let name = self.setup.names.event_stream();
        let destination = stream_url(&self.setup.public_url);
        let sink = match plan {
            StreamPlan::NotWanted => return Ok(()),
            StreamPlan::Keep(sid) => {
                let sid = *sid;
                return self.remember(|record| record.sink = Some(sid));
            }
            StreamPlan::Subscribe(sid) => *sid,
            StreamPlan::Create => {
                let api = self.api();
                let request = || api.client.create_webhook_sink(&name, &destination);
                let doing = "create the Event Streams sink";
                let sid = api.ask(doing, Repeatable::No, request).await?.sid;
                self.say(format!("created Event Streams sink {name} ({sid})"));
                self.remember(|record| record.sink = Some(sid))?;
                sid
            }
        };
        self.subscribe(&name, sink).await
    }

    async fn subscribe(&mut self, name: &str, sink: SinkSid) -> Result<(), Error> {
        let (api, types) = (self.api(), event_types());
        let request = || api.client.create_subscription(name, &sink, &types);
        let doing = "create the Event Streams subscription";
        let sid = api.ask(doing, Repeatable::No, request).await?.sid;
        self.say(format!("created Event Streams subscription {name} ({sid})"));
        Ok(())
    }

    async fn delete_stream(&mut self, stream: &Stream) -> Result<(), Error> {
        stream.delete(self.api()).await?;
        let sid = stream.sink.sid;
        self.say(format!("deleted Event Streams sink {sid}"));
        self.remember(|record| record.sink = record.sink.filter(|known| *known != sid))
    }

    async fn callback(&mut self, plan: &CallbackPlan) -> Result<(), Error> {
        let (url, filter) = match plan {
            CallbackPlan::Leave(_) => return Ok(()),
            CallbackPlan::Set {
                url,
                filter,
                replaced,
                ..
            } => {
                let previous = match replaced {
                    Some(previous) => Some(previous.clone()),
                    None => {
                        let known = self.record.callback.as_ref();
                        known.and_then(|known| known.previous.clone())
                    }
                };
                self.remember(|record| {
                    record.callback = Some(ReplacedCallback {
                        installed_url: url.clone(),
                        installed_filter: filter.clone(),
                        previous,
                    });
                })?;
                (url, filter)
            }
            CallbackPlan::GiveBack(restoration, _) => (&restoration.url, &restoration.filter),
        };
        let workspace = self.inventory.workspace.sid;
        let change = WorkspaceChange {
            event_callback_url: url,
            events_filter: filter,
        };
        let api = self.api();
        let request = || api.client.update_workspace(&workspace, change);
        let doing = "set the workspace's event callback";
        api.ask(doing, Repeatable::Yes, request).await?;
        if matches!(plan, CallbackPlan::GiveBack(..)) {
            self.say("gave the workspace's event callback back".to_owned());
            return self.remember(|record| record.callback = None);
        }
        self.say("set the workspace's event callback".to_owned());
        Ok(())
    }

    async fn number(&mut self, plan: &NumberPlan, flow: &FlowMade) -> Result<(), Error> {
        if plan.current.url == flow.webhook {
            return Ok(());
        }
        self.remember(|record| {
            // Once ours, what was before that is what teardown restores.
            let known = record.numbers.get(&plan.sid);
            let previous = match known {
                Some(known) if known.installed_url == plan.current.url => known.previous.clone(),
                _ => plan.current.clone(),
            };
            let replaced = ReplacedVoice {
                installed_url: flow.webhook.clone(),
                previous,
            };
            record.numbers.insert(plan.sid, replaced);
        })?;
        let voice = VoiceWebhook {
            url: flow.webhook.clone(),
            method: "POST".to_owned(),
        };
        let api = self.api();
        let request = || {
            api.client
                .update_incoming_number(&api.account, &plan.sid, &voice)
        };
        let doing = "point the phone number at the Studio flow";
        api.ask(doing, Repeatable::Yes, request).await?;
        self.say(format!(
            "pointed phone number {} at Studio flow {}",
            plan.sid, flow.sid
        ));
        Ok(())
    }
}
