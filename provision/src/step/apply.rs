//! Carries a step out. Each leaves Twilio in a state from which another run of the command goes on:
//! what is replaced is written down before, what is put back is forgotten after.

use std::fmt::Display;

use serde_json::Value;
use twilio::rest::{
    EventSchema, Flow, FlowDraft, IncomingNumber, TaskQueue, TaskQueueDraft, VoiceWebhook,
    Workflow, WorkspaceChange,
};
use twilio::{CLOUD_EVENT_PREFIX, EventType, SinkSid, WorkspaceSid};

use super::{Made, Step};
use crate::api::Api;
use crate::console::Console;
use crate::error::{Doing, Error};
use crate::inventory::Stream;
use crate::record::{Record, RecordFile, ReplacedRouting, ReplacedVoice};
use crate::routing::Routing;

const COMMIT_MESSAGE: &str = "overflow setup";

/// The version that has all that we read, and is known to be served for each of our types.
const SCHEMA_VERSION: u32 = 1;

/// Steps being carried out.
pub(crate) struct Work<'a, 'c> {
    api: &'a Api,
    workspace: WorkspaceSid,
    records: &'a RecordFile,
    record: Option<Record>,
    console: &'a mut Console<'c>,
    made: Made,
    sink: Option<SinkSid>,
}

impl<'a, 'c> Work<'a, 'c> {
    /// `record` is what setup has written down so far; without one, nothing is written down.
    pub(crate) fn new(
        api: &'a Api,
        workspace: WorkspaceSid,
        records: &'a RecordFile,
        record: Option<Record>,
        console: &'a mut Console<'c>,
    ) -> Self {
        Self {
            api,
            workspace,
            records,
            record,
            console,
            made: Made::default(),
            sink: None,
        }
    }

    /// Carries a step out.
    pub(crate) async fn apply(&mut self, step: &Step) -> Result<(), Error> {
        let change = step.is_change();
        match step {
            Step::TaskQueue {
                found,
                name,
                target_workers,
            } => {
                let draft = TaskQueueDraft {
                    friendly_name: name,
                    target_workers,
                };
                self.task_queue(found.as_ref(), &draft, change).await
            }
            Step::Workflow {
                found,
                name,
                configuration,
            } => {
                self.workflow(found.as_ref(), name, configuration, change)
                    .await
            }
            Step::Flow {
                found,
                name,
                definition,
            } => self.flow(found.as_ref(), name, definition, change).await,
            _ if !change => Ok(()),
            Step::Keep(_) | Step::Note(_) => Ok(()),
            Step::Route {
                found,
                configuration,
                replaced,
                ..
            } => self.route(found, configuration, replaced.clone()).await,
            Step::Sink { name, destination } => self.new_sink(name, destination).await,
            Step::Subscription { name, sink } => self.subscribe(name, *sink).await,
            Step::Callback {
                url,
                filter,
                replaced,
                ..
            } => {
                if replaced.is_some() {
                    self.remember(|record| record.callback.clone_from(replaced))?;
                }
                let change = WorkspaceChange {
                    event_callback_url: url,
                    events_filter: filter,
                };
                let client = &self.api.client;
                client
                    .update_workspace(&self.workspace, change)
                    .await
                    .doing("set the workspace's event callback")?;
                if replaced.is_some() {
                    self.say("set the workspace's event callback");
                    return Ok(());
                }
                self.say("restored the workspace's event callback");
                self.remember(|record| record.callback = None)
            }
            Step::Number {
                found,
                voice,
                replaced,
            } => self.number(found, voice, replaced.clone()).await,
            Step::Settings { file, values } => {
                let values: Vec<_> = values
                    .iter()
                    .map(|(name, value)| (*name, self.made.fill_in(value)))
                    .collect();
                let mut file = file.clone();
                file.set(&values)?;
                self.say(format_args!("wrote {}", file.path().display()));
                Ok(())
            }
            Step::DeleteStream(stream) => self.delete_stream(stream).await,
            Step::DeleteFlow(flow) => {
                let deleted = self.api.client.delete_flow(&flow.sid).await;
                self.deleted("Studio flow", flow.sid, deleted)
            }
            Step::DeleteWorkflow(workflow) => {
                let client = &self.api.client;
                let deleted = client.delete_workflow(&self.workspace, &workflow.sid).await;
                self.deleted("workflow", workflow.sid, deleted)
            }
            Step::DeleteTaskQueue(queue) => {
                let client = &self.api.client;
                let deleted = client.delete_task_queue(&self.workspace, &queue.sid).await;
                self.deleted("task queue", queue.sid, deleted)
            }
        }
    }

    fn say(&mut self, text: impl Display) {
        self.console.line(format_args!("✓ {text}"));
    }

    fn deleted(
        &mut self,
        kind: &str,
        sid: impl Display,
        deleted: Result<bool, twilio::rest::RestError>,
    ) -> Result<(), Error> {
        deleted.doing(format!("delete the {kind}"))?;
        self.say(format_args!("deleted {kind} {sid}"));
        Ok(())
    }

    fn remember(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), Error> {
        let Some(record) = &mut self.record else {
            return Ok(());
        };
        change(record);
        self.records.write(record)
    }

    async fn task_queue(
        &mut self,
        found: Option<&TaskQueue>,
        draft: &TaskQueueDraft<'_>,
        change: bool,
    ) -> Result<(), Error> {
        let (client, name) = (&self.api.client, draft.friendly_name);
        let doing = format!("set up task queue {name}");
        let sid = match found {
            Some(found) if !change => found.sid,
            Some(found) => {
                let updated = client.update_task_queue(&self.workspace, &found.sid, draft);
                let sid = updated.await.doing(doing)?.sid;
                self.say(format_args!("updated task queue {name} ({sid})"));
                sid
            }
            None => {
                let created = client.create_task_queue(&self.workspace, draft);
                let sid = created.await.doing(doing)?.sid;
                self.say(format_args!("created task queue {name} ({sid})"));
                sid
            }
        };
        self.made.insert(name, sid);
        self.remember(|record| {
            record.task_queues.insert(name.to_owned(), sid);
        })
    }

    async fn workflow(
        &mut self,
        found: Option<&Workflow>,
        name: &str,
        configuration: &Routing,
        change: bool,
    ) -> Result<(), Error> {
        let configuration = self.made.fill_in_json(&configuration.to_text());
        let (client, workspace) = (&self.api.client, &self.workspace);
        let doing = format!("set up workflow {name}");
        let sid = match found {
            Some(found) if !change => found.sid,
            Some(found) => {
                let updated = client.update_workflow(workspace, &found.sid, &configuration);
                let sid = updated.await.doing(doing)?.sid;
                self.say(format_args!("updated workflow {name} ({sid})"));
                sid
            }
            None => {
                let created = client.create_workflow(workspace, name, &configuration);
                let sid = created.await.doing(doing)?.sid;
                self.say(format_args!("created workflow {name} ({sid})"));
                sid
            }
        };
        self.made.insert(name, sid);
        self.remember(|record| record.workflow = Some(sid))
    }

    async fn route(
        &mut self,
        found: &Workflow,
        configuration: &str,
        replaced: Option<ReplacedRouting>,
    ) -> Result<(), Error> {
        let (name, sid) = (&found.friendly_name, found.sid);
        let configuration = self.made.fill_in_json(configuration);
        let restores = replaced.is_none();
        if let Some(replaced) = replaced {
            let installed = configuration.clone();
            self.remember(|record| {
                let replaced = ReplacedRouting {
                    installed,
                    ..replaced
                };
                record.extended_workflows.insert(sid, replaced);
            })?;
        }
        let client = &self.api.client;
        client
            .update_workflow(&self.workspace, &sid, &configuration)
            .await
            .doing(format!("change workflow {name}"))?;
        if !restores {
            self.say(format_args!("extended workflow {name} ({sid})"));
            return Ok(());
        }
        self.say(format_args!("restored workflow {name} ({sid})"));
        self.remember(|record| {
            record.extended_workflows.remove(&sid);
        })
    }

    async fn flow(
        &mut self,
        found: Option<&Flow>,
        name: &str,
        definition: &Value,
        change: bool,
    ) -> Result<(), Error> {
        let definition = self.made.fill_in_json(&definition.to_string());
        let draft = FlowDraft {
            friendly_name: name,
            definition: &definition,
            commit_message: COMMIT_MESSAGE,
        };
        let client = &self.api.client;
        if change {
            let problems = client.validate_flow(&draft).await;
            let problems = problems.doing("validate the Studio flow")?;
            if !problems.is_empty() {
                return Err(Error::InvalidFlow(problems.join("; ")));
            }
        }
        let doing = format!("set up Studio flow {name}");
        let flow = match found {
            Some(found) if !change => found.clone(),
            Some(found) => {
                let flow = client.update_flow(&found.sid, &draft).await.doing(doing)?;
                self.say(format_args!("updated Studio flow {name} ({})", flow.sid));
                flow
            }
            None => {
                let flow = client.create_flow(&draft).await.doing(doing)?;
                self.say(format_args!("created Studio flow {name} ({})", flow.sid));
                flow
            }
        };
        self.made.insert(name, self.api.webhook_of(&flow));
        self.remember(|record| record.studio_flow = Some(flow.sid))
    }

    async fn new_sink(&mut self, name: &str, destination: &str) -> Result<(), Error> {
        let sink = self.api.client.create_webhook_sink(name, destination).await;
        let sid = sink.doing("create the Event Streams sink")?.sid;
        self.say(format_args!("created Event Streams sink {name} ({sid})"));
        self.sink = Some(sid);
        self.remember(|record| record.sink = Some(sid))
    }

    async fn subscribe(&mut self, name: &str, sink: Option<SinkSid>) -> Result<(), Error> {
        let Some(sink) = sink.or(self.sink) else {
            // The step before makes it.
            return Ok(());
        };
        let types: Vec<_> = EventType::ALL
            .into_iter()
            .map(|event| EventSchema {
                event_type: format!("{CLOUD_EVENT_PREFIX}{}", event.as_str()),
                schema_version: SCHEMA_VERSION,
            })
            .collect();
        let client = &self.api.client;
        let made = client.create_subscription(name, &sink, &types).await;
        let sid = made.doing("create the Event Streams subscription")?.sid;
        self.say(format_args!(
            "created Event Streams subscription {name} ({sid})"
        ));
        Ok(())
    }

    /// Subscriptions first: a sink in use can't be deleted.
    async fn delete_stream(&mut self, stream: &Stream) -> Result<(), Error> {
        let (client, sid) = (&self.api.client, stream.sink.sid);
        for subscription in &stream.subscriptions {
            let deleted = client.delete_subscription(&subscription.sid).await;
            deleted.doing("delete the Event Streams subscription")?;
        }
        let deleted = client.delete_sink(&sid).await;
        self.deleted("Event Streams sink", sid, deleted)?;
        self.remember(|record| record.sink = record.sink.filter(|known| *known != sid))
    }

    async fn number(
        &mut self,
        found: &IncomingNumber,
        voice: &VoiceWebhook,
        replaced: Option<ReplacedVoice>,
    ) -> Result<(), Error> {
        let voice = VoiceWebhook {
            url: self.made.fill_in(&voice.url),
            ..voice.clone()
        };
        let sid = found.sid;
        let restores = replaced.is_none();
        if let Some(replaced) = replaced {
            let installed_url = voice.url.clone();
            self.remember(|record| {
                let replaced = ReplacedVoice {
                    installed_url,
                    ..replaced
                };
                record.numbers.insert(sid, replaced);
            })?;
        }
        let (client, account) = (&self.api.client, &self.api.account);
        let updated = client.update_incoming_number(account, &sid, &voice).await;
        updated.doing("change where calls to the phone number go")?;
        if !restores {
            self.say(format_args!(
                "pointed phone number {sid} at the Studio flow"
            ));
            return Ok(());
        }
        self.say(format_args!("restored phone number {sid}"));
        self.remember(|record| {
            record.numbers.remove(&sid);
        })
    }
}
