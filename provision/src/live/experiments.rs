//! The calls, one after the other, and what they show.

use tokio::time::Instant;
use twilio::E164;
use twilio::rest::{AssignmentStatus, CallDraft, CallStatus, ChildCall, Task};

use super::answers::{ActionAfterHangUp, Found, Others, RefusedWhisper, TaskAfterUpdate};
use super::listener::Asked;
use super::made;
use super::run::{PEOPLE, RINGS, Run, gone, has_ended, may_have_acted};
use crate::error::{Doing, Error, Result};

/// No call lasts longer, in seconds, should we vanish.
const LONGEST_CALL: u32 = 900;

impl Run<'_, '_> {
    pub(super) async fn experiments(&mut self) -> Result<()> {
        let live = self.live;
        let (caller, rung, other) = (live.phones[0], live.phones[1], live.other_phone());

        self.confirm(format!("1. Call {caller:?}, the caller?"))
            .await?;
        let task = self.call_the_caller(caller).await?;
        self.line(format_args!("{caller:?} waits."));

        self.confirm(format!("2. Ring {rung:?}?")).await?;
        self.dial(&[rung], RINGS, (Asked::Whisper, Asked::Refused))
            .await?;
        self.line(format_args!("Pick up {rung:?}. The call ends by itself."));
        // Once this is asked, the update was carried out, whatever was answered to it.
        let told = self.until(Asked::Refused).await?.ok_or_else(gone)?;
        let found = self.task_after_update(&task).await?;
        self.answers.task_after_update = Some(Found::now(found));
        let was_picked_up = live.listener.asked(Asked::Whisper).is_some();
        match RefusedWhisper::of(&told).filter(|_| was_picked_up) {
            Some(found) => self.answers.refused_whisper = Some(Found::now(found)),
            None => self.line(format_args!("{rung:?} was not picked up.")),
        }
        self.keep()?;

        let question = format!("3. Ring {rung:?} again, and {other:?} at once?");
        self.confirm(question).await?;
        let before = self.legs().await?;
        let both = [rung, other];
        // Longer than it takes to pick up and to look: a phone that ends by itself would mislead.
        self.dial(&both, 2 * RINGS, (Asked::Listen, Asked::Over))
            .await?;
        self.line(format_args!("Pick up {rung:?}, and let {other:?} ring."));
        let Some(listens) = self.until(Asked::Listen).await? else {
            self.line(format_args!("{rung:?} was not picked up."));
            return Ok(());
        };
        let heard = listens.get("CallSid").and_then(|sid| sid.parse().ok());
        let is_other =
            |leg: &ChildCall| Some(leg.sid) != heard && before.iter().all(|old| old.sid != leg.sid);
        match self.others(is_other).await? {
            Some(found) => self.answers.others = Some(Found::now(found)),
            None => self.line(format_args!("{other:?} could not be rung meanwhile.")),
        }
        self.line(format_args!("Now hang up {caller:?}, and only {caller:?}."));
        match self.action_after_hang_up().await? {
            Some(found) => self.answers.action_after_hang_up = Some(Found::now(found)),
            None => self.line(format_args!("{caller:?} was not the first to hang up.")),
        }
        self.keep()
    }

    /// Until they wait in the queue; the task that stands for them.
    async fn call_the_caller(&mut self, caller: E164) -> Result<Task> {
        let (live, client) = (self.live, &self.live.api.client);
        let workflow = made::make(&live.api, &self.workspace).await?;
        live.listener.lead_to(workflow);
        let draft = CallDraft {
            to: caller,
            from: self.from,
            url: &live.listener.url(Asked::Begin),
            timeout: RINGS,
            time_limit: LONGEST_CALL,
        };
        self.is_to_go_on()?;
        self.called_at = Some(Instant::now());
        match client.create_call(&live.api.account, draft).await {
            Ok(call) => self.call = Some(call),
            // Whoever picks up tells.
            Err(error) if may_have_acted(&error) => {
                self.line(format_args!("It isn't sure whether it rings: {error}"));
            }
            Err(error) => {
                self.called_at = None;
                return Err(error).doing("make a call");
            }
        }
        self.line(format_args!("Pick up {caller:?}."));
        let begun = self.until(Asked::Begin).await?.ok_or_else(|| {
            Error::Unclear(format!(
                "{caller:?} was not picked up, or Twilio's request did not get here\n  If it was \
                 picked up: is TWILIO_AUTH_TOKEN the account's primary one? The console's error log \
                 says more."
            ))
        })?;
        self.call = self.call.or_else(|| begun.get("CallSid")?.parse().ok());
        let waiting = async || {
            let tasks = client.waiting_tasks(&self.workspace, &workflow).await;
            Ok(tasks.doing("list the tasks")?.items.into_iter().next())
        };
        self.watch(PEOPLE, waiting).await?.ok_or_else(gone)
    }

    async fn task_after_update(&self, task: &Task) -> Result<TaskAfterUpdate> {
        let mut is_gone = false;
        let canceled = async || {
            let task = self.live.api.client.task(&self.workspace, &task.sid).await;
            let task = task.doing("read the task")?;
            is_gone = task.is_none();
            let task = task.filter(|task| task.assignment_status == AssignmentStatus::Canceled);
            Ok(task.map(|task| TaskAfterUpdate::canceled(task.reason)))
        };
        Ok(match self.watch(self.live.wait, canceled).await? {
            Some(canceled) => canceled,
            None if is_gone => TaskAfterUpdate::canceled(None),
            None => TaskAfterUpdate::StaysOpen,
        })
    }

    /// What becomes of the phone that was not picked up; `None` if that can't be told.
    async fn others(&self, is_other: impl Fn(&ChildCall) -> bool) -> Result<Option<Others>> {
        let mut status = None;
        let look = async || {
            let other = self.legs().await?.into_iter().find(&is_other);
            status = other.map(|leg| leg.status);
            Ok(status.filter(|status| has_ended(*status)))
        };
        self.watch(self.live.wait, look).await?;
        // With the caller gone, or the dialling over, it ends in any case.
        if self.live.listener.asked(Asked::Over).is_some() || self.is_over().await? {
            return Ok(None);
        }
        Ok(match status {
            Some(CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress) => {
                Some(Others::RingOn)
            }
            Some(CallStatus::Canceled | CallStatus::NoAnswer | CallStatus::Completed) => {
                Some(Others::HungUp)
            }
            Some(CallStatus::Busy | CallStatus::Failed | CallStatus::Unknown) | None => None,
        })
    }

    /// `None` if it wasn't the caller who hung up.
    async fn action_after_hang_up(&self) -> Result<Option<ActionAfterHangUp>> {
        let over = async || Ok(self.is_over().await?.then_some(()));
        if self.watch(PEOPLE, over).await?.is_none() {
            return Ok(None);
        }
        let asked = async || Ok(self.live.listener.asked(Asked::Over));
        let asked = self.watch(self.live.wait, asked).await?;
        Ok(match asked {
            None => Some(ActionAfterHangUp::NotRequested),
            Some(params) if params.get("CallStatus") == Some("in-progress") => None,
            Some(_) => Some(ActionAfterHangUp::Requested),
        })
    }
}
