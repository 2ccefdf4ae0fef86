//! Which steps setup is to take, by what there is and what there should be.

use twilio::WorkflowSid;
use twilio::rest::Workflow;

use super::adopt::{Adopted, workflow_shown};
use super::args::Setup;
use crate::callers;
use crate::definitions::Role;
use crate::dotenv::{Dotenv, Setting};
use crate::error::{Error, Result};
use crate::record::ReplacedConfiguration;
use crate::site::Site;
use crate::step::{Step, Work};
use crate::unmade::yet_to_be_made;

/// What there should be, and what there is.
pub(super) struct Planner<'a> {
    pub(super) setup: &'a Setup,
    pub(super) site: &'a Site,
    pub(super) adopted: &'a Adopted,
}

/// Steps, and what else follows from what is there.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) steps: Vec<Step>,
    /// By which workflows no call gets to the placeholder even then.
    pub(super) dead_ends: Vec<String>,
    /// Whether our flow is there afterwards.
    pub(super) has_flow: bool,
    /// Whether neither a number nor another flow leads callers to its workflow even then.
    pub(super) nobody_calls: bool,
    /// What is extended already, just as it should be.
    pub(super) extended: Option<(WorkflowSid, ReplacedConfiguration)>,
}

impl Planner<'_> {
    pub(super) async fn plan(&self, dotenv: &Dotenv) -> Result<Planned> {
        let mut numbers = self.left_numbers().await?;
        let mut planned = self.routing(!numbers.is_empty()).await?;
        self.tell_of_those_left_behind(&mut planned).await?;
        let steps = &mut planned.steps;
        steps.extend(self.events().await?);
        if !planned.has_flow {
            numbers.clear();
        }
        if let Some(number) = &self.setup.number {
            let number = self.number(number).await?;
            numbers.retain(|other| other.sid != number.sid);
            numbers.push(number);
        }
        steps.extend(numbers.iter().map(|number| self.pointed(number)));
        steps.push(self.settings(dotenv));
        planned.nobody_calls =
            planned.has_flow && numbers.is_empty() && !self.callers_may_come().await?;
        Ok(planned)
    }

    async fn callers_may_come(&self) -> Result<bool> {
        let inventory = &self.site.inventory;
        let ours = inventory.workflow.iter();
        let workflows = ours.chain(&self.adopted.workflows).map(|it| it.sid);
        let flow = inventory.flow.as_ref().map(|flow| flow.sid);
        callers::may_come(&self.setup.api, flow, &workflows.collect::<Vec<_>>()).await
    }

    /// Task queues, workflow and flow.
    async fn routing(&self, needs_flow: bool) -> Result<Planned> {
        if let Some(workflow) = self.setup.workflow {
            // It has task queues, and a flow, of its own.
            let mut planned = self.extension(workflow)?;
            planned.steps.insert(0, self.placeholder());
            return Ok(planned);
        }
        if !self.joins() {
            let queues = Role::ALL.map(|role| match role {
                Role::Placeholder => self.placeholder(),
                role => self.task_queue(role),
            });
            let mut steps: Vec<_> = queues.into();
            steps.push(self.workflow());
            let workflow = &self.site.inventory.workflow;
            steps.push(self.flow(workflow.as_ref().map(|w| w.sid)).await?);
            return Ok(Planned {
                steps,
                has_flow: true,
                ..Planned::default()
            });
        }
        let mut planned = self.adopted_workflows();
        planned.steps.insert(0, self.placeholder());
        // A flow of the user's leads to it, unless a number is to get one of ours.
        if self.setup.number.is_some() || self.site.inventory.flow.is_some() || needs_flow {
            match self.adopted.workflows.as_slice() {
                [one] => {
                    planned.steps.push(self.flow(Some(one.sid)).await?);
                    planned.has_flow = true;
                }
                several if self.setup.number.is_some() => {
                    let several: Vec<_> = several.iter().map(workflow_shown).collect();
                    let lead = match several.is_empty() {
                        true => "no workflow leads to the placeholder any more".to_owned(),
                        false => format!(
                            "several workflows lead to the placeholder: {}",
                            several.join(", ")
                        ),
                    };
                    return Err(Error::Unclear(format!(
                        "{lead}\n  Nothing was changed. Point the number at a flow of yours (Console \
                         > Phone Numbers), and run setup without --number."
                    )));
                }
                _ => {}
            }
        }
        Ok(planned)
    }

    /// Whether workflows of the user's serve, so that none of ours is made.
    pub(super) fn joins(&self) -> bool {
        let (inventory, extended) = (&self.site.inventory, &self.site.record.extended_workflows);
        let is_extended = |workflow: &Workflow| extended.contains_key(&workflow.sid);
        let has_one = inventory.workflow.is_some() || self.setup.place.is_set_apart;
        let goes_on = !has_one && inventory.workflows.iter().any(is_extended);
        !self.adopted.workflows.is_empty() || goes_on
    }

    /// The placeholder: ours, or what takes its place.
    fn placeholder(&self) -> Step {
        let (Some(queue), Some(because)) = (&self.site.inventory.adopted, &self.adopted.because)
        else {
            return self.task_queue(Role::Placeholder);
        };
        let (name, sid) = (&queue.friendly_name, queue.sid);
        let mut step = Step::keep(format!("task queue {name} ({sid}), {because}"));
        step.details([
            "it is the placeholder; another by --placeholder WQ…, a set of its own by --prefix TEXT"
                .to_owned(),
        ]);
        step
    }

    pub(super) fn sid_of(&self, role: Role) -> String {
        let found = match role {
            Role::Placeholder => self.site.inventory.placeholder(),
            role => self.site.inventory.task_queues.get(&role),
        };
        match found {
            Some(queue) => queue.sid.to_string(),
            None => yet_to_be_made(&self.site.names.task_queue(role)),
        }
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
            // As it is now: other lines may have changed since.
            Dotenv::read(file.path())?.set(&made)?;
            work.say(format_args!("wrote {path}"));
            Ok(())
        })
    }
}
