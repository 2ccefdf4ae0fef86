//! Which steps setup is to take, by what there is and what there should be.

use twilio::rest::VoiceWebhook;
use twilio::{E164, WorkflowSid};

use super::args::Setup;
use crate::api::Api;
use crate::configuration::{Configuration, before_extension};
use crate::definitions::Role;
use crate::dotenv::{Dotenv, Setting};
use crate::error::{Doing, Error, Result};
use crate::inventory::answered_by;
use crate::site::Site;
use crate::step::{Step, Work, yet_to_be_made};

/// What there should be, and what there is.
pub(super) struct Planner<'a> {
    pub(super) setup: &'a Setup,
    pub(super) site: &'a Site,
}

impl Planner<'_> {
    pub(super) async fn steps(&self, dotenv: &Dotenv) -> Result<Vec<Step>> {
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

    pub(super) fn sid_of(&self, role: Role) -> String {
        match self.site.inventory.task_queues.get(&role) {
            Some(queue) => queue.sid.to_string(),
            None => yet_to_be_made(&self.site.names.task_queue(role)),
        }
    }

    fn extension(&self, sid: WorkflowSid) -> Result<Step> {
        let found = self.site.inventory.workflows.iter().find(|w| w.sid == sid);
        let found = found.ok_or(Error::NoSuchWorkflow {
            workspace: self.site.inventory.workspace.sid,
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
        let recorded = self.site.record.extended_workflows.get(&sid);
        let previous = before_extension(&found.configuration, recorded, &placeholder)
            .unwrap_or_else(|| found.configuration.clone());
        let mut step = Step::user_workflow(found, wanted.to_text(), Some(previous));
        let findings = wanted.findings(&placeholder).into_iter();
        step.details(findings.map(|f| format!("! {f}: {}", f.problem.remedy())));
        let default = wanted.default_queue().filter(|queue| *queue != placeholder);
        step.details(default.map(|queue| {
            format!(
                "! tasks that no filter takes go to {queue} (default filter), as before, and are \
                 not redirected"
            )
        }));
        let note = "teardown restores it as it was before the first extension";
        step.details(recorded.map(|_| note.to_owned()));
        Ok(step)
    }

    async fn number(&self, number: &E164) -> Result<Step> {
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
        let url = match &self.site.inventory.flow {
            Some(flow) => self.setup.api.webhook_of(flow),
            None => yet_to_be_made(&self.site.names.studio_flow()),
        };
        // Once ours, what was before that is what teardown restores.
        let recorded = self.site.record.numbers.get(&found.sid);
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
        let workspace = self.site.inventory.workspace.sid;
        let placeholder = self.sid_of(Role::Placeholder);
        let mut settings: Vec<Setting> = vec![
            ("TWILIO_ACCOUNT_SID", setup.api.account.to_string()),
            ("TWILIO_WORKSPACE_SID", workspace.to_string()),
            ("FORWARD_CALL_TASK_QUEUE_SID", placeholder),
            ("PUBLIC_URL", setup.public_url.join("")),
        ];
        let api_url = &setup.twilio.client.api_url;
        if *api_url != twilio::rest::ApiUrl::default() {
            settings.push(("TWILIO_API_URL", api_url.to_string()));
        }
        if let Some(number) = &setup.forward_to {
            settings.push(("FORWARD_TO_NUMBER", number.as_str().to_owned()));
        }
        let mut step = Step::keep(format!("settings in {}", file.path().display()));
        step.changes(file.changes(&settings));
        let file = file.clone();
        step.then(async move |work: &mut Work<'_, '_>| {
            let made = settings.into_iter();
            let made: Vec<_> = made
                .map(|(name, value)| (name, work.fill_in(value)))
                .collect();
            let path = file.path().display().to_string();
            file.set(&made)?;
            work.say(format_args!("wrote {path}"));
            Ok(())
        })
    }
}
