//! Twilio as the redirector sees it: every request goes through the gate, and one question is
//! answered from several requests: does the caller still wait?

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use queue::{RedirectRequest, Source};
use twilio::rest::{AssignmentStatus, CallStatus, Client, Instructions, Listed, RestError, Task};
use twilio::{AccountSid, QueueSid, TaskQueueSid, WorkflowSid, WorkspaceSid};

use crate::classify::health;
use crate::gate::{Gate, Reading};
use crate::patience::{Interrupted, Patience};

/// Why a task is cancelled, as Flex's reports show it.
const CLOSE_REASON: &str = "Redirected to an outside number: no agent accepted";

/// Where a caller is, as Twilio says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Still on hold.
    Waiting,
    /// On the line, but not on hold: redirected, or with an agent.
    Elsewhere,
    /// Gone.
    Ended,
}

impl Standing {
    pub(crate) const ALL: [Self; 3] = [Self::Waiting, Self::Elsewhere, Self::Ended];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Elsewhere => "elsewhere",
            Self::Ended => "ended",
        }
    }
}

/// Why a request brought nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Twilio refused, or didn't answer.
    Rest(RestError),
    /// It was not made: there was no leave for it in time.
    Interrupted(Interrupted),
}

impl From<Interrupted> for Failure {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

/// Twilio, behind the gate.
pub(crate) struct TwilioApi {
    client: Client,
    gate: Arc<Gate>,
    voice_queues: Mutex<HashMap<(AccountSid, WorkflowSid), QueueSid>>,
}

impl TwilioApi {
    pub(crate) fn new(client: Client, gate: Arc<Gate>) -> Self {
        Self {
            client,
            gate,
            voice_queues: Mutex::default(),
        }
    }

    pub(crate) fn gate(&self) -> Reading {
        self.gate.reading()
    }

    /// Redirects the call; Twilio's name of the request, if it says one.
    pub(crate) async fn redirect(
        &self,
        request: &RedirectRequest,
        instructions: Instructions<'_>,
        patience: &Patience,
    ) -> Result<Option<String>, Failure> {
        let update = self
            .client
            .update_call(&request.account_sid, &request.call_sid, instructions);
        self.request(patience, update).await
    }

    /// Where the caller is.
    pub(crate) async fn standing(
        &self,
        request: &RedirectRequest,
        patience: &Patience,
    ) -> Result<Standing, Failure> {
        let waits = match self.waits_in_voice_queue(request, patience).await? {
            Some(waits) => waits,
            None => self.task_says_waiting(request, patience).await?,
        };
        if waits {
            return Ok(Standing::Waiting);
        }
        Ok(match self.call_is_live(request, patience).await? {
            true => Standing::Elsewhere,
            false => Standing::Ended,
        })
    }

    /// Whether the caller is in the voice queue of the workflow; `None` where that queue isn't
    /// known.
    async fn waits_in_voice_queue(
        &self,
        request: &RedirectRequest,
        patience: &Patience,
    ) -> Result<Option<bool>, Failure> {
        let Some(workflow) = request.workflow_sid else {
            return Ok(None);
        };
        let key = (request.account_sid, workflow);
        let known = self.voice_queues().get(&key).copied();
        if let Some(queue) = known
            && self.is_member(request, &queue, patience).await?
        {
            return Ok(Some(true));
        }
        // Not there, or the queue is not: Twilio says the same of both, and a caller must not be
        // left waiting for a queue that was deleted and made anew.
        let list = self.client.voice_queue(&request.account_sid, &workflow);
        let Some(queue) = self.request(patience, list).await? else {
            return Ok(None);
        };
        self.voice_queues().insert(key, queue);
        if known == Some(queue) {
            return Ok(Some(false));
        }
        Ok(Some(self.is_member(request, &queue, patience).await?))
    }

    async fn is_member(
        &self,
        request: &RedirectRequest,
        queue: &QueueSid,
        patience: &Patience,
    ) -> Result<bool, Failure> {
        let fetch = self
            .client
            .is_queue_member(&request.account_sid, queue, &request.call_sid);
        self.request(patience, fetch).await
    }

    async fn task_says_waiting(
        &self,
        request: &RedirectRequest,
        patience: &Patience,
    ) -> Result<bool, Failure> {
        let fetch = self.client.task(&request.workspace_sid, &request.task_sid);
        Ok(match self.request(patience, fetch).await? {
            Some(task) if task.assignment_status == AssignmentStatus::Pending => {
                task.task_queue_sid == Some(request.task_queue_sid)
            }
            Some(task) if task.assignment_status != AssignmentStatus::Canceled => false,
            // A task that ended without a worker tells nothing of its call, unless that is just
            // what the event was about.
            _ => request.source == Source::Rescue && self.call_is_live(request, patience).await?,
        })
    }

    async fn call_is_live(
        &self,
        request: &RedirectRequest,
        patience: &Patience,
    ) -> Result<bool, Failure> {
        let fetch = self
            .client
            .call_status(&request.account_sid, &request.call_sid);
        Ok(self.request(patience, fetch).await? == Some(CallStatus::InProgress))
    }

    /// Cancels the task of a redirected caller. Whether it was still there to be cancelled.
    pub(crate) async fn close_task(
        &self,
        request: &RedirectRequest,
        patience: &Patience,
    ) -> Result<bool, Failure> {
        let close =
            self.client
                .cancel_task(&request.workspace_sid, &request.task_sid, CLOSE_REASON);
        self.request(patience, close).await
    }

    /// Cancels the task of a caller who waits no more, if it is still left in the placeholder
    /// queue: one that an agent took meanwhile is none of our business.
    pub(crate) async fn close_task_if_left(
        &self,
        request: &RedirectRequest,
        patience: &Patience,
    ) -> Result<bool, Failure> {
        let fetch = self.client.task(&request.workspace_sid, &request.task_sid);
        match self.request(patience, fetch).await? {
            Some(task)
                if task.assignment_status == AssignmentStatus::Pending
                    && task.task_queue_sid == Some(request.task_queue_sid) =>
            {
                self.close_task(request, patience).await
            }
            _ => Ok(false),
        }
    }

    /// The tasks pending in a placeholder queue.
    pub(crate) async fn pending_tasks(
        &self,
        workspace: &WorkspaceSid,
        task_queue: &TaskQueueSid,
        patience: &Patience,
    ) -> Result<Listed<Task>, Failure> {
        let list = self.client.pending_tasks(workspace, task_queue);
        self.request(patience, list).await
    }

    /// The workspace that a task queue is in.
    pub(crate) async fn workspace_of(
        &self,
        task_queue: &TaskQueueSid,
        patience: &Patience,
    ) -> Result<Option<WorkspaceSid>, Failure> {
        for workspace in self.request(patience, self.client.workspaces()).await? {
            let list = self.client.task_queues(&workspace.sid);
            let task_queues = self.request(patience, list).await?;
            if task_queues.iter().any(|known| known.sid == *task_queue) {
                return Ok(Some(workspace.sid));
            }
        }
        Ok(None)
    }

    /// Makes a request once the gate lets it through. The patience is for the gate: a request that
    /// is under way is not cut short.
    async fn request<T>(
        &self,
        patience: &Patience,
        request: impl Future<Output = Result<T, RestError>>,
    ) -> Result<T, Failure> {
        let pass = patience.wait(self.gate.enter()).await?;
        let outcome = request.await;
        pass.done(health(&outcome));
        outcome.map_err(Failure::Rest)
    }

    fn voice_queues(&self) -> MutexGuard<'_, HashMap<(AccountSid, WorkflowSid), QueueSid>> {
        self.voice_queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
