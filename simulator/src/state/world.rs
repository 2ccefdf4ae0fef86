//! The account at the start: a Flex workspace with a workflow that nobody answers.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;
use twilio::{AccountSid, TaskQueueSid};
use url::Url;

use super::{Demo, State};
use crate::config::Config;
use crate::dates::Dates;
use crate::ids::Ids;
use crate::journal::Journal;
use crate::ordered::Ordered;
use crate::resources::{
    TaskOrder, TaskQueue, TaskRouting, Workflow, Workspace, default_configuration,
    sequential_configuration,
};

/// A task queue of a workflow: name, target workers, seconds until the next one's turn.
type Step = (&'static str, &'static str, Option<u32>);

/// The task queues of the demonstration.
const STEPS: [Step; 4] = [
    ("Sales", "routing.skills HAS \"sales\"", Some(5)),
    ("Support", "routing.skills HAS \"support\"", Some(5)),
    ("Everyone", "1==1", Some(10)),
    ("Call Redirection", "1==2", None),
];

/// The task queue of a new account.
const NEW_STEPS: [Step; 1] = [("Everyone", "1==1", None)];

impl State {
    pub(crate) fn new(config: Config, seed: u64, base_url: Url) -> Self {
        let mut ids = Ids::seeded(seed);
        let made_up = ids.made_up_account();
        let account = config.account.clone().unwrap_or(made_up);
        let mut fixed = Ids::seeded(seed_of(&account.sid));
        let dates = Dates::new(config.clock.now());

        let mut workspace = Workspace::new(&mut fixed, "Flex Task Assignment", dates);
        workspace.event_callback_url = config.callback_url.clone().unwrap_or_default();
        workspace.events_filter = config.events_filter.clone();
        let mut task_queues = Ordered::default();
        let mut steps: Vec<(TaskQueueSid, Option<u32>)> = Vec::new();
        let (workflow_name, named) = match config.is_set_up {
            true => ("Call Redirection Workflow", &STEPS[..]),
            false => ("Assign To Anyone", &NEW_STEPS[..]),
        };
        for &(name, target_workers, timeout) in named {
            let queue = TaskQueue {
                sid: fixed.sid(),
                workspace_sid: workspace.sid,
                friendly_name: name.into(),
                target_workers: target_workers.into(),
                max_reserved_workers: 1,
                task_order: TaskOrder::Fifo,
                dates,
            };
            steps.push((queue.sid, timeout));
            task_queues.insert(queue.sid, queue);
        }
        let placeholder = steps[steps.len() - 1].0;
        let configuration = match config.is_set_up {
            true => sequential_configuration(&steps),
            false => default_configuration(placeholder),
        };
        let workflow = Workflow {
            sid: fixed.sid(),
            workspace_sid: workspace.sid,
            friendly_name: workflow_name.into(),
            // The lines above wrote it.
            routing: TaskRouting::parse(&configuration).unwrap_or_else(|_| unreachable!()),
            configuration,
            assignment_callback_url: None,
            fallback_assignment_callback_url: None,
            task_reservation_timeout: 120,
            dates,
        };
        let demo = Demo {
            workspace: workspace.sid,
            workflow: workflow.sid,
            placeholder,
            voice_channel: fixed.sid(),
        };

        let mut workspaces = Ordered::default();
        workspaces.insert(workspace.sid, workspace);
        let mut workflows = Ordered::default();
        workflows.insert(workflow.sid, workflow);
        Self {
            journal: Journal::new(config.journal_limit),
            phones: config.phones.iter().copied().collect(),
            config,
            account,
            base_url,
            demo,
            workspaces,
            task_queues,
            workflows,
            tasks: Ordered::default(),
            calls: Ordered::default(),
            made: HashMap::new(),
            legs: Ordered::default(),
            recordings: Ordered::default(),
            voice_queues: Ordered::default(),
            flows: Ordered::default(),
            sinks: Ordered::default(),
            subscriptions: Ordered::default(),
            incoming_numbers: Ordered::default(),
            forbidden_countries: HashSet::new(),
            event_stream: None,
            ids,
            started: Instant::now(),
            effects: Vec::new(),
        }
    }
}

/// The first 16 digits of an account SID.
fn seed_of(account: &AccountSid) -> u64 {
    let digits = &account.as_str()[AccountSid::PREFIX.len()..][..16];
    u64::from_str_radix(digits, 16).unwrap_or_default()
}
