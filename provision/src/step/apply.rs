//! Carries steps out. Each leaves Twilio in a state from which another run of the command goes on:
//! what is replaced is written down before, what is restored is forgotten after.

use std::collections::BTreeMap;
use std::fmt::Display;

use twilio::rest::{
    EventSchema, FlowDraft, RestError, TaskQueueDraft, VoiceWebhook, WorkspaceChange,
};
use twilio::{CLOUD_EVENT_PREFIX, EventType, WorkspaceSid};

use super::{Change, Step, yet_to_be_made};
use crate::api::Api;
use crate::console::Console;
use crate::error::{Doing, Error};
use crate::inventory::Stream;
use crate::record::{Record, RecordFile, ReplacedConfiguration, ReplacedVoice};

const COMMIT_MESSAGE: &str = "overflow setup";

/// The version that has all that we read, and is known to be served for each of our types.
const SCHEMA_VERSION: u32 = 1;

/// Steps being carried out.
pub(crate) struct Work<'a, 'c> {
    pub(crate) api: &'a Api,
    pub(crate) workspace: WorkspaceSid,
    pub(crate) records: &'a RecordFile,
    /// What setup has written down so far; without one, nothing is written down.
    pub(crate) record: Option<Record>,
    pub(crate) console: &'a mut Console<'c>,
    /// What was made, by what stood for it.
    pub(crate) made: BTreeMap<String, String>,
}

impl Work<'_, '_> {
    /// Carries them out, one after another.
    pub(crate) async fn carry_out(mut self, steps: Vec<Step>) -> Result<(), Error> {
        for change in steps.into_iter().filter_map(|step| step.change) {
            self.apply(change).await?;
        }
        Ok(())
    }

    async fn apply(&mut self, change: Change) -> Result<(), Error> {
        let Api { client, account } = self.api;
        let workspace = self.workspace;
        match change {
            Change::TaskQueue {
                sid,
                name,
                target_workers,
            } => {
                let draft = TaskQueueDraft {
                    friendly_name: &name,
                    target_workers: &target_workers,
                };
                let made = match &sid {
                    Some(sid) => client.update_task_queue(&workspace, sid, &draft).await,
                    None => client.create_task_queue(&workspace, &draft).await,
                };
                let made = made.map(|queue| queue.sid);
                let sid = self.set_up("task queue", &name, sid.is_none(), made)?;
                self.remember(|record| {
                    record.task_queues.insert(name, sid);
                })
            }
            Change::Workflow {
                sid,
                name,
                configuration,
            } => {
                let configuration = self.fill_in_json(&configuration);
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
                let sid = self.set_up("workflow", &name, sid.is_none(), made)?;
                self.remember(|record| record.workflow = Some(sid))
            }
            Change::Configuration {
                sid,
                name,
                configuration,
                previous,
            } => {
                let configuration = self.fill_in_json(&configuration);
                let replaced = previous.map(|previous| ReplacedConfiguration {
                    installed: configuration.clone(),
                    previous,
                });
                let done = match replaced {
                    Some(_) => "extended",
                    None => "restored",
                };
                self.replace(
                    replaced,
                    |record, replaced| put(&mut record.extended_workflows, sid, replaced),
                    client.update_workflow(&workspace, &sid, &configuration),
                    &format!("change workflow {name}"),
                    &format!("{done} workflow {name} ({sid})"),
                )
                .await
            }
            Change::Flow {
                sid,
                name,
                definition,
            } => {
                let definition = self.fill_in_json(&definition.to_string());
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
                let webhook = flow.as_ref().ok().map(|flow| self.api.webhook_of(flow));
                let made = flow.map(|flow| flow.sid);
                let sid = self.set_up("Studio flow", &name, sid.is_none(), made)?;
                // What refers to a flow needs its address.
                let webhook = webhook.map(|webhook| (yet_to_be_made(&name), webhook));
                self.made.extend(webhook);
                self.remember(|record| record.studio_flow = Some(sid))
            }
            Change::Sink { name, destination } => {
                let made = client.create_webhook_sink(&name, &destination).await;
                let made = made.map(|sink| sink.sid);
                let sid = self.set_up("Event Streams sink", &name, true, made)?;
                self.remember(|record| record.sink = Some(sid))
            }
            Change::Subscription { name, sink } => {
                // The step before made it.
                let made = self.record.as_ref().and_then(|record| record.sink);
                let Some(sink) = sink.or(made) else {
                    return Ok(());
                };
                let types = EventType::ALL.map(|event| EventSchema {
                    event_type: format!("{CLOUD_EVENT_PREFIX}{}", event.as_str()),
                    schema_version: SCHEMA_VERSION,
                });
                let made = client.create_subscription(&name, &sink, &types).await;
                let made = made.map(|subscription| subscription.sid);
                self.set_up("Event Streams subscription", &name, true, made)?;
                Ok(())
            }
            Change::Callback {
                url,
                filter,
                replaced,
            } => {
                let change = WorkspaceChange {
                    event_callback_url: &url,
                    events_filter: &filter,
                };
                let done = match replaced {
                    Some(_) => "set",
                    None => "restored",
                };
                self.replace(
                    replaced,
                    |record, replaced| record.callback = replaced,
                    client.update_workspace(&workspace, change),
                    "set the workspace's event callback",
                    &format!("{done} the workspace's event callback"),
                )
                .await
            }
            Change::Number {
                sid,
                voice,
                previous,
            } => {
                let voice = VoiceWebhook {
                    url: self.made.get(&voice.url).cloned().unwrap_or(voice.url),
                    ..voice
                };
                let replaced = previous.map(|previous| ReplacedVoice {
                    installed_url: voice.url.clone(),
                    previous,
                });
                let done = match replaced {
                    Some(_) => format!("pointed phone number {sid} at the Studio flow"),
                    None => format!("restored phone number {sid}"),
                };
                self.replace(
                    replaced,
                    |record, replaced| put(&mut record.numbers, sid, replaced),
                    client.update_incoming_number(account, &sid, &voice),
                    "change where calls to the phone number go",
                    &done,
                )
                .await
            }
            Change::Settings { file, mut settings } => {
                for (_, value) in &mut settings {
                    if let Some(made) = self.made.get(value) {
                        value.clone_from(made);
                    }
                }
                let path = file.path().display().to_string();
                file.set(&settings)?;
                self.say(format_args!("wrote {path}"));
                Ok(())
            }
            Change::DeleteStream(stream) => self.delete_stream(stream).await,
            Change::DeleteFlow(sid) => {
                let deleted = client.delete_flow(&sid).await;
                self.deleted("Studio flow", sid, deleted)
            }
            Change::DeleteWorkflow(sid) => {
                let deleted = client.delete_workflow(&workspace, &sid).await;
                self.deleted("workflow", sid, deleted)
            }
            Change::DeleteTaskQueue(sid) => {
                let deleted = client.delete_task_queue(&workspace, &sid).await;
                self.deleted("task queue", sid, deleted)
            }
        }
    }

    fn say(&mut self, text: impl Display) {
        self.console.line(format_args!("✓ {text}"));
    }

    fn remember(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), Error> {
        let Some(record) = &mut self.record else {
            return Ok(());
        };
        change(record);
        self.records.write(record)
    }

    /// A resource of ours was made, or set right.
    fn set_up<S: Display>(
        &mut self,
        kind: &str,
        name: &str,
        is_new: bool,
        made: Result<S, RestError>,
    ) -> Result<S, Error> {
        let sid = made.doing(format!("set up {kind} {name}"))?;
        let done = match is_new {
            true => "created",
            false => "updated",
        };
        self.say(format_args!("{done} {kind} {name} ({sid})"));
        self.made.insert(yet_to_be_made(name), sid.to_string());
        Ok(sid)
    }

    fn deleted(
        &mut self,
        kind: &str,
        sid: impl Display,
        deleted: Result<bool, RestError>,
    ) -> Result<(), Error> {
        deleted.doing(format!("delete the {kind}"))?;
        self.say(format_args!("deleted {kind} {sid}"));
        Ok(())
    }

    /// Subscriptions first: a sink in use can't be deleted.
    async fn delete_stream(&mut self, stream: Stream) -> Result<(), Error> {
        let (client, sid) = (&self.api.client, stream.sink.sid);
        for subscription in &stream.subscriptions {
            let deleted = client.delete_subscription(&subscription.sid).await;
            deleted.doing("delete the Event Streams subscription")?;
        }
        let deleted = client.delete_sink(&sid).await;
        self.deleted("Event Streams sink", sid, deleted)?;
        self.remember(|record| record.sink = record.sink.filter(|known| *known != sid))
    }

    /// Changes something that isn't ours. What is `replaced` is recorded before; where nothing is,
    /// this restores what was recorded, which is then forgotten.
    async fn replace<T, R>(
        &mut self,
        replaced: Option<T>,
        record_it: impl Fn(&mut Record, Option<T>),
        request: impl Future<Output = Result<R, RestError>>,
        doing: &str,
        done: &str,
    ) -> Result<(), Error> {
        let restores = replaced.is_none();
        if !restores {
            self.remember(|record| record_it(record, replaced))?;
        }
        request.await.doing(doing)?;
        self.say(done);
        if restores {
            self.remember(|record| record_it(record, None))?;
        }
        Ok(())
    }

    /// A JSON text, with what was made in place of what stood for it.
    fn fill_in_json(&self, json: &str) -> String {
        self.made
            .iter()
            .fold(json.to_owned(), |json, (name, made)| {
                json.replace(&format!("\"{name}\""), &format!("\"{made}\""))
            })
    }
}

/// Puts the value into the map, or takes it out where there is none.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}
