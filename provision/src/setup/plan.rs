//! Which steps setup is to take, by what there is and what there should be.

use twilio::rest::{IncomingNumber, VoiceWebhook, Workflow};
use twilio::{E164, WorkflowSid};

use super::Setup;
use crate::definitions::{self, Role};
use crate::dotenv::Dotenv;
use crate::error::{Doing, Error};
use crate::inventory::Inventory;
use crate::plan::Plan;
use crate::record::{Record, ReplacedRouting, ReplacedVoice};
use crate::routing::{InvalidRouting, Routing};
use crate::step::{Step, yet_to_be_made};

/// What there is, and what setup wrote down of it.
pub(super) struct Planner<'a> {
    pub(super) setup: &'a Setup,
    pub(super) inventory: &'a Inventory,
    pub(super) record: Option<&'a Record>,
}

impl Planner<'_> {
    pub(super) async fn plan(&self, dotenv: &Dotenv) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        match self.setup.workflow {
            // A workflow of the user's has task queues, and a flow, of its own.
            Some(workflow) => {
                plan.add(self.task_queue(Role::Placeholder));
                plan.add(self.extension(workflow)?);
            }
            None => {
                plan.extend(Role::ALL.map(|role| self.task_queue(role)));
                plan.add(self.workflow());
                plan.add(self.flow().await?);
            }
        }
        plan.extend(self.events()?);
        if let Some(number) = &self.setup.number {
            plan.add(self.number(number).await?);
        }
        plan.add(Step::Settings {
            file: dotenv.clone(),
            values: self.settings(),
        });
        Ok(plan)
    }

    fn task_queue(&self, role: Role) -> Step {
        let found = self.inventory.task_queues.get(&role).cloned();
        let target_workers = match &found {
            // Whom the other queues ask is for the user to say, once they are there.
            Some(found) if role != Role::Placeholder => &found.target_workers,
            _ => &role.definition().target_workers,
        };
        Step::TaskQueue {
            name: self.setup.names.task_queue(role),
            target_workers: target_workers.clone(),
            found,
        }
    }

    fn sid_of(&self, role: Role) -> String {
        match self.inventory.task_queues.get(&role) {
            Some(queue) => queue.sid.to_string(),
            None => yet_to_be_made(&self.setup.names.task_queue(role)),
        }
    }

    fn workflow(&self) -> Step {
        let configuration = definitions::workflow(|role| self.sid_of(role));
        Step::Workflow {
            found: self.inventory.workflow.clone(),
            name: self.setup.names.workflow(),
            configuration: Routing::from_value(configuration),
        }
    }

    fn extension(&self, sid: WorkflowSid) -> Result<Step, Error> {
        let workspace = self.inventory.workspace.sid;
        let found = self.inventory.workflows.iter().find(|w| w.sid == sid);
        let found = found.ok_or(Error::NoSuchWorkflow {
            workspace,
            workflow: sid,
        })?;
        let placeholder = self.sid_of(Role::Placeholder);
        let extended = || -> Result<Routing, InvalidRouting> {
            let mut routing = Routing::parse(&found.configuration)?;
            routing.extend(&placeholder, self.setup.target_timeout)?;
            Ok(routing)
        };
        let wanted = extended().map_err(|problem| Error::Workflow {
            workflow: sid,
            problem: problem.to_string(),
        })?;
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
                "! tasks that no filter takes go to {queue} (default filter), as before, and are \
                 not redirected"
            ));
        }
        let known = self.record.and_then(|r| r.extended_workflows.get(&sid));
        if known.is_some() {
            notes.push("teardown restores it as it was before the first extension".to_owned());
        }
        Ok(Step::Route {
            replaced: Some(ReplacedRouting {
                previous: before_extension(found, known, &placeholder),
                installed: String::new(),
            }),
            found: found.clone(),
            configuration: wanted.to_text(),
            notes,
        })
    }

    async fn flow(&self) -> Result<Step, Error> {
        let workspace = self.inventory.workspace.sid;
        let channels = self.setup.api.client.task_channels(&workspace).await;
        let voice = channels
            .doing("list the task channels")?
            .into_iter()
            .find(|channel| channel.unique_name.eq_ignore_ascii_case("voice"))
            .ok_or(Error::NoVoiceChannel(workspace))?;
        let workflow = match &self.inventory.workflow {
            Some(workflow) => workflow.sid.to_string(),
            None => yet_to_be_made(&self.setup.names.workflow()),
        };
        Ok(Step::Flow {
            found: self.inventory.flow.clone(),
            name: self.setup.names.studio_flow(),
            definition: definitions::studio_flow(&workflow, voice.sid.as_str()),
        })
    }

    async fn number(&self, number: &E164) -> Result<Step, Error> {
        let api = &self.setup.api;
        let numbers = api
            .client
            .incoming_numbers(&api.account, Some(number))
            .await;
        let found = numbers
            .doing("list the phone numbers")?
            .into_iter()
            .find(|incoming| incoming.is(number))
            .ok_or_else(|| Error::NoSuchNumber(number.as_str().to_owned()))?;
        refuse_taken(&found)?;
        let url = match &self.inventory.flow {
            Some(flow) => api.webhook_of(flow),
            None => yet_to_be_made(&self.setup.names.studio_flow()),
        };
        // Once ours, what was before that is what teardown restores.
        let known = self.record.and_then(|r| r.numbers.get(&found.sid));
        let previous = match known.filter(|known| known.installed_url == found.voice.url) {
            Some(known) => known.previous.clone(),
            None => found.voice.clone(),
        };
        Ok(Step::Number {
            voice: VoiceWebhook {
                method: match found.voice.url == url {
                    true => found.voice.method.clone(),
                    false => "POST".to_owned(),
                },
                url: url.clone(),
            },
            replaced: Some(ReplacedVoice {
                installed_url: url,
                previous,
            }),
            found,
        })
    }

    /// The lines of the file of settings that are ours.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let setup = self.setup;
        let workspace = self.inventory.workspace.sid;
        let mut values = vec![
            ("TWILIO_ACCOUNT_SID", setup.api.account.to_string()),
            ("TWILIO_WORKSPACE_SID", workspace.to_string()),
            (
                "FORWARD_CALL_TASK_QUEUE_SID",
                self.sid_of(Role::Placeholder),
            ),
            ("PUBLIC_URL", setup.public_url.join("")),
        ];
        if setup.api_url != twilio::rest::ApiUrl::default() {
            values.push(("TWILIO_API_URL", setup.api_url.to_string()));
        }
        if let Some(number) = &setup.forward_to {
            values.push(("FORWARD_TO_NUMBER", number.as_str().to_owned()));
        }
        values
    }
}

/// The configuration that teardown is to restore: what was before our first extension, and what the
/// user changed since.
fn before_extension(
    found: &Workflow,
    known: Option<&ReplacedRouting>,
    placeholder: &str,
) -> String {
    let current = &found.configuration;
    let Ok(mut routing) = Routing::parse(current) else {
        return current.clone();
    };
    if let Some(known) = known
        && Routing::parse(&known.installed).as_ref() == Ok(&routing)
    {
        return known.previous.clone();
    }
    if routing.leads_to(placeholder) && routing.retract(placeholder).is_ok() {
        return routing.to_text();
    }
    current.clone()
}

fn refuse_taken(number: &IncomingNumber) -> Result<(), Error> {
    let winner = [
        ("the TwiML application", number.voice_application()),
        ("the SIP trunk", number.trunk()),
    ];
    match winner
        .into_iter()
        .find_map(|(kind, sid)| Some((kind, sid?)))
    {
        None => Ok(()),
        Some((kind, sid)) => Err(Error::NumberTaken {
            number: number.sid,
            kind,
            sid: sid.to_owned(),
        }),
    }
}
