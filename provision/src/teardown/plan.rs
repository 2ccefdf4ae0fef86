//! What teardown is going to do, before it does any of it.

use twilio::rest::{IncomingNumber, Workflow};
use twilio::{FlowSid, PhoneNumberSid, TaskQueueSid, WorkflowSid};

use crate::callback::{Restoration, before_setup, same_receiver, shown};
use crate::console::{Console, Status};
use crate::diff;
use crate::inventory::Inventory;
use crate::record::{Record, ReplacedRouting, ReplacedVoice};
use crate::routing::Routing;

/// Everything that teardown is going to do.
pub(super) struct Plan {
    pub(super) numbers: Vec<(PhoneNumberSid, ReplacedVoice)>,
    pub(super) workflows: Vec<(WorkflowSid, String)>,
    pub(super) callback: Option<Restoration>,
    pub(super) flow: Option<FlowSid>,
    pub(super) workflow: Option<WorkflowSid>,
    pub(super) task_queues: Vec<TaskQueueSid>,
    lines: Vec<String>,
    /// What can't be done, and what to do about it.
    notes: Vec<String>,
    /// Whether something of ours has to stay.
    incomplete: bool,
}

impl Plan {
    pub(super) fn make(
        inventory: &Inventory,
        record: Option<&Record>,
        numbers: &[IncomingNumber],
        receiver: Option<&str>,
        keep_resources: bool,
    ) -> Self {
        let mut plan = Self {
            numbers: Vec::new(),
            workflows: Vec::new(),
            callback: None,
            flow: None,
            workflow: None,
            task_queues: Vec::new(),
            lines: Vec::new(),
            notes: Vec::new(),
            incomplete: false,
        };
        plan.restore_numbers(record, numbers);
        plan.restore_workflows(inventory, record);
        plan.restore_callback(inventory, record, receiver);
        plan.remove_streams(inventory);
        if !keep_resources {
            plan.note_numbers_left(inventory, numbers);
            plan.remove(inventory);
        }
        plan
    }

    fn restore_numbers(&mut self, record: Option<&Record>, numbers: &[IncomingNumber]) {
        let recorded = record.map(|record| &record.numbers);
        for (sid, replaced) in recorded.into_iter().flatten() {
            match numbers.iter().find(|number| number.sid == *sid) {
                Some(number) if number.voice.url == replaced.installed_url => {
                    self.lines.push(format!("~ phone number {sid}"));
                    self.lines.push(diff::field(
                        "    voice URL",
                        &shown(&replaced.installed_url),
                        &shown(&replaced.previous.url),
                    ));
                    self.numbers.push((*sid, replaced.clone()));
                }
                Some(_) => self.notes.push(format!(
                    "phone number {sid} was pointed elsewhere since setup: left as it is"
                )),
                None => self.notes.push(format!(
                    "phone number {sid} is no longer the account's: nothing to restore"
                )),
            }
        }
    }

    fn note_numbers_left(&mut self, inventory: &Inventory, numbers: &[IncomingNumber]) {
        let Some(webhook) = inventory.flow.as_ref().and_then(|f| f.webhook_url.as_ref()) else {
            return;
        };
        for number in numbers {
            let restored = self.numbers.iter().any(|(sid, _)| *sid == number.sid);
            if number.voice.url == *webhook && !restored {
                self.notes.push(format!(
                    "phone number {} leads to the Studio flow, and where it led before is not \
                     recorded: calls to it will fail until you point it elsewhere (Console > Phone \
                     Numbers)",
                    number.sid
                ));
            }
        }
    }

    fn restore_workflows(&mut self, inventory: &Inventory, record: Option<&Record>) {
        let Some(placeholder) = inventory.placeholder() else {
            return;
        };
        let recorded = record.map(|record| &record.extended_workflows);
        for (sid, replaced) in recorded.into_iter().flatten() {
            let Some(workflow) = inventory.workflows.iter().find(|w| w.sid == *sid) else {
                self.notes
                    .push(format!("workflow {sid} is gone: nothing to restore"));
                continue;
            };
            let placeholder = placeholder.sid.as_str();
            let Some((configuration, diff)) = restored(workflow, replaced, placeholder) else {
                continue;
            };
            let name = &workflow.friendly_name;
            self.lines.push(format!("~ workflow {name} ({sid})"));
            self.lines
                .extend(diff.iter().map(|line| format!("    {line}")));
            self.workflows.push((*sid, configuration));
        }
    }

    fn restore_callback(
        &mut self,
        inventory: &Inventory,
        record: Option<&Record>,
        receiver: Option<&str>,
    ) {
        let workspace = &inventory.workspace;
        let replaced = record.and_then(|record| record.callback.as_ref());
        let current = &workspace.event_callback_url;
        let Some(restoration) = before_setup(workspace, replaced, receiver) else {
            if replaced.is_some() && !current.is_empty() {
                self.notes.push(format!(
                    "the workspace's event callback was changed since setup, to {}: left as it is",
                    shown(current)
                ));
            } else if receiver.is_none()
                && current
                    .split('#')
                    .next()
                    .unwrap_or_default()
                    .ends_with("/taskrouter/events")
            {
                self.notes.push(format!(
                    "the workspace's event callback is {}: if that is ours, run teardown with \
                     --public-url",
                    shown(current)
                ));
            }
            return;
        };
        self.lines
            .push("~ event callback of the workspace".to_owned());
        let old = (current.as_str(), workspace.events_filter.as_str());
        let new = (restoration.url.as_str(), restoration.filter.as_str());
        let changes = crate::setup::callback_changes(old, new);
        self.lines
            .extend(changes.iter().map(|line| format!("    {line}")));
        if !restoration.known && !same_receiver(current, "") {
            self.notes.push(
                "what the event callback was before setup is not recorded: it is emptied, its \
                 filter left"
                    .to_owned(),
            );
        }
        self.callback = Some(restoration);
    }

    fn remove_streams(&mut self, inventory: &Inventory) {
        for stream in &inventory.streams {
            let (name, sid) = (&stream.sink.description, stream.sink.sid);
            self.lines.push(format!(
                "- Event Streams sink and subscription {name} ({sid})"
            ));
        }
    }

    fn remove(&mut self, inventory: &Inventory) {
        if let Some(flow) = &inventory.flow {
            let (name, sid) = (&flow.friendly_name, flow.sid);
            self.lines.push(format!("- Studio flow {name} ({sid})"));
            self.flow = Some(sid);
        }
        if let Some(workflow) = &inventory.workflow {
            let (name, sid) = (&workflow.friendly_name, workflow.sid);
            self.lines.push(format!("- workflow {name} ({sid})"));
            self.workflow = Some(sid);
        }
        for queue in inventory.task_queues.values() {
            let users: Vec<_> = inventory
                .workflows
                .iter()
                .filter(|workflow| self.keeps_leading_to(workflow, inventory, queue.sid))
                .map(|workflow| format!("{:?} ({})", workflow.friendly_name, workflow.sid))
                .collect();
            let name = &queue.friendly_name;
            if users.is_empty() {
                self.lines
                    .push(format!("- task queue {name} ({})", queue.sid));
                self.task_queues.push(queue.sid);
                continue;
            }
            self.incomplete = true;
            self.notes.push(format!(
                "task queue {name} is kept: workflow {} leads to it, and setup did not record that. \
                 Take it out there (Console > TaskRouter > Workflows), then run teardown again",
                users.join(", ")
            ));
        }
    }

    /// Whether a workflow that stays leads to the task queue.
    fn keeps_leading_to(
        &self,
        workflow: &Workflow,
        inventory: &Inventory,
        queue: TaskQueueSid,
    ) -> bool {
        let removed = inventory.workflow.as_ref().map(|w| w.sid) == Some(workflow.sid);
        let restored = self.workflows.iter().find(|(sid, _)| *sid == workflow.sid);
        let configuration = restored.map_or(&workflow.configuration, |(_, text)| text);
        !removed
            && Routing::parse(configuration).is_ok_and(|routing| routing.leads_to(queue.as_str()))
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How a teardown by this plan ends.
    pub(super) fn status(&self) -> Status {
        match self.incomplete {
            true => Status::Failed,
            false => Status::Done,
        }
    }

    /// Shows it: `-` is removed, `~` put back, `!` can't be.
    pub(super) fn show(&self, console: &mut Console<'_>) {
        for line in &self.lines {
            console.line(format_args!("  {line}"));
        }
        for note in &self.notes {
            console.line(format_args!("  ! {note}"));
        }
    }
}

/// The configuration that a workflow is to go back to, and the difference; `None` where the
/// placeholder is no longer in it.
fn restored(
    workflow: &Workflow,
    replaced: &ReplacedRouting,
    placeholder: &str,
) -> Option<(String, Vec<String>)> {
    let current = Routing::parse(&workflow.configuration).ok()?;
    if !current.leads_to(placeholder) {
        return None;
    }
    let untouched = Routing::parse(&replaced.installed).is_ok_and(|ours| ours == current);
    let previous = Routing::parse(&replaced.previous).ok();
    let (text, target) = match previous {
        Some(previous) if untouched => (replaced.previous.clone(), previous),
        _ => {
            // Changed since by somebody else, whose changes stay.
            let mut without = current.clone();
            without.retract(placeholder).ok()?;
            (without.to_text(), without)
        }
    };
    let diff = diff::lines(&current.pretty(), &target.pretty());
    Some((text, diff))
}
