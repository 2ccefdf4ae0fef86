//! Twilio, asked about one caller: does the caller still wait, and for this task?

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use queue::{RedirectRequest, Source};
use tokio::time::Instant;
use twilio::rest::{AssignmentStatus, CallStatus, Client, RestError, Task, Workflow};
use twilio::{TaskAttributes, TaskSid, WorkspaceSid};

use crate::classify::ApiHealth;
use crate::deadline::{Deadline, Interrupted};
use crate::limiter::{Class, Limiter, Slot};
use crate::members::{Listed, VoiceQueues};

/// What Twilio says of a caller at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// On hold, for this very task.
    Waiting,
    /// On the line, and not on hold.
    Absent,
    /// On the line, but the task is not one that waits in the placeholder queue (any more).
    OtherTask,
    /// The task belongs to a conference or a transfer.
    Transfer,
    /// The call is over, as its own resource says.
    Ended,
    /// Its answers say nothing, or contradict each other.
    Unclear,
}

impl Whereabouts {
    pub(crate) const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Absent,
        Self::OtherTask,
        Self::Transfer,
        Self::Ended,
        Self::Unclear,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Absent => "absent",
            Self::OtherTask => "other_task",
            Self::Transfer => "transfer",
            Self::Ended => "ended",
            Self::Unclear => "unclear",
        }
    }
}

/// One look at a caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// When Twilio was asked. What was seen was so at some moment since.
    pub(crate) asked: Instant,
    pub(crate) found: Whereabouts,
}

/// Why a look brought nothing.
#[derive(Debug)]
pub(crate) enum LookFailure {
    /// Twilio refused, or didn't answer.
    Rest(Arc<RestError>),
    /// There was no time for it.
    Interrupted(Interrupted),
}

impl From<Interrupted> for LookFailure {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

impl From<RestError> for LookFailure {
    fn from(error: RestError) -> Self {
        Self::Rest(Arc::new(error))
    }
}

/// The workflows of a workspace, and when they were listed.
type ListedWorkflows = (Instant, Arc<[Workflow]>);

/// What looks are made with.
pub(crate) struct Lookup {
    pub(crate) client: Client,
    pub(crate) calls_api: Arc<Limiter>,
    pub(crate) taskrouter: Arc<Limiter>,
    pub(crate) voice_queues: Arc<VoiceQueues>,
    /// What was read of single tasks.
    pub(crate) known_tasks: Mutex<HashMap<TaskSid, TaskAttributes>>,
    pub(crate) known_workflows: Mutex<HashMap<WorkspaceSid, ListedWorkflows>>,
}

impl Lookup {
    /// Looks at the caller, with a slot of the Calls API, which comes back with the look. It is not
    /// kept while TaskRouter is waited for: others could be helped meanwhile. A list that was asked
    /// for at `after` or before will not do.
    pub(crate) async fn look(
        &self,
        request: &RedirectRequest,
        after: Option<Instant>,
        mut slot: Slot,
        deadline: &Deadline,
    ) -> Result<(Look, Slot), LookFailure> {
        let Some(workflow) = request.workflow_sid else {
            return self.without_voice_queue(request, slot, deadline).await;
        };
        let key = (request.account_sid, workflow);
        let list = async || {
            let wanted = Some(request.call_sid);
            let members = self.voice_queues.members(key, after, wanted).await;
            members.map_err(LookFailure::Rest)
        };
        let members = list().await?;
        let look = |found| Look {
            asked: members.asked,
            found,
        };
        let since = match &members.listed {
            Listed::Callers(since) => since,
            Listed::NoQueue => return self.without_voice_queue(request, slot, deadline).await,
            Listed::Unclear => return Ok((look(Whereabouts::Unclear), slot)),
        };
        let Some(enqueued_at) = since.get(&request.call_sid) else {
            let found = match self.call(request, &mut slot).await? {
                Whereabouts::Waiting => Whereabouts::Absent,
                other => other,
            };
            return Ok((look(found), slot));
        };
        match enqueued_for(request, *enqueued_at) {
            EnqueuedFor::AnotherTask => return Ok((look(Whereabouts::OtherTask), slot)),
            EnqueuedFor::ThisTask if request.source != Source::Rescue => {
                return Ok((look(Whereabouts::Waiting), slot));
            }
            _ => {}
        }
        drop(slot);
        let found = self.task(request, *enqueued_at, deadline).await?;
        let slot = deadline.wait(self.calls_api.enter(Class::Look)).await?;
        // That may have taken its time: is the caller still there? A list that is young enough
        // serves twice.
        let members = list().await?;
        let found = match &members.listed {
            Listed::Callers(since) if since.get(&request.call_sid) == Some(enqueued_at) => found,
            _ => Whereabouts::Unclear,
        };
        let asked = members.asked;
        Ok((Look { asked, found }, slot))
    }

    /// There will be looks for callers of the same workflow soon.
    pub(crate) fn expect(&self, request: &RedirectRequest) {
        if let Some(workflow) = request.workflow_sid {
            self.voice_queues.expect((request.account_sid, workflow));
        }
    }

    /// What the task says of a caller who is on hold.
    async fn task(
        &self,
        request: &RedirectRequest,
        enqueued_at: Option<Timestamp>,
        deadline: &Deadline,
    ) -> Result<Whereabouts, LookFailure> {
        let task = self
            .with_taskrouter(Class::Look, deadline, || {
                self.client.task(&request.workspace_sid, &request.task_sid)
            })
            .await?;
        Ok(match task {
            Some(task) if in_conference(&task) => Whereabouts::Transfer,
            Some(task) if is_enqueued_for_later(&task, enqueued_at) => Whereabouts::OtherTask,
            Some(task) if waits_for(&task, request) => Whereabouts::Waiting,
            Some(task) if !is_over(&task) => Whereabouts::OtherTask,
            // The end of the task is just what the event was about. Is there a new one?
            _ if request.source == Source::Rescue => self.rescue(request, deadline).await?,
            Some(_) => Whereabouts::OtherTask,
            // It ended long ago, or Twilio is wrong: the caller is on hold.
            None => Whereabouts::Unclear,
        })
    }

    /// Whether no open task stands for the caller any more.
    async fn rescue(
        &self,
        request: &RedirectRequest,
        deadline: &Deadline,
    ) -> Result<Whereabouts, LookFailure> {
        let open = self.open_tasks(&request.workspace_sid, deadline).await?;
        Ok(match open {
            // A task that doesn't tell its call may be the one.
            None => Whereabouts::Unclear,
            Some(tasks) => match tasks.iter().any(|t| t.call_sid == Some(request.call_sid)) {
                true => Whereabouts::OtherTask,
                false => Whereabouts::Waiting,
            },
        })
    }

    /// Where there is no voice queue in which the caller would wait, or none is known, the task
    /// tells.
    async fn without_voice_queue(
        &self,
        request: &RedirectRequest,
        slot: Slot,
        deadline: &Deadline,
    ) -> Result<(Look, Slot), LookFailure> {
        drop(slot);
        let asked = Instant::now();
        let task = self.task(request, None, deadline).await?;
        let mut slot = deadline.wait(self.calls_api.enter(Class::Look)).await?;
        let found = match task {
            Whereabouts::Transfer => Whereabouts::Transfer,
            _ => match self.call(request, &mut slot).await? {
                Whereabouts::Waiting if task == Whereabouts::OtherTask => Whereabouts::Absent,
                Whereabouts::Waiting => task,
                other => other,
            },
        };
        Ok((Look { asked, found }, slot))
    }

    /// What the call itself says.
    async fn call(
        &self,
        request: &RedirectRequest,
        slot: &mut Slot,
    ) -> Result<Whereabouts, LookFailure> {
        let status = self
            .client
            .call_status(&request.account_sid, &request.call_sid)
            .await;
        slot.note(ApiHealth::of(status.as_ref(), false));
        Ok(match status? {
            Some(CallStatus::InProgress) => Whereabouts::Waiting,
            Some(
                CallStatus::Completed
                | CallStatus::Busy
                | CallStatus::Failed
                | CallStatus::NoAnswer
                | CallStatus::Canceled,
            ) => Whereabouts::Ended,
            // Twilio is wrong about that now and then.
            None | Some(CallStatus::Queued | CallStatus::Ringing | CallStatus::Unknown) => {
                Whereabouts::Unclear
            }
        })
    }

    /// Makes a request to TaskRouter, once its limiter lets it through.
    pub(crate) async fn with_taskrouter<T, F: Future<Output = Result<T, RestError>>>(
        &self,
        class: Class,
        deadline: &Deadline,
        request: impl FnOnce() -> F,
    ) -> Result<T, LookFailure> {
        let mut slot = deadline.wait(self.taskrouter.enter(class)).await?;
        let answer = request().await;
        slot.note(ApiHealth::of(answer.as_ref(), false));
        Ok(answer?)
    }
}

/// The task for which a caller was put on hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EnqueuedFor {
    /// That of the task in question.
    ThisTask,
    /// That of another one: the caller came back.
    AnotherTask,
    Unknown,
}

/// A caller is enqueued when the task is created, but for this much: both are told to the second,
/// and by different clocks of Twilio's.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// For which task a caller was enqueued at this time, as far as the request tells.
pub(crate) fn enqueued_for(
    request: &RedirectRequest,
    enqueued_at: Option<Timestamp>,
) -> EnqueuedFor {
    match (enqueued_at, request.task_created_at) {
        _ if request.verify => EnqueuedFor::Unknown,
        (Some(enqueued), Some(created)) if enqueued <= created + SLACK => EnqueuedFor::ThisTask,
        (Some(_), Some(_)) => EnqueuedFor::AnotherTask,
        (Some(enqueued), None) if enqueued > request.entered_at + SLACK => EnqueuedFor::AnotherTask,
        _ => EnqueuedFor::Unknown,
    }
}

fn is_enqueued_for_later(task: &Task, enqueued_at: Option<Timestamp>) -> bool {
    match (enqueued_at, task.created_at) {
        (Some(enqueued), Some(created)) => enqueued > created + SLACK,
        _ => false,
    }
}

fn waits_for(task: &Task, request: &RedirectRequest) -> bool {
    task.assignment_status == AssignmentStatus::Pending
        && task.task_queue_sid == Some(request.task_queue_sid)
}

fn in_conference(task: &Task) -> bool {
    task.attributes
        .is_some_and(|attributes| attributes.conversation.is_some())
}

fn is_over(task: &Task) -> bool {
    matches!(
        task.assignment_status,
        AssignmentStatus::Canceled | AssignmentStatus::Completed
    )
}
