//! Which steps teardown is to take: first what leads callers to ours is put back, then what handles
//! them is deleted, then the queues.

use std::collections::BTreeMap;

use twilio::rest::IncomingNumber;
use twilio::{EVENTS_PATH, TaskQueueSid, WorkflowSid};

use crate::callback::{Restoration, before_setup, shown};
use crate::configuration::{Configuration, before_extension};
use crate::inventory::Inventory;
use crate::record::Record;
use crate::site::Site;
use crate::step::{Change, Step};

/// What there is, and what setup wrote down of it.
pub(super) struct Planner<'a> {
    pub(super) site: &'a Site<'a>,
    pub(super) numbers: &'a [IncomingNumber],
    /// Where callbacks are posted to us, if that is known.
    pub(super) receiver: Option<&'a str>,
    pub(super) keep_resources: bool,
}

impl Planner<'_> {
    /// The steps, and whether they leave nothing of ours behind.
    pub(super) fn steps(&self) -> (Vec<Step>, bool) {
        let mut steps = Vec::new();
        self.restore_numbers(&mut steps);
        // Before the callback goes, so that nobody is sent to a placeholder that nobody watches.
        let restored = self.restore_workflows(&mut steps);
        self.restore_callback(&mut steps);
        steps.extend(self.inventory().streams.iter().map(Step::delete_stream));
        if self.keep_resources {
            return (steps, true);
        }
        self.note_numbers_left(&mut steps);
        let complete = self.remove(&restored, &mut steps);
        (steps, complete)
    }

    fn inventory(&self) -> &Inventory {
        &self.site.inventory
    }

    fn record(&self) -> Option<&Record> {
        self.site.record.as_ref()
    }

    fn restore_numbers(&self, steps: &mut Vec<Step>) {
        let recorded = self.record().map(|record| &record.numbers);
        for (sid, replaced) in recorded.into_iter().flatten() {
            match self.numbers.iter().find(|number| number.sid == *sid) {
                Some(number) if number.voice.url == replaced.installed_url => {
                    steps.push(Step::number(number, replaced.previous.clone(), None));
                }
                Some(_) => steps.push(Step::note(format!(
                    "phone number {sid} was pointed elsewhere since setup: left as it is"
                ))),
                None => steps.push(Step::note(format!(
                    "phone number {sid} is no longer the account's: nothing to restore"
                ))),
            }
        }
    }

    fn note_numbers_left(&self, steps: &mut Vec<Step>) {
        let flow = self.inventory().flow.as_ref();
        let Some(webhook) = flow.and_then(|flow| flow.webhook_url.as_ref()) else {
            return;
        };
        let recorded = |number: &&IncomingNumber| {
            self.record()
                .is_some_and(|record| record.numbers.contains_key(&number.sid))
        };
        let leading = self.numbers.iter().filter(|n| n.voice.url == *webhook);
        for number in leading.filter(|number| !recorded(number)) {
            steps.push(Step::note(format!(
                "phone number {} leads to the Studio flow, and where it led before is not \
                 recorded: calls to it will fail until you point it elsewhere (Console > Phone \
                 Numbers)",
                number.sid
            )));
        }
    }

    /// Returns the configurations that workflows are to have then.
    fn restore_workflows(&self, steps: &mut Vec<Step>) -> BTreeMap<WorkflowSid, String> {
        let mut restored = BTreeMap::new();
        let Some(placeholder) = self.inventory().placeholder() else {
            return restored;
        };
        let placeholder = placeholder.sid.as_str();
        let recorded = self.record().map(|record| &record.extended_workflows);
        for (sid, replaced) in recorded.into_iter().flatten() {
            let Some(found) = self.inventory().workflows.iter().find(|w| w.sid == *sid) else {
                steps.push(Step::note(format!(
                    "workflow {sid} is gone: nothing to restore"
                )));
                continue;
            };
            if let Some(configuration) =
                before_extension(&found.configuration, Some(replaced), placeholder)
            {
                restored.insert(*sid, configuration.clone());
                steps.push(Step::configuration(found, configuration, None));
            }
        }
        restored
    }

    fn restore_callback(&self, steps: &mut Vec<Step>) {
        let workspace = &self.inventory().workspace;
        let replaced = self.record().and_then(|record| record.callback.as_ref());
        let current = &workspace.event_callback_url;
        if let Some(restoration) = before_setup(workspace, replaced, self.receiver) {
            let Restoration { url, filter, known } = restoration;
            steps.push(Step::callback(workspace, url, filter, None));
            if !known {
                steps.push(Step::note(
                    "what the event callback was before setup is not recorded: it is emptied, its \
                     filter left",
                ));
            }
        } else if replaced.is_some() && !current.is_empty() {
            steps.push(Step::note(format!(
                "the workspace's event callback was changed since setup, to {}: left as it is",
                shown(current)
            )));
        } else if self.receiver.is_none() && posts_to_our_path(current) {
            steps.push(Step::note(format!(
                "the workspace's event callback is {}: if that is ours, run teardown with \
                 --public-url",
                shown(current)
            )));
        }
    }

    /// Whether all of ours goes.
    fn remove(&self, restored: &BTreeMap<WorkflowSid, String>, steps: &mut Vec<Step>) -> bool {
        let inventory = self.inventory();
        steps.extend(inventory.flow.iter().map(|flow| {
            let change = Change::DeleteFlow(flow.sid);
            Step::delete("Studio flow", &flow.friendly_name, flow.sid, change)
        }));
        steps.extend(inventory.workflow.iter().map(|workflow| {
            let change = Change::DeleteWorkflow(workflow.sid);
            Step::delete("workflow", &workflow.friendly_name, workflow.sid, change)
        }));
        let mut complete = true;
        for queue in inventory.task_queues.values() {
            let users = self.users_left(queue.sid, restored);
            if users.is_empty() {
                let (name, sid) = (&queue.friendly_name, queue.sid);
                let change = Change::DeleteTaskQueue(sid);
                steps.push(Step::delete("task queue", name, sid, change));
                continue;
            }
            complete = false;
            steps.push(Step::note(format!(
                "task queue {} is kept: workflow {} leads to it, and setup did not record that. \
                 Take it out there (Console > TaskRouter > Workflows), then run teardown again",
                queue.friendly_name,
                users.join(", ")
            )));
        }
        complete
    }

    /// The workflows that stay and lead to the task queue.
    fn users_left(
        &self,
        queue: TaskQueueSid,
        restored: &BTreeMap<WorkflowSid, String>,
    ) -> Vec<String> {
        let removed = self.inventory().workflow.as_ref().map(|w| w.sid);
        let stay = self.inventory().workflows.iter();
        stay.filter(|workflow| removed != Some(workflow.sid))
            .filter(|workflow| {
                let then = restored
                    .get(&workflow.sid)
                    .unwrap_or(&workflow.configuration);
                Configuration::parse(then).is_ok_and(|then| then.leads_to(queue.as_str()))
            })
            .map(|workflow| format!("{:?} ({})", workflow.friendly_name, workflow.sid))
            .collect()
    }
}

fn posts_to_our_path(url: &str) -> bool {
    let receiver = url.split('#').next().unwrap_or_default();
    receiver.ends_with(EVENTS_PATH)
}
