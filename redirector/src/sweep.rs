//! The sweep: callers whose event never reached us.
//!
//! Twilio repeats a callback for 15 s at the most, so an outage of ours, or a network's, can leave
//! a task in the placeholder queue of which we never hear. One redirector at a time asks TaskRouter
//! for such tasks and puts their requests on the queue.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use queue::{Lease, Message, RedirectRequest, Source};
use service::{Plan, telemetry};
use tokio::time::Instant;
use tracing::Instrument;
use twilio::rest::Task;
use twilio::{TaskQueueSid, TaskSid, WorkspaceSid};

use crate::age::age;
use crate::job::Desk;
use crate::patience::Patience;
use crate::settings::SweepSettings;
use crate::twilio_api::Failure;

/// The lease of the one that sweeps.
const LEASE: &str = "sweep";

/// What sweeps.
pub(crate) struct Sweeper {
    desk: Arc<Desk>,
    settings: SweepSettings,
    lease: Option<Box<dyn Lease>>,
    workspaces: HashMap<TaskQueueSid, WorkspaceSid>,
    /// The tasks put on the queue, and when. A request is durable there: it needs to be put there
    /// again only when it has come to nothing and its caller still waits.
    found: HashMap<TaskSid, Instant>,
}

impl Sweeper {
    pub(crate) fn new(desk: Arc<Desk>, settings: SweepSettings) -> Self {
        Self {
            desk,
            settings,
            lease: None,
            workspaces: HashMap::new(),
            found: HashMap::new(),
        }
    }

    /// Sweeps at once and then at the interval, until the process is to stop.
    pub(crate) async fn run(mut self) {
        let stop = self.desk.stop.clone();
        while !stop.is_cancelled() {
            let interval = self.settings.interval;
            if self.is_the_one().await {
                let patience = Patience::new(Instant::now() + interval, stop.clone());
                for plan in self.desk.plans.clone().iter() {
                    let span =
                        tracing::trace_span!(target: telemetry::TARGET, "sweep", plan = plan.name);
                    if let Err(failure) = self.sweep(plan, &patience).instrument(span).await {
                        self.complain(plan, &failure);
                    }
                }
            }
            // Jitter, so that redirectors started together don't ask together.
            let pause = interval.mul_f64(0.9 + 0.2 * rand::random::<f64>());
            let _ = tokio::time::timeout(pause, stop.cancelled()).await;
        }
    }

    /// Whether this process is the one that sweeps.
    async fn is_the_one(&mut self) -> bool {
        if self.lease.as_ref().is_some_and(|lease| !lease.is_lost()) {
            return true;
        }
        // A queue that can't be asked now takes no request either.
        self.lease = self.desk.queue.try_lease(LEASE).await.unwrap_or_default();
        if self.lease.is_some() {
            tracing::info!("this redirector sweeps");
        }
        self.lease.is_some()
    }

    async fn sweep(&mut self, plan: &Plan, patience: &Patience) -> Result<(), Failure> {
        let Some(workspace) = self.workspace(plan, patience).await? else {
            tracing::error!(
                plan = plan.name,
                task_queue_sid = %plan.task_queue_sid,
                "no workspace of the account has the placeholder task queue: \
                 check FORWARD_CALL_TASK_QUEUE_SID"
            );
            return Ok(());
        };
        let tasks = self
            .desk
            .twilio
            .pending_tasks(&workspace, &plan.task_queue_sid, patience)
            .await?;
        self.desk.metrics.swept();
        let again_after = self.desk.settings.deadline;
        self.found.retain(|_, at| at.elapsed() < again_after);
        for task in tasks.items {
            let Some(request) = self.stranded(&task, plan, workspace) else {
                continue;
            };
            let message = Message::from(request);
            match self.desk.queue.publish(&message).await {
                Ok(()) => {
                    self.found.insert(task.sid, Instant::now());
                    self.desk.metrics.sweep_found();
                    tracing::warn!(
                        call_sid = %message.request.call_sid,
                        task_sid = %task.sid,
                        waiting_s = age(message.request.entered_at).as_secs(),
                        "a caller was found whose event never came"
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "the sweep is given up until the queue is back");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The request for a task that has waited longer than its event takes, and that nobody is at.
    fn stranded(
        &self,
        task: &Task,
        plan: &Plan,
        workspace_sid: WorkspaceSid,
    ) -> Option<RedirectRequest> {
        let attributes = task.attributes?;
        if attributes.conversation.is_some() {
            return None;
        }
        let call_sid = attributes.call_sid?;
        let entered_at = task.entered_at.unwrap_or_default();
        let known = age(entered_at) < self.settings.grace
            || self.found.contains_key(&task.sid)
            || self.desk.calls.is_at_work(&call_sid);
        if known {
            return None;
        }
        Some(RedirectRequest {
            event_sid: task.sid.stand_in_event(),
            account_sid: task.account_sid?,
            workspace_sid,
            task_sid: task.sid,
            call_sid,
            task_queue_sid: plan.task_queue_sid,
            workflow_sid: task.workflow_sid,
            entered_at,
            source: Source::Sweep,
            verify: false,
            // However long we were away: the caller still waits.
            requeued_at: Some(Timestamp::now()),
        })
    }

    /// The workspace of the plan's task queue: a SID of a task queue doesn't tell it.
    async fn workspace(
        &mut self,
        plan: &Plan,
        patience: &Patience,
    ) -> Result<Option<WorkspaceSid>, Failure> {
        if let Some(workspace) = self.settings.workspace {
            return Ok(Some(workspace));
        }
        if let Some(workspace) = self.workspaces.get(&plan.task_queue_sid) {
            return Ok(Some(*workspace));
        }
        let workspace = self
            .desk
            .twilio
            .workspace_of(&plan.task_queue_sid, patience)
            .await?;
        if let Some(workspace) = workspace {
            self.workspaces.insert(plan.task_queue_sid, workspace);
        }
        Ok(workspace)
    }

    fn complain(&self, plan: &Plan, failure: &Failure) {
        match failure {
            Failure::Rest(error) => {
                tracing::warn!(plan = plan.name, %error, "the sweep failed; it is tried again");
            }
            Failure::Interrupted(_) => {}
        }
    }
}
