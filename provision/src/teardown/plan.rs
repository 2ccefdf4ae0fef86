//! Which steps teardown is to take: first what leads callers to ours is put back, then what handles
//! them is deleted, then the queues.

use std::collections::BTreeMap;

use twilio::rest::{IncomingNumber, Workflow};
use twilio::{EVENTS_PATH, TaskQueueSid, WorkflowSid};

use crate::callback::{before_setup, shown};
use crate::inventory::Inventory;
use crate::plan::Plan;
use crate::record::{Record, ReplacedRouting};
use crate::routing::Routing;
use crate::step::Step;

/// What there is, and what setup wrote down of it.
pub(super) struct Planner<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) record: Option<&'a Record>,
    pub(super) numbers: &'a [IncomingNumber],
    /// Where callbacks are posted to us, if that is known.
    pub(super) receiver: Option<&'a str>,
    pub(super) keep_resources: bool,
}

impl Planner<'_> {
    /// The plan, and whether it leaves nothing of ours behind.
    pub(super) fn plan(&self) -> (Plan, bool) {
        let mut plan = Plan::default();
        self.restore_numbers(&mut plan);
        // Before the callback goes, so that nobody is sent to a placeholder that nobody watches.
        let restored = self.restore_workflows(&mut plan);
        self.restore_callback(&mut plan);
        for stream in &self.inventory.streams {
            plan.add(Step::DeleteStream(stream.clone()));
        }
        if self.keep_resources {
            return (plan, true);
        }
        self.note_numbers_left(&mut plan);
        let complete = self.remove(&restored, &mut plan);
        (plan, complete)
    }

    fn restore_numbers(&self, plan: &mut Plan) {
        let recorded = self.record.map(|record| &record.numbers);
        for (sid, replaced) in recorded.into_iter().flatten() {
            match self.numbers.iter().find(|number| number.sid == *sid) {
                Some(number) if number.voice.url == replaced.installed_url => {
                    plan.add(Step::Number {
                        found: number.clone(),
                        voice: replaced.previous.clone(),
                        replaced: None,
                    });
                }
                Some(_) => plan.note(format!(
                    "phone number {sid} was pointed elsewhere since setup: left as it is"
                )),
                None => plan.note(format!(
                    "phone number {sid} is no longer the account's: nothing to restore"
                )),
            }
        }
    }

    fn note_numbers_left(&self, plan: &mut Plan) {
        let flow = self.inventory.flow.as_ref();
        let Some(webhook) = flow.and_then(|flow| flow.webhook_url.as_ref()) else {
            return;
        };
        let recorded = |number: &&IncomingNumber| {
            self.record
                .is_some_and(|record| record.numbers.contains_key(&number.sid))
        };
        let leading = self.numbers.iter().filter(|n| n.voice.url == *webhook);
        for number in leading.filter(|number| !recorded(number)) {
            plan.note(format!(
                "phone number {} leads to the Studio flow, and where it led before is not \
                 recorded: calls to it will fail until you point it elsewhere (Console > Phone \
                 Numbers)",
                number.sid
            ));
        }
    }

    /// Returns the configurations that workflows are to have then.
    fn restore_workflows(&self, plan: &mut Plan) -> BTreeMap<WorkflowSid, String> {
        let mut restored = BTreeMap::new();
        let Some(placeholder) = self.inventory.placeholder() else {
            return restored;
        };
        let recorded = self.record.map(|record| &record.extended_workflows);
        for (sid, replaced) in recorded.into_iter().flatten() {
            let Some(found) = self.inventory.workflows.iter().find(|w| w.sid == *sid) else {
                plan.note(format!("workflow {sid} is gone: nothing to restore"));
                continue;
            };
            if let Some(configuration) = before(found, replaced, placeholder.sid.as_str()) {
                restored.insert(*sid, configuration.clone());
                plan.add(Step::Route {
                    found: found.clone(),
                    configuration,
                    replaced: None,
                    notes: Vec::new(),
                });
            }
        }
        restored
    }

    fn restore_callback(&self, plan: &mut Plan) {
        let workspace = &self.inventory.workspace;
        let replaced = self.record.and_then(|record| record.callback.as_ref());
        let current = &workspace.event_callback_url;
        if let Some(restoration) = before_setup(workspace, replaced, self.receiver) {
            plan.add(Step::Callback {
                found: workspace.clone(),
                url: restoration.url,
                filter: restoration.filter,
                replaced: None,
            });
            if !restoration.known {
                plan.note(
                    "what the event callback was before setup is not recorded: it is emptied, its \
                     filter left",
                );
            }
        } else if replaced.is_some() && !current.is_empty() {
            plan.note(format!(
                "the workspace's event callback was changed since setup, to {}: left as it is",
                shown(current)
            ));
        } else if self.receiver.is_none() && posts_to_our_path(current) {
            plan.note(format!(
                "the workspace's event callback is {}: if that is ours, run teardown with \
                 --public-url",
                shown(current)
            ));
        }
    }

    /// Whether all of ours goes.
    fn remove(&self, restored: &BTreeMap<WorkflowSid, String>, plan: &mut Plan) -> bool {
        let inventory = self.inventory;
        plan.extend(inventory.flow.clone().map(Step::DeleteFlow));
        plan.extend(inventory.workflow.clone().map(Step::DeleteWorkflow));
        let mut complete = true;
        for queue in inventory.task_queues.values() {
            let users = self.users_left(queue.sid, restored);
            if users.is_empty() {
                plan.add(Step::DeleteTaskQueue(queue.clone()));
                continue;
            }
            complete = false;
            plan.note(format!(
                "task queue {} is kept: workflow {} leads to it, and setup did not record that. \
                 Take it out there (Console > TaskRouter > Workflows), then run teardown again",
                queue.friendly_name,
                users.join(", ")
            ));
        }
        complete
    }

    /// The workflows that stay and lead to the task queue.
    fn users_left(
        &self,
        queue: TaskQueueSid,
        restored: &BTreeMap<WorkflowSid, String>,
    ) -> Vec<String> {
        let removed = self.inventory.workflow.as_ref().map(|w| w.sid);
        let stay = self.inventory.workflows.iter();
        stay.filter(|workflow| removed != Some(workflow.sid))
            .filter(|workflow| {
                let then = restored
                    .get(&workflow.sid)
                    .unwrap_or(&workflow.configuration);
                Routing::parse(then).is_ok_and(|routing| routing.leads_to(queue.as_str()))
            })
            .map(|workflow| format!("{:?} ({})", workflow.friendly_name, workflow.sid))
            .collect()
    }
}

/// The configuration that a workflow is to go back to; `None` where the placeholder is no longer in
/// it.
fn before(found: &Workflow, replaced: &ReplacedRouting, placeholder: &str) -> Option<String> {
    let mut current = Routing::parse(&found.configuration).ok()?;
    if !current.leads_to(placeholder) {
        return None;
    }
    let untouched = Routing::parse(&replaced.installed).is_ok_and(|ours| ours == current);
    if untouched && Routing::parse(&replaced.previous).is_ok() {
        return Some(replaced.previous.clone());
    }
    // Changed since by somebody else, whose changes stay.
    current.retract(placeholder).ok()?;
    Some(current.to_text())
}

fn posts_to_our_path(url: &str) -> bool {
    let receiver = url.split('#').next().unwrap_or_default();
    receiver.ends_with(EVENTS_PATH)
}
