//! Which steps setup is to take, by what there is and what there should be.

use twilio::rest::VoiceWebhook;
use twilio::{E164, WorkflowSid};

use super::Setup;
use crate::api::Api;
use crate::configuration::{Configuration, before_extension};
use crate::definitions::{self, Role};
use crate::diff;
use crate::dotenv::{Dotenv, Setting};
use crate::error::{Doing, Error};
use crate::inventory::{Inventory, answered_by};
use crate::record::Record;
use crate::site::Site;
use crate::step::{Change, Step, yet_to_be_made};

/// What there should be, and what there is.
pub(super) struct Planner<'a> {
    pub(super) setup: &'a Setup,
    pub(super) site: &'a Site<'a>,
}

impl Planner<'_> {
    pub(super) async fn steps(&self, dotenv: &Dotenv) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        match self.setup.workflow {
            // A workflow of the user's has task queues, and a flow, of its own.
            Some(workflow) => {
                steps.push(self.task_queue(Role::Placeholder));
                steps.push(self.extension(workflow)?);
            }
            None => {
                steps.extend(Role::ALL.map(|role| self.task_queue(role)));
                steps.push(self.workflow());
                steps.push(self.flow().await?);
            }
        }
        steps.extend(self.events()?);
        if let Some(number) = &self.setup.number {
            steps.push(self.number(number).await?);
        }
        steps.push(self.settings(dotenv));
        Ok(steps)
    }

    pub(super) fn inventory(&self) -> &Inventory {
        &self.site.inventory
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.site.record.as_ref()
    }

    fn task_queue(&self, role: Role) -> Step {
        let name = self.site.names.task_queue(role);
        let found = self.inventory().task_queues.get(&role);
        let sid = found.map(|queue| queue.sid);
        let mut step = Step::resource("task queue", &name, sid);
        let mut target_workers = &role.definition().target_workers;
        if let Some(found) = found {
            if role != Role::Placeholder {
                // The user decides who serves the other queues, once they are there.
                target_workers = &found.target_workers;
            }
            step.field("name", &found.friendly_name, &name);
            step.field("target workers", &found.target_workers, target_workers);
        }
        step.with(Change::TaskQueue {
            sid,
            target_workers: target_workers.clone(),
            name,
        })
    }

    fn sid_of(&self, role: Role) -> String {
        match self.inventory().task_queues.get(&role) {
            Some(queue) => queue.sid.to_string(),
            None => yet_to_be_made(&self.site.names.task_queue(role)),
        }
    }

    fn workflow(&self) -> Step {
        let name = self.site.names.workflow();
        let configuration = definitions::workflow(|role| self.sid_of(role)).to_string();
        let found = self.inventory().workflow.as_ref();
        let sid = found.map(|workflow| workflow.sid);
        let mut step = Step::resource("workflow", &name, sid);
        if let Some(found) = found {
            step.configuration_changes(found, &configuration);
        }
        step.with(Change::Workflow {
            sid,
            name,
            configuration,
        })
    }

    fn extension(&self, sid: WorkflowSid) -> Result<Step, Error> {
        let found = self.inventory().workflows.iter().find(|w| w.sid == sid);
        let found = found.ok_or(Error::NoSuchWorkflow {
            workspace: self.inventory().workspace.sid,
            workflow: sid,
        })?;
        let placeholder = self.sid_of(Role::Placeholder);
        let wanted = Configuration::parse(&found.configuration).and_then(|mut configuration| {
            configuration.extend(&placeholder, self.setup.target_timeout)?;
            Ok(configuration)
        });
        let wanted = wanted.map_err(|problem| Error::Workflow {
            workflow: sid,
            problem: problem.to_string(),
        })?;
        let recorded = self.record().and_then(|r| r.extended_workflows.get(&sid));
        let previous = before_extension(&found.configuration, recorded, &placeholder)
            .unwrap_or_else(|| found.configuration.clone());
        let mut step = Step::configuration(found, wanted.to_text(), Some(previous));
        step.details(wanted.findings(&placeholder).into_iter().map(|finding| {
            let (found, remedy) = (finding.problem.found(), finding.problem.remedy());
            format!("! filter {} {found}: {remedy}", finding.filter)
        }));
        let default = wanted.default_queue().filter(|queue| *queue != placeholder);
        step.details(default.map(|queue| {
            format!(
                "! tasks that no filter takes go to {queue} (default filter), as before, and are \
                 not redirected"
            )
        }));
        step.details(
            recorded
                .map(|_| "teardown restores it as it was before the first extension".to_owned()),
        );
        Ok(step)
    }

    async fn flow(&self) -> Result<Step, Error> {
        let workspace = self.inventory().workspace.sid;
        let channels = self.setup.api.client.task_channels(&workspace).await;
        let voice = channels
            .doing("list the task channels")?
            .into_iter()
            .find(|channel| channel.unique_name.eq_ignore_ascii_case("voice"))
            .ok_or(Error::NoVoiceChannel(workspace))?;
        let workflow = match &self.inventory().workflow {
            Some(workflow) => workflow.sid.to_string(),
            None => yet_to_be_made(&self.site.names.workflow()),
        };
        let name = self.site.names.studio_flow();
        let definition = definitions::studio_flow(&workflow, voice.sid.as_str());
        let found = self.inventory().flow.as_ref();
        let sid = found.map(|flow| flow.sid);
        let mut step = Step::resource("Studio flow", &name, sid);
        if let Some(found) = found {
            step.field("name", &found.friendly_name, &name);
            step.field("status", &found.status, "published");
            step.changes(diff::json(&found.definition, &definition));
        }
        Ok(step.with(Change::Flow {
            sid,
            name,
            definition,
        }))
    }

    async fn number(&self, number: &E164) -> Result<Step, Error> {
        let Api { client, account } = &self.setup.api;
        let numbers = client.incoming_numbers(account, Some(number)).await;
        let found = numbers
            .doing("list the phone numbers")?
            .into_iter()
            .find(|incoming| incoming.is(number))
            .ok_or_else(|| Error::NoSuchNumber(number.as_str().to_owned()))?;
        if let Some(by) = answered_by(&found) {
            let number = found.sid;
            return Err(Error::NumberTaken { number, by });
        }
        let url = match &self.inventory().flow {
            Some(flow) => self.setup.api.webhook_of(flow),
            None => yet_to_be_made(&self.site.names.studio_flow()),
        };
        // Once ours, what was before that is what teardown restores.
        let recorded = self.record().and_then(|r| r.numbers.get(&found.sid));
        let previous = match recorded.filter(|r| r.installed_url == found.voice.url) {
            Some(recorded) => recorded.previous.clone(),
            None => found.voice.clone(),
        };
        let method = match found.voice.url == url {
            true => found.voice.method.clone(),
            false => "POST".to_owned(),
        };
        let voice = VoiceWebhook { method, url };
        Ok(Step::number(&found, voice, Some(previous)))
    }

    /// The lines of the file of settings that are ours.
    fn settings(&self, file: &Dotenv) -> Step {
        let setup = self.setup;
        let workspace = self.inventory().workspace.sid;
        let mut settings: Vec<Setting> = vec![
            ("TWILIO_ACCOUNT_SID", setup.api.account.to_string()),
            ("TWILIO_WORKSPACE_SID", workspace.to_string()),
            (
                "FORWARD_CALL_TASK_QUEUE_SID",
                self.sid_of(Role::Placeholder),
            ),
            ("PUBLIC_URL", setup.public_url.join("")),
        ];
        if setup.api_url != twilio::rest::ApiUrl::default() {
            settings.push(("TWILIO_API_URL", setup.api_url.to_string()));
        }
        if let Some(number) = &setup.forward_to {
            settings.push(("FORWARD_TO_NUMBER", number.as_str().to_owned()));
        }
        let mut step = Step::keep(format!("settings in {}", file.path().display()));
        step.changes(file.changes(&settings));
        step.with(Change::Settings {
            file: file.clone(),
            settings,
        })
    }
}
