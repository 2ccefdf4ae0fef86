//! The tasks in a placeholder task queue: those of callers whom nobody redirects, and those whose
//! caller is gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use queue::{RedirectRequest, Source};
use service::Plan;
use tokio::time::Instant;
use tracing::Instrument;
use twilio::rest::Task;
use twilio::{AccountSid, WorkflowSid, WorkspaceSid};

use super::Sweeper;
use super::take_up::{Found, Seen};
use crate::deadline::Deadline;
use crate::limiter::Class;
use crate::lookup::{EnqueuedFor, LookFailure, Whereabouts, enqueued_for};
use crate::members::{Listed, Members};

/// How long a caller must have been out of the voice queue before the task is closed.
const LEFT_BEHIND: Duration = Duration::from_secs(60);
/// Why a task is cancelled, as Flex's reports show it.
const CLOSE_REASON: &str = "The caller left the queue: no agent accepted";

/// Who is in the voice queues, as asked for once each sweep.
type Callers = HashMap<(AccountSid, WorkflowSid), Option<Arc<Members>>>;

impl Sweeper {
    pub(super) async fn sweep_tasks(
        &mut self,
        plan: &Plan,
        backlog: bool,
        deadline: &Deadline,
    ) -> Result<Found, LookFailure> {
        let Some(workspace) = self.workspace(plan, deadline).await? else {
            tracing::error!(
                plan = plan.name,
                task_queue_sid = %plan.task_queue_sid,
                "no workspace of the account has the placeholder task queue: \
                 check FORWARD_CALL_TASK_QUEUE_SID"
            );
            return Ok(Found::Nobody);
        };
        let lookup = &self.shared.lookup;
        let tasks = lookup.pending_tasks(&workspace, &plan.task_queue_sid, deadline);
        let tasks = tasks.await?;
        self.shared.metrics.swept();
        let before = self.tasks.entry(plan.task_queue_sid).or_default();
        let mut before = std::mem::take(before);
        let mut now = HashMap::new();
        let mut callers = HashMap::new();
        let mut found = Found::Nobody;
        for task in tasks {
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
        if self.waits(&request, callers, deadline).await != Some(false) {
            seen.absent_since = None;
            return seen
                .take_up(request, self.settings.grace, backlog, &self.shared)
                .await;
        }
        seen.idle_since = None;
        seen.waits = None;
        let since = *seen.absent_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= LEFT_BEHIND {
            let span = tracing::error_span!(
                "sweep",
                call_sid = %request.call_sid,
                task_sid = %request.task_sid,
            );
            let close = async {
                if let Err(LookFailure::Rest(error)) = self.close(&request, deadline).await {
                    tracing::warn!(%error, "a task is not closed yet");
                }
            };
            close.instrument(span).await;
        }
        false
    }

    /// Whether the caller is in the voice queue for this task, where that is known.
    async fn waits(
        &self,
        request: &RedirectRequest,
        callers: &mut Callers,
        deadline: &Deadline,
    ) -> Option<bool> {
        let key @ (account, workflow) = (request.account_sid, request.workflow_sid?);
        let known = match callers.get(&key) {
            Some(known) => known.clone(),
            None => {
                let members = self.members(account, workflow, deadline).await.ok();
                callers.insert(key, members.clone());
                members
            }
        };
        match &known?.listed {
            Listed::Callers(since) => {
                let enqueued_at = since.get(&request.call_sid);
                Some(
                    enqueued_at
                        .is_some_and(|at| enqueued_for(request, *at) != EnqueuedFor::AnotherTask),
                )
            }
            Listed::NoQueue | Listed::Unclear => None,
        }
    }

    /// Closes a task that was left behind, if Twilio says once more that its caller is not on hold.
    async fn close(
        &self,
        request: &RedirectRequest,
        deadline: &Deadline,
    ) -> Result<(), LookFailure> {
        let shared = &self.shared;
        let now = Some(Instant::now());
        let slot = deadline
            .wait(shared.lookup.calls_api.enter(Class::Close))
            .await?;
        let (look, slot) = shared.lookup.look(request, now, slot, deadline).await?;
        drop(slot);
        if !matches!(
            look.found,
            Whereabouts::Absent | Whereabouts::Ended | Whereabouts::OtherTask
        ) {
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
            tracing::info!("closed a task whose caller is not on hold any more");
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
            caller: attributes.caller,
        })
    }
}
