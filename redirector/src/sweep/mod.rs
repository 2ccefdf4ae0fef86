//! The sweep: finds callers whom no redirector knows of, and tasks whose caller is gone.
//!
//! Twilio repeats a callback for 15 s at the most, so an outage of ours, or a network's, can leave
//! a task in the placeholder queue of which we never hear. One redirector at a time asks TaskRouter
//! for such tasks and puts their requests on the queue. Where Twilio has left a task behind whose
//! caller has been redirected, the sweep closes it. And callers in the voice queue for whom no task
//! stands any more are put on the queue by plans that rescue.

mod callers;
mod take_up;
mod tasks;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use queue::Lock;
use service::report::{MOST_LISTED, OnHold, Sweep};
use service::{Plan, telemetry};
use tokio::time::Instant;
use tracing::Instrument;
use twilio::{AccountSid, CallSid, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid};

use self::take_up::{Found, Seen};
use crate::deadline::Deadline;
use crate::limiter::Class;
use crate::lookup::LookFailure;
use crate::members::Members;
use crate::settings::SweepSettings;
use crate::shared::Shared;

/// The lock of the one that sweeps.
const LOCK: &str = "sweep";

/// Within how many intervals a sweep should have come through: one may take as long as an interval.
const COMES_THROUGH: u32 = 3;

/// What sweeps.
pub(crate) struct Sweeper {
    shared: Arc<Shared>,
    settings: SweepSettings,
    lock: Option<Box<dyn Lock>>,
    workspaces: HashMap<TaskQueueSid, WorkspaceSid>,
    /// The tasks of the last sweep, by task queue.
    tasks: HashMap<TaskQueueSid, HashMap<TaskSid, Seen>>,
    /// The callers of the last sweep for whom no task stood.
    callers: HashMap<CallSid, Seen>,
}

impl Sweeper {
    pub(crate) fn new(shared: Arc<Shared>, settings: SweepSettings) -> Self {
        Self {
            shared,
            settings,
            lock: None,
            workspaces: HashMap::new(),
            tasks: HashMap::new(),
            callers: HashMap::new(),
        }
    }

    /// Sweeps at once and then at the interval, until the process is to stop.
    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        while !stop.is_cancelled() {
            let interval = self.settings.interval;
            let mut pause = interval;
            if self.is_the_one().await {
                let begun = || self.swept(None, Vec::new());
                self.shared.swept.lock().get_or_insert_with(begun);
                let deadline = Deadline {
                    at: Instant::now() + interval,
                    stop: stop.clone(),
                };
                // A second sweep soon: two must agree.
                if self.sweep(&deadline).await == Found::Some {
                    pause = interval.min(self.settings.grace);
                }
            } else {
                *self.shared.swept.lock() = None;
            }
            // Jitter, so that redirectors started together don't ask together.
            let pause = pause.mul_f64(0.9 + 0.2 * fastrand::f64());
            let _ = tokio::time::timeout(pause, stop.cancelled()).await;
        }
    }

    async fn sweep(&mut self, deadline: &Deadline) -> Found {
        // What waits in our queue is on its way: an outage must not double it.
        let backlog = match self.shared.queue.stats().await {
            Ok(stats) => stats.ready > 0,
            Err(_) => return Found::Nobody,
        };
        let mut found = Vec::new();
        for plan in self.shared.plans.clone().iter() {
            let span = tracing::trace_span!(target: telemetry::TARGET, "sweep", plan = plan.name);
            let swept = self.sweep_tasks(plan, backlog, deadline).instrument(span);
            found.push(or_warn(&plan.name, swept.await));
        }
        let swept = self.sweep_callers(backlog, deadline).await;
        found.push(or_warn("callers without a task", swept));
        if found.iter().all(Option::is_some) {
            let at = Some(self.shared.clock.now());
            *self.shared.swept.lock() = Some(self.swept(at, self.on_hold()));
        }
        found.into_iter().flatten().max().unwrap_or(Found::Nobody)
    }

    /// Who waits, as this sweep saw it.
    fn on_hold(&self) -> Vec<OnHold> {
        let of_tasks = self.tasks.values().flat_map(HashMap::values);
        let seen = of_tasks.chain(self.callers.values());
        let mut callers: Vec<OnHold> = seen.filter_map(|seen| seen.waits.clone()).collect();
        callers.sort_by_key(|caller| caller.since);
        callers.truncate(MOST_LISTED);
        callers
    }

    /// How it goes from now on.
    fn swept(&self, at: Option<Timestamp>, callers: Vec<OnHold>) -> Sweep {
        let due = self.shared.clock.now() + self.settings.interval * COMES_THROUGH;
        Sweep { at, due, callers }
    }

    /// Whether this process is the one that sweeps.
    async fn is_the_one(&mut self) -> bool {
        if self.lock.as_ref().is_some_and(|lock| !lock.is_lost()) {
            return true;
        }
        // A queue that can't be asked now takes no request either.
        self.lock = self.shared.queue.try_lock(LOCK).await.unwrap_or_default();
        if self.lock.is_some() {
            tracing::info!("this redirector sweeps");
        }
        self.lock.is_some()
    }

    /// Who is on hold in a workflow.
    async fn members(
        &self,
        account: AccountSid,
        workflow: WorkflowSid,
        deadline: &Deadline,
    ) -> Result<Arc<Members>, LookFailure> {
        let lookup = &self.shared.lookup;
        let _slot = deadline.wait(lookup.calls_api.enter(Class::Look)).await?;
        let members = lookup.voice_queues.members((account, workflow), None, None);
        members.await.map_err(LookFailure::Rest)
    }

    /// The workspace of the plan's task queue: a SID of a task queue doesn't tell it.
    async fn workspace(
        &mut self,
        plan: &Plan,
        deadline: &Deadline,
    ) -> Result<Option<WorkspaceSid>, LookFailure> {
        if let Some(workspace) = self.settings.workspace {
            return Ok(Some(workspace));
        }
        if let Some(workspace) = self.workspaces.get(&plan.task_queue_sid) {
            return Ok(Some(*workspace));
        }
        let (lookup, client) = (&self.shared.lookup, &self.shared.client);
        let workspaces = lookup
            .with_taskrouter(Class::Look, deadline, || client.workspaces())
            .await?;
        for workspace in workspaces {
            let task_queues = lookup
                .with_taskrouter(Class::Look, deadline, || client.task_queues(&workspace.sid))
                .await?;
            if task_queues
                .iter()
                .any(|known| known.sid == plan.task_queue_sid)
            {
                self.workspaces.insert(plan.task_queue_sid, workspace.sid);
                return Ok(Some(workspace.sid));
            }
        }
        Ok(None)
    }
}

/// What was found; `None` if not everything could be looked at.
fn or_warn(what: &str, swept: Result<Found, LookFailure>) -> Option<Found> {
    match swept {
        Ok(found) => Some(found),
        Err(LookFailure::Interrupted(_)) => None,
        Err(LookFailure::Rest(error)) => {
            tracing::warn!(plan = what, %error, "the sweep failed; it is tried again");
            None
        }
    }
}
