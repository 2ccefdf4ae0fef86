//! What setup is going to do, before it does any of it.

use twilio::{FlowSid, TaskQueueSid, WorkflowSid};

use super::Setup;
use super::events::EventsPlan;
use super::resources::{self, NumberPlan, WorkflowPlan};
use crate::api::Repeatable;
use crate::console::Console;
use crate::definitions::Step;
use crate::diff;
use crate::dotenv::{Dotenv, LineChange};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::record::Record;

/// What becomes of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action<Sid> {
    Create,
    /// With the differences, a line each.
    Update(Sid, Vec<String>),
    Keep(Sid),
}

impl<Sid: Copy> Action<Sid> {
    pub(super) fn sid(&self) -> Option<Sid> {
        match self {
            Self::Create => None,
            Self::Update(sid, _) | Self::Keep(sid) => Some(*sid),
        }
    }
}

/// Everything that setup is going to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) task_queues: Vec<(Step, Action<TaskQueueSid>)>,
    pub(super) workflow: WorkflowPlan,
    pub(super) flow: Option<Action<FlowSid>>,
    pub(super) voice_channel: Option<twilio::TaskChannelSid>,
    pub(super) events: EventsPlan,
    pub(super) number: Option<NumberPlan>,
    env_file: String,
    env: Vec<LineChange>,
    lines: Vec<Line>,
}

/// A line of the plan, as it is shown.
#[derive(Debug)]
struct Line {
    sign: char,
    text: String,
    details: Vec<String>,
}

impl Plan {
    /// Compares what there is with what there should be.
    pub(super) async fn make(
        setup: &Setup,
        inventory: &Inventory,
        record: Option<&Record>,
        dotenv: &Dotenv,
    ) -> Result<Self, Error> {
        let task_queues = resources::task_queues(setup, inventory);
        let workflow = resources::workflow(setup, inventory, record)?;
        let (voice_channel, flow) = match setup.workflow {
            // The user's own flow leads to it.
            Some(_) => (None, None),
            None => {
                let channel = resources::voice_channel(setup, inventory.workspace.sid).await?;
                let flow = resources::flow(setup, inventory, &workflow, channel);
                (Some(channel), Some(flow))
            }
        };
        let events = EventsPlan::make(setup, inventory, record)?;
        let number = match &setup.number {
            Some(number) => {
                let numbers = setup
                    .api
                    .ask("list the phone numbers", Repeatable::Yes, || {
                        setup
                            .api
                            .client
                            .incoming_numbers(&setup.api.account, Some(number))
                    })
                    .await?;
                Some(NumberPlan::make(setup, number, numbers, inventory)?)
            }
            None => None,
        };
        let placeholder = match inventory.placeholder() {
            Some(queue) => queue.sid.to_string(),
            None => "the new task queue's SID".to_owned(),
        };
        let env = dotenv.changes(&setup.env_values(&placeholder, inventory));
        let mut plan = Self {
            task_queues,
            workflow,
            flow,
            voice_channel,
            events,
            number,
            env_file: setup.env_file.display().to_string(),
            env,
            lines: Vec::new(),
        };
        plan.write_lines(setup);
        Ok(plan)
    }

    fn write_lines(&mut self, setup: &Setup) {
        let mut lines = Vec::new();
        for (step, action) in &self.task_queues {
            lines.push(Line::of(
                action,
                "task queue",
                &setup.names.task_queue(*step),
            ));
        }
        match &self.workflow {
            WorkflowPlan::Own(action) => {
                lines.push(Line::of(action, "workflow", &setup.names.workflow()));
            }
            WorkflowPlan::Extend(extension) => {
                let name = &extension.workflow.friendly_name;
                let mut line = Line::of(&extension.action, "workflow", name);
                line.details.extend(extension.notes.iter().cloned());
                lines.push(line);
            }
        }
        if let Some(action) = &self.flow {
            let name = setup.names.studio_flow();
            lines.push(Line::of(action, "Studio flow", &name));
        }
        for (sign, text, details) in self.events.lines(setup) {
            lines.push(Line {
                sign,
                text,
                details,
            });
        }
        if let Some(number) = &self.number {
            lines.push(match &number.change {
                None => Line::new('=', format!("phone number {}", number.sid)),
                Some(change) => Line {
                    sign: '~',
                    text: format!("phone number {}", number.sid),
                    details: vec![change.clone()],
                },
            });
        }
        let env: Vec<_> = self
            .env
            .iter()
            .map(|change| {
                // A number has no place on a screen that is shared.
                let hidden = change.name == "FORWARD_TO_NUMBER";
                match &change.old {
                    _ if hidden => format!("{}=…", change.name),
                    None => format!("{}={}", change.name, change.new),
                    Some(old) => diff::field(change.name, old, &change.new),
                }
            })
            .collect();
        lines.push(Line {
            sign: if env.is_empty() { '=' } else { '~' },
            text: format!("settings in {}", self.env_file),
            details: env,
        });
        self.lines = lines;
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.sign == '=')
    }

    /// Shows it: `+` is created, `~` changed, `-` deleted, `=` left as it is.
    pub(super) fn show(&self, console: &mut Console<'_>) {
        for line in &self.lines {
            console.line(format_args!("  {} {}", line.sign, line.text));
            for detail in &line.details {
                console.line(format_args!("      {detail}"));
            }
        }
        let count = |sign| self.lines.iter().filter(|line| line.sign == sign).count();
        console.line(format_args!(
            "\n{} to create, {} to change, {} to delete, {} as they should be.",
            count('+'),
            count('~'),
            count('-'),
            count('=')
        ));
    }
}

impl Line {
    fn new(sign: char, text: String) -> Self {
        Self {
            sign,
            text,
            details: Vec::new(),
        }
    }

    fn of<Sid: std::fmt::Display>(action: &Action<Sid>, kind: &str, name: &str) -> Self {
        match action {
            Action::Create => Self::new('+', format!("{kind} {name}")),
            Action::Keep(sid) => Self::new('=', format!("{kind} {name} ({sid})")),
            Action::Update(sid, details) => Self {
                sign: '~',
                text: format!("{kind} {name} ({sid})"),
                details: details.clone(),
            },
        }
    }
}

impl Setup {
    /// The lines of `.env` that are ours.
    pub(super) fn env_values(
        &self,
        placeholder: &str,
        inventory: &Inventory,
    ) -> Vec<(&'static str, String)> {
        let mut values = vec![
            ("TWILIO_ACCOUNT_SID", self.api.account.to_string()),
            ("TWILIO_WORKSPACE_SID", inventory.workspace.sid.to_string()),
            ("FORWARD_CALL_TASK_QUEUE_SID", placeholder.to_owned()),
            ("PUBLIC_URL", self.public_url.join("")),
        ];
        if self.api_url != twilio::rest::ApiUrl::default() {
            values.push(("TWILIO_API_URL", self.api_url.to_string()));
        }
        if let Some(number) = &self.forward_to {
            values.push(("FORWARD_TO_NUMBER", number.as_str().to_owned()));
        }
        values
    }
}

/// The SID of a workflow that leads to the placeholder, if it exists already.
pub(super) fn workflow_sid(plan: &WorkflowPlan) -> Option<WorkflowSid> {
    match plan {
        WorkflowPlan::Own(action) => action.sid(),
        WorkflowPlan::Extend(extension) => Some(extension.workflow.sid),
    }
}
