//! Workflows whose calls end where nobody looks: in a former placeholder, or in none any more.

use super::adopt::{shown, workflow_shown};
use super::plan::{Planned, Planner};
use crate::configuration::Configuration;
use crate::definitions::Role;
use crate::error::{Doing, Result};
use crate::step::Step;
use crate::wording::counted;

impl Planner<'_> {
    /// Tells of them. Each is a dead end, whatever else is set up.
    pub(super) async fn tell_of_those_left_behind(&self, planned: &mut Planned) -> Result<()> {
        let (inventory, extended) = (&self.site.inventory, &self.site.record.extended_workflows);
        let placeholder = self.sid_of(Role::Placeholder);
        let changes = match self.setup.workflow {
            None if !self.joins() => inventory.workflow.as_ref().map(|workflow| workflow.sid),
            extends => extends,
        };
        let others = inventory.workflows.iter();
        for workflow in others.filter(|workflow| Some(workflow.sid) != changes) {
            let configuration = Configuration::parse(&workflow.configuration).ok();
            let leads_to = |queue: &str| configuration.as_ref().is_some_and(|c| c.leads_to(queue));
            let mut former = self.adopted.former.iter();
            let former = former.find(|queue| leads_to(queue.sid.as_str()));
            let reaches = configuration
                .as_ref()
                .is_some_and(|c| c.reaches(&placeholder));
            let leads = match former {
                Some(queue) => format!("still leads to task queue {}", shown(queue)),
                None if reaches || !extended.contains_key(&workflow.sid) => continue,
                None => "no longer leads to the placeholder".to_owned(),
            };
            let (name, sid) = (workflow_shown(workflow), workflow.sid);
            planned.steps.push(Step::note(format!(
                "{name} {leads}, so nobody is redirected there: run `overflow setup --workflow {sid}`, \
                 or delete it if no calls come to it"
            )));
            if !planned.dead_ends.contains(&name) {
                planned.dead_ends.push(name);
            }
        }
        let (client, workspace) = (&self.setup.api.client, &inventory.workspace.sid);
        for queue in &self.adopted.former {
            let tasks = client.pending_tasks(workspace, &queue.sid).await;
            let tasks = tasks.doing("list the tasks in a former placeholder")?;
            let count = tasks.items.len() + tasks.unreadable;
            if count > 0 {
                planned.steps.push(Step::note(format!(
                    "{} still in task queue {}, the placeholder so far: nobody takes them out once the \
                     services know the new one",
                    counted(count, "task"),
                    shown(queue)
                )));
            }
        }
        Ok(())
    }
}
