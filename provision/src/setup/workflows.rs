//! Workflows of the user's: one that is extended, and those that lead to the placeholder already.

use twilio::WorkflowSid;
use twilio::rest::Workflow;

use super::adopt::workflow_shown;
use super::plan::{Planned, Planner};
use crate::configuration::{
    Configuration, Extension, Finding, Problem, before_extension, edited_addition, is_as_extended,
};
use crate::definitions::{DEFINITIONS, Role};
use crate::error::{Error, Result};
use crate::record::ReplacedConfiguration;
use crate::step::Step;
use crate::wording::named;

impl Planner<'_> {
    pub(super) fn extension(&self, sid: WorkflowSid) -> Result<Planned> {
        let setup = self.setup;
        let found = self.site.inventory.workflows.iter().find(|w| w.sid == sid);
        let found = found.ok_or(Error::NoSuchWorkflow {
            workspace: self.site.inventory.workspace.sid,
            workflow: sid,
        })?;
        let refused = |problem: String| Error::Workflow {
            workflow: sid,
            problem,
        };
        let placeholder = self.sid_of(Role::Placeholder);
        let recorded = self.recorded(sid);
        let said_before = recorded.and_then(|recorded| recorded.target_timeout);
        let filters = self.filters(sid);
        let former = self.former();
        let current = &found.configuration;
        let edited = recorded.and_then(|it| edited_addition(current, it, &placeholder));
        let by = Extension {
            placeholder: &placeholder,
            former: &former,
            target_timeout: setup.target_timeout.or(said_before),
            in_place: self.is_in_place(sid),
            filters: &filters,
            edited: edited.as_ref(),
        };
        let known = match recorded {
            Some(recorded) => before_extension(current, recorded),
            // What led to a placeholder of the user's before, is the user's.
            None if self.site.inventory.adopted.is_some() => None,
            None => Configuration::parse(current)
                .ok()
                .and_then(|it| it.unextended(&by))
                .map(|it| it.to_text()),
        };
        let previous = known.unwrap_or_else(|| current.clone());
        let parsed = Configuration::parse(&previous);
        let mut wanted = parsed.map_err(|error| refused(error.to_string()))?;
        let led_there = recorded.is_none() && wanted.leads_to(&placeholder);
        let left = wanted
            .extend(&by)
            .map_err(|error| refused(error.to_string()))?;
        let replaced = ReplacedConfiguration {
            installed: wanted.to_text(),
            previous,
            found: Some(current.clone()),
            in_place: by.in_place,
            filters: filters.clone(),
            target_timeout: by.target_timeout,
        };
        let is_there = Configuration::parse(current).as_ref() == Ok(&wanted);
        let is_extended = is_there && *current != replaced.previous;
        let extended = is_extended.then(|| (sid, replaced.clone()));
        let re_evaluates = setup.re_evaluate_tasks;
        let mut step = Step::user_workflow(found, wanted.to_text(), Some(replaced), re_evaluates);
        step.details(self.remarks(found, &wanted, &left));
        let note = "teardown restores it as it was before the first extension";
        step.details(recorded.map(|_| note.to_owned()));
        let note = "what leads to the placeholder already is taken for yours: teardown leaves it";
        step.details(led_there.then(|| note.to_owned()));
        let dead_ends = match wanted.reaches(&placeholder) {
            true => Vec::new(),
            false => vec![workflow_shown(found)],
        };
        Ok(Planned {
            steps: vec![step],
            dead_ends,
            extended,
            has_flow: false,
            nobody_calls: false,
        })
    }

    fn former(&self) -> Vec<String> {
        let former = self.adopted.former.iter();
        former.map(|queue| queue.sid.to_string()).collect()
    }

    fn recorded(&self, workflow: WorkflowSid) -> Option<&ReplacedConfiguration> {
        self.site.record.extended_workflows.get(&workflow)
    }

    /// The filters that are named now or, where none is, were before.
    fn filters(&self, workflow: WorkflowSid) -> Vec<String> {
        let named = &self.setup.filters;
        let before = self.recorded(workflow).map(|recorded| &recorded.filters);
        let before = before.filter(|_| named.is_empty());
        let filters = before.unwrap_or(named).iter();
        filters.filter(|name| !name.is_empty()).cloned().collect()
    }

    fn is_in_place(&self, workflow: WorkflowSid) -> bool {
        let before = self.recorded(workflow).map(|recorded| recorded.in_place);
        self.setup.in_place.or(before).unwrap_or_default()
    }

    /// Workflows that lead to the placeholder already. They stay as they are.
    pub(super) fn adopted_workflows(&self) -> Planned {
        let placeholder = self.sid_of(Role::Placeholder);
        let (mut steps, mut reaches) = (Vec::new(), false);
        for workflow in &self.adopted.workflows {
            let (name, sid) = (&workflow.friendly_name, workflow.sid);
            let mut step = Step::keep(format!("workflow {name} ({sid}), which leads to it"));
            if let Ok(configuration) = Configuration::parse(&workflow.configuration) {
                reaches |= configuration.reaches(&placeholder);
                step.details(self.remarks(workflow, &configuration, &[]));
            }
            let former = self.former();
            let as_extended = |recorded: &ReplacedConfiguration| {
                is_as_extended(&workflow.configuration, recorded, &placeholder, &former)
            };
            if self
                .recorded(sid)
                .is_some_and(|recorded| !as_extended(recorded))
            {
                step.details([format!(
                    "! it is not as setup would extend it now: `overflow setup --workflow {sid}` shows \
                     how it differs"
                )]);
            }
            steps.push(step);
        }
        let adopted = self.adopted.workflows.iter();
        let dead_ends = match reaches {
            true => Vec::new(),
            false => adopted.map(workflow_shown).collect(),
        };
        Planned {
            steps,
            dead_ends,
            ..Planned::default()
        }
    }

    /// What the user should know of a workflow of theirs, as it will be.
    fn remarks(
        &self,
        workflow: &Workflow,
        configuration: &Configuration,
        left: &[Finding],
    ) -> Vec<String> {
        let placeholder = self.sid_of(Role::Placeholder);
        // Whoever names filters wants no others, and why others were left is said.
        let is_known = |finding: &Finding| {
            finding.problem == Problem::Missing
                && (!self.filters(workflow.sid).is_empty()
                    || left.iter().any(|other| other.filter == finding.filter))
        };
        let findings = configuration.findings(&placeholder).into_iter();
        let findings = findings.filter(|finding| !is_known(finding));
        let findings = left.iter().cloned().chain(findings);
        let mut remarks: Vec<_> = findings
            .map(|finding| format!("! {finding}: {}", finding.problem.remedy()))
            .collect();
        if configuration.leaves_calls_to_the_default() {
            remarks.extend(match configuration.default_queue() {
                Some(queue) if queue == placeholder => None,
                Some(queue) => Some(format!(
                    "! calls that no filter takes go to {queue} (default filter), as before, and \
                     are not redirected"
                )),
                None => {
                    Some("! calls that no filter takes fail: there is no default filter".to_owned())
                }
            });
        }
        let all_channels = configuration.filters_of_all_channels(&placeholder);
        if !self.is_in_place(workflow.sid) && !all_channels.is_empty() {
            remarks.push(format!(
                "! messages, too, get to the placeholder by {}, where nobody serves them: unless \
                 only calls come to this workflow, take the placeholder out there and, for calls, \
                 let a copy with `AND call_sid CONTAINS \"CA\"` lead to it instead",
                named("filter", &all_channels)
            ));
        }
        remarks.extend(self.reservations(workflow));
        remarks
    }

    fn reservations(&self, workflow: &Workflow) -> Option<String> {
        let seconds = workflow.task_reservation_timeout?;
        let usual = DEFINITIONS.task_reservation_timeout;
        let offer = self.offer(seconds);
        Some(match seconds > 2 * usual {
            false => offer,
            true => format!(
                "! {offer}; a caller waits all that time for an agent who has left their desk. {usual} \
                 s are usual (Console > TaskRouter > Workflows > Task Reservation Timeout)"
            ),
        })
    }

    /// How long an agent has to take an offered call, and what becomes of those who don't.
    pub(super) fn offer(&self, seconds: u32) -> String {
        let activity = &self.site.inventory.workspace.timeout_activity_name;
        let activity = match activity.is_empty() {
            true => "the workspace's timeout activity".to_owned(),
            false => format!("activity {activity:?}"),
        };
        format!(
            "an agent has {seconds} s to take an offered call; Twilio then puts them into {activity}"
        )
    }
}
