//! What is there already and serves: a placeholder of the user's, and the workflows that lead to it.

use std::collections::BTreeSet;

use twilio::TaskQueueSid;
use twilio::rest::{TaskQueue, Workflow};

use super::args::Setup;
use crate::configuration::{Configuration, matches_nobody};
use crate::definitions::Role;
use crate::dotenv::Dotenv;
use crate::error::{Error, Result};
use crate::inventory::Inventory;
use crate::site::Site;

const PLACEHOLDER: &str = "FORWARD_CALL_TASK_QUEUE_SID";

const PLANS: &str = "REDIRECT_PLANS";

const BY_SETTINGS: &str = "which FORWARD_CALL_TASK_QUEUE_SID names";

const WAYS_OUT: &str = "Nothing was changed. Say which one by --placeholder WQ…, or have a set of \
                        its own made by --prefix TEXT.";

/// What of the user's takes the place of ours.
#[derive(Debug, Default)]
pub(super) struct Adopted {
    /// Why the placeholder is taken for one.
    pub(super) because: Option<String>,
    /// The workflows that lead to it. No other is needed.
    pub(super) workflows: Vec<Workflow>,
    /// The placeholders of setups before. Nobody looks after calls there any more.
    pub(super) former: Vec<TaskQueue>,
}

impl Setup {
    /// Decides which task queue is the placeholder: the one that is given, that setup has recorded,
    /// that the file of settings names, or that is made like one. Where that isn't clear, it refuses.
    pub(super) fn adopt(&self, site: &mut Site, dotenv: &Dotenv) -> Result<Adopted> {
        let mut adopted = self.adopt_what_serves(&mut site.inventory, dotenv)?;
        // Where there is a file of plans, they may have one there.
        if dotenv.get(PLANS).is_none() {
            adopted.former = self.former(site, dotenv);
        }
        Ok(adopted)
    }

    fn adopt_what_serves(&self, inventory: &mut Inventory, dotenv: &Dotenv) -> Result<Adopted> {
        if self.place.is_set_apart {
            inventory.adopted = None;
            return Ok(Adopted::default());
        }
        let found = self.placeholder(inventory, dotenv)?;
        let ours = inventory.task_queues.get(&Role::Placeholder);
        let found = found.filter(|(queue, _)| ours.is_none_or(|ours| ours.sid != queue.sid));
        let (adopted, because) = found.unzip();
        inventory.adopted = adopted;
        let needs_one = self.workflow.is_none() && inventory.workflow.is_none();
        let placeholder = inventory.placeholder().filter(|_| needs_one);
        let workflows = placeholder.map(|queue| leading_to(inventory, queue.sid));
        Ok(Adopted {
            because,
            workflows: workflows.unwrap_or_default(),
            former: Vec::new(),
        })
    }

    /// The queues that were the placeholder, as the record or the file of settings has it.
    fn former(&self, site: &Site, dotenv: &Dotenv) -> Vec<TaskQueue> {
        let (inventory, record) = (&site.inventory, &site.record);
        let name = &Role::Placeholder.definition().name;
        let made = record.task_queues.iter();
        let made = made.filter_map(|(full, sid)| full.ends_with(name).then_some(*sid));
        let known: BTreeSet<_> = made
            .chain(record.placeholder)
            .chain(record.former_placeholders.iter().copied())
            .collect();
        let set = self.set(inventory, dotenv);
        let was_one = |queue: &&TaskQueue| {
            known.contains(&queue.sid)
                // One that rings agents never was.
                || set.as_ref().is_some_and(|set| set.sid == queue.sid)
                    && matches_nobody(&queue.target_workers) == Some(true)
        };
        let now = inventory.placeholder().map(|queue| queue.sid);
        let queues = inventory.all_task_queues.iter().filter(was_one);
        let former = queues.filter(|queue| Some(queue.sid) != now);
        former.cloned().collect()
    }

    /// The queue that the settings name.
    fn set(&self, inventory: &Inventory, dotenv: &Dotenv) -> Option<TaskQueue> {
        let set = dotenv.get(PLACEHOLDER).and_then(|sid| sid.parse().ok());
        inventory.task_queue(set.or(self.placeholder_in_use)?)
    }

    /// The placeholder that is there, and why it is taken for one.
    fn placeholder(
        &self,
        inventory: &Inventory,
        dotenv: &Dotenv,
    ) -> Result<Option<(TaskQueue, String)>> {
        if let Some(sid) = self.placeholder {
            let workspace = inventory.workspace.sid;
            let queue = inventory.task_queue(sid).ok_or(Error::NoSuchTaskQueue {
                workspace,
                queue: sid,
            })?;
            return checked(queue, "as --placeholder says", true).map(Some);
        }
        let known = inventory.placeholder().cloned();
        match (known, self.set(inventory, dotenv)) {
            (Some(known), Some(set)) if known.sid != set.sid => {
                let why = format!(
                    "setup has {} for the placeholder, and {PLACEHOLDER} names another:",
                    shown(&known)
                );
                Err(unclear(why, &[known, set], inventory))
            }
            // Ours is set right.
            (Some(known), _) if inventory.adopted.is_none() => Ok(Some((known, String::new()))),
            (Some(known), _) => checked(known, "which setup has recorded", true).map(Some),
            (None, Some(set)) => checked(set, BY_SETTINGS, false).map(Some),
            (None, None) => by_structure(inventory),
        }
    }
}

/// A queue that matches nobody, and that has our name or certainly ends the way of calls. Others serve
/// something else: a survey, say.
fn by_structure(inventory: &Inventory) -> Result<Option<(TaskQueue, String)>> {
    let name = &Role::Placeholder.definition().name;
    let is_one = |queue: &&TaskQueue| {
        matches_nobody(&queue.target_workers) == Some(true)
            && (queue.friendly_name.ends_with(name)
                || inventory.workflows.iter().any(|workflow| {
                    configuration(workflow).is_some_and(|c| c.ends_calls_in(queue.sid.as_str()))
                }))
    };
    let mut queues: Vec<_> = inventory
        .all_task_queues
        .iter()
        .filter(is_one)
        .cloned()
        .collect();
    match queues.len() {
        0 => Ok(None),
        1 => Ok(queues.pop().map(|queue| {
            let because = format!("which matches nobody ({})", queue.target_workers);
            (queue, because)
        })),
        count => {
            let why = format!("{count} task queues match nobody and may be the placeholder:");
            Err(unclear(why, &queues, inventory))
        }
    }
}

/// A queue that rings agents is none, whoever says so. Whether others do, only the user can know.
fn checked(queue: TaskQueue, because: &str, insists: bool) -> Result<(TaskQueue, String)> {
    let expression = &queue.target_workers;
    let (matches, way_out) = match matches_nobody(expression) {
        Some(true) => return Ok((queue, because.to_owned())),
        None if insists => {
            let because = format!("{because} (! it may match workers: {expression})");
            return Ok((queue, because));
        }
        Some(false) => ("matches every worker", ""),
        None => (
            "may match workers",
            " If none matches it, say --placeholder WQ….",
        ),
    };
    Err(Error::Unclear(format!(
        "task queue {}, {because}, is not a placeholder: it {matches} ({expression})\n  \
         Nothing was changed. If nobody is to serve it, set its target workers to 1==2 in the \
         console; else name another, or none, in {PLACEHOLDER}.{way_out}",
        shown(&queue)
    )))
}

fn unclear(why: String, queues: &[TaskQueue], inventory: &Inventory) -> Error {
    let mut lines = vec![why];
    for queue in queues {
        let leading = leading_to(inventory, queue.sid);
        let users: Vec<_> = leading.iter().map(workflow_shown).collect();
        let users = match users.is_empty() {
            true => "used by no workflow".to_owned(),
            false => format!("used by {}", users.join(", ")),
        };
        let expression = &queue.target_workers;
        lines.push(format!(
            "  {}, target workers {expression}: {users}",
            shown(queue)
        ));
    }
    lines.push(format!("  {WAYS_OUT}"));
    Error::Unclear(lines.join("\n"))
}

fn leading_to(inventory: &Inventory, queue: TaskQueueSid) -> Vec<Workflow> {
    let leads =
        |workflow: &&Workflow| configuration(workflow).is_some_and(|c| c.leads_to(queue.as_str()));
    inventory.workflows.iter().filter(leads).cloned().collect()
}

fn configuration(workflow: &Workflow) -> Option<Configuration> {
    Configuration::parse(&workflow.configuration).ok()
}

pub(super) fn shown(queue: &TaskQueue) -> String {
    format!("{:?} ({})", queue.friendly_name, queue.sid)
}

pub(super) fn workflow_shown(workflow: &Workflow) -> String {
    format!("workflow {:?} ({})", workflow.friendly_name, workflow.sid)
}
