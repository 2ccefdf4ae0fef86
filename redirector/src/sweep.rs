//! The sweep: callers of whom nobody has a request, and tasks whose caller is gone.
//!
//! Twilio repeats a callback for 15 s at the most, so an outage of ours, or a network's, can leave
//! a task in the placeholder queue of which we never hear. One redirector at a time asks TaskRouter
//! for such tasks and puts their requests on the queue. Where Twilio has left a task behind whose
//! caller has been redirected, the sweep closes it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use queue::{Lease, Message, RedirectRequest, Source};
use service::{Plan, telemetry};
use tokio::time::Instant;
use tracing::Instrument;
use twilio::rest::Task;
use twilio::{AccountSid, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid};

use crate::deadline::Deadline;
use crate::limiter::Class;
use crate::lookup::{LookFailure, Sight, Stay, stay_for};
use crate::members::{Listed, Members};
use crate::settings::SweepSettings;
use crate::worker::Shared;

/// The lease of the one that sweeps.
const LEASE: &str = "sweep";
/// How long a caller must have been out of the voice queue before the task is closed.
const LEFT_BEHIND: Duration = Duration::from_secs(60);
/// A request that was put on the queue has come to something by then, or to nothing. It is put
/// there again after this long, and then after twice as long each time.
const AGAIN_AFTER: Duration = Duration::from_secs(75);
/// Why a task is cancelled, as Flex's reports show it.
const CLOSE_REASON: &str = "The caller left the queue: no agent accepted";

/// What sweeps.
pub(crate) struct Sweeper {
    shared: Arc<Shared>,
    settings: SweepSettings,
    lease: Option<Box<dyn Lease>>,
    workspaces: HashMap<TaskQueueSid, WorkspaceSid>,
    /// The tasks of the last sweep, by task queue.
    tasks: HashMap<TaskQueueSid, HashMap<TaskSid, Seen>>,
}

/// Who is in the voice queues, as asked for once each sweep.
type Callers = HashMap<(AccountSid, WorkflowSid), Option<Arc<Members>>>;

/// What was seen of a task.
struct Seen {
    /// When it was first seen with nobody at work.
    idle_since: Option<Instant>,
    /// When its caller was first seen to be out of the voice queue.
    absent_since: Option<Instant>,
    /// When its request may be put on the queue (again), and how long it is left alone then.
    due: Option<Instant>,
    alone_for: Duration,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            idle_since: None,
            absent_since: None,
            due: None,
            alone_for: AGAIN_AFTER,
        }
    }
}

impl Sweeper {
    pub(crate) fn new(shared: Arc<Shared>, settings: SweepSettings) -> Self {
        Self {
            shared,
            settings,
            lease: None,
            workspaces: HashMap::new(),
            tasks: HashMap::new(),
        }
    }

    /// Sweeps at once and then at the interval, until the process is to stop.
    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        while !stop.is_cancelled() {
            let interval = self.settings.interval;
            let mut pause = interval;
            if self.is_the_one().await {
                let deadline = Deadline {
                    at: Instant::now() + interval,
                    stop: stop.clone(),
                };
                for plan in self.shared.plans.clone().iter() {
                    let span =
                        tracing::trace_span!(target: telemetry::TARGET, "sweep", plan = plan.name);
                    match self.sweep(plan, &deadline).instrument(span).await {
                        // A second sweep soon: two must agree.
                        Ok(Found::Some) => pause = interval.min(self.settings.grace),
                        Ok(Found::Nobody) | Err(LookFailure::Interrupted(_)) => {}
                        Err(LookFailure::Rest(error)) => tracing::warn!(
                            plan = plan.name,
                            %error,
                            "the sweep failed; it is tried again"
                        ),
                    }
                }
            }
            // Jitter, so that redirectors started together don't ask together.
            let pause = pause.mul_f64(0.9 + 0.2 * fastrand::f64());
            let _ = tokio::time::timeout(pause, stop.cancelled()).await;
        }
    }

    /// Whether this process is the one that sweeps.
    async fn is_the_one(&mut self) -> bool {
        if self.lease.as_ref().is_some_and(|lease| !lease.is_lost()) {
            return true;
        }
        // A queue that can't be asked now takes no request either.
        self.lease = self.shared.queue.try_lease(LEASE).await.unwrap_or_default();
        if self.lease.is_some() {
            tracing::info!("this redirector sweeps");
        }
        self.lease.is_some()
    }

    async fn sweep(&mut self, plan: &Plan, deadline: &Deadline) -> Result<Found, LookFailure> {
        let Some(workspace) = self.workspace(plan, deadline).await? else {
            tracing::error!(
                plan = plan.name,
                task_queue_sid = %plan.task_queue_sid,
                "no workspace of the account has the placeholder task queue: \
                 check FORWARD_CALL_TASK_QUEUE_SID"
            );
            return Ok(Found::Nobody);
        };
        // What waits in our queue is on its way: an outage must not double it.
        let backlog = match self.shared.queue.stats().await {
            Ok(stats) => stats.ready > 0,
            Err(_) => return Ok(Found::Nobody),
        };
        let shared = Arc::clone(&self.shared);
        let client = &shared.client;
        let tasks = shared
            .lookup
            .with_taskrouter(Class::Look, deadline, || {
                client.pending_tasks(&workspace, &plan.task_queue_sid)
            })
            .await?;
        shared.metrics.swept();
        let before = self.tasks.entry(plan.task_queue_sid).or_default();
        let mut before = std::mem::take(before);
        let mut now = HashMap::new();
        let mut callers = HashMap::new();
        let mut found = Found::Nobody;
        for task in tasks.items {
            let mut seen = before.remove(&task.sid).unwrap_or_default();
            if let Some(request) = self.request(&task, plan, workspace)
                && self
                    .task(request, &mut seen, backlog, &mut callers, deadline)
                    .await
            {
                found = Found::Some;
            }
            now.insert(task.sid, seen);
        }
        self.tasks.insert(plan.task_queue_sid, now);
        Ok(found)
    }

    /// Does what there is to do for one task. Whether there is reason to look again soon.
    async fn task(
        &self,
        request: RedirectRequest,
        seen: &mut Seen,
        backlog: bool,
        callers: &mut Callers,
        deadline: &Deadline,
    ) -> bool {
        if self.waits(&request, callers).await != Some(false) {
            seen.absent_since = None;
            return self.take_up(request, seen, backlog).await;
        }
        seen.idle_since = None;
        let since = *seen.absent_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= LEFT_BEHIND
            && let Err(LookFailure::Rest(error)) = self.close(&request, deadline).await
        {
            tracing::warn!(task_sid = %request.task_sid, %error, "a task is not closed yet");
        }
        false
    }

    /// Whether the caller is in the voice queue for this task, where that is known.
    async fn waits(&self, request: &RedirectRequest, callers: &mut Callers) -> Option<bool> {
        let key = (request.account_sid, request.workflow_sid?);
        let known = match callers.get(&key) {
            Some(known) => known.clone(),
            None => {
                let members = self
                    .shared
                    .lookup
                    .voice_queues
                    .members(key, None)
                    .await
                    .ok();
                callers.insert(key, members.clone());
                members
            }
        };
        match &known?.listed {
            Listed::Callers(since) => {
                let enqueued_at = since.get(&request.call_sid);
                Some(enqueued_at.is_some_and(|at| stay_for(request, *at) != Stay::Another))
            }
            Listed::NoQueue | Listed::Unclear => None,
        }
    }

    /// Puts the request on the queue, if for two sweeps nobody has been at work for it. Whether
    /// there is reason to look again soon.
    async fn take_up(&self, mut request: RedirectRequest, seen: &mut Seen, backlog: bool) -> bool {
        let now = Instant::now();
        let waited = self.shared.time.age(request.entered_at);
        if backlog
            || waited < self.settings.grace
            || self.shared.calls.is_at_work(&request.call_sid)
        {
            seen.idle_since = None;
            return false;
        }
        let idle_since = *seen.idle_since.get_or_insert(now);
        if seen.due.is_some_and(|due| now < due) {
            return false;
        }
        if now < idle_since + self.settings.grace.mul_f64(0.8) {
            return true;
        }
        // However long we were away: the caller still waits.
        request.requeued_at = Some(self.shared.time.now());
        let message = Message::from(request);
        if let Err(error) = self.shared.queue.publish(&message).await {
            tracing::warn!(%error, "a waiting caller could not be put on the queue yet");
            return true;
        }
        seen.due = Some(now + seen.alone_for);
        seen.alone_for *= 2;
        self.shared.metrics.sweep_found();
        tracing::warn!(
            call_sid = %message.request.call_sid,
            task_sid = %message.request.task_sid,
            waiting_s = waited.as_secs(),
            "a caller waits of whom no redirector has a request: put on the queue"
        );
        false
    }

    /// Closes a task that was left behind, if Twilio says once more that its caller is not on hold.
    async fn close(
        &self,
        request: &RedirectRequest,
        deadline: &Deadline,
    ) -> Result<(), LookFailure> {
        let shared = &self.shared;
        let now = Some(Instant::now());
        let mut slot = deadline.wait(shared.calls_api.enter(Class::Close)).await?;
        let look = shared
            .lookup
            .look(request, now, &mut slot, deadline)
            .await?;
        drop(slot);
        if !matches!(look.sight, Sight::Absent | Sight::Ended | Sight::OtherTask) {
            return Ok(());
        }
        let closed = shared
            .lookup
            .with_taskrouter(Class::Close, deadline, || {
                shared
                    .client
                    .cancel_task(&request.workspace_sid, &request.task_sid, CLOSE_REASON)
            })
            .await?;
        if closed {
            shared.metrics.closed_task();
        }
        Ok(())
    }

    /// The request that the task stands for; `None` where it stands for no call, or is none of our
    /// business.
    fn request(
        &self,
        task: &Task,
        plan: &Plan,
        workspace_sid: WorkspaceSid,
    ) -> Option<RedirectRequest> {
        let attributes = task.attributes?;
        if attributes.conversation.is_some() {
            return None;
        }
        Some(RedirectRequest {
            event_sid: task.sid.stand_in_event(),
            account_sid: task.account_sid?,
            workspace_sid,
            task_sid: task.sid,
            call_sid: attributes.call_sid?,
            task_queue_sid: plan.task_queue_sid,
            workflow_sid: task.workflow_sid,
            entered_at: task.entered_at.unwrap_or_else(|| self.shared.time.now()),
            task_created_at: task.created_at,
            source: Source::Sweep,
            // Without its time, only the task itself can tell that it is the caller's.
            verify: task.entered_at.is_none(),
            requeued_at: None,
        })
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

/// What a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nobody,
    /// Somebody for whom nobody seems to be at work.
    Some,
}
