//! Twilio is asked what became of a caller of whom nothing was heard.

use std::time::Duration;

use queue::{CallerEnd, Content, Outcome, OutcomeKind, Redirected};
use service::Plan;
use tokio::time::Instant;
use twilio::rest::{CallStatus, ChildCall, Recording, RestError};

use super::FollowUp;
use crate::classify::ApiHealth;
use crate::deadline::{Deadline, Interrupted};
use crate::limiter::Class;

/// For how long it is tried before it is put off.
const TRIED_FOR: Duration = Duration::from_secs(5 * 60);

/// Twilio's times are cut to the second, and ours may be behind.
const EARLIER: Duration = Duration::from_secs(5);

/// What Twilio says of a call.
enum Call {
    /// It still runs.
    Runs,
    /// It is over, with those whom it dialled and what was recorded.
    Over(Vec<ChildCall>, Vec<Recording>),
    /// Twilio knows it no more.
    Unknown,
}

impl FollowUp {
    /// Sees to it that something became of a caller who was redirected some time ago.
    pub(super) async fn look_after(&self, redirected: &Redirected) -> Result<(), Interrupted> {
        if self.shared.told.has_ended(&redirected.call_sid) {
            return Ok(());
        }
        let deadline = Deadline {
            at: Instant::now() + TRIED_FOR,
            stop: self.shared.stop.clone(),
        };
        let put_off = || self.publish(Content::Redirected(redirected.clone()));
        match self.ask(redirected, &deadline).await {
            Ok(Call::Runs) | Err(Interrupted::Deadline) => put_off().await,
            Err(Interrupted::Stop) => Err(Interrupted::Stop),
            Ok(Call::Unknown) => {
                tracing::warn!(
                    call_sid = %redirected.call_sid,
                    plan = redirected.plan,
                    "Twilio doesn't know the call of a redirected caller any more: what became of \
                     them stays unknown"
                );
                Ok(())
            }
            Ok(Call::Over(dialled, recordings)) => {
                for outcome in self.outcomes(redirected, &dialled, &recordings) {
                    self.publish(Content::Outcome(outcome)).await?;
                }
                Ok(())
            }
        }
    }

    async fn ask(&self, redirected: &Redirected, deadline: &Deadline) -> Result<Call, Interrupted> {
        let client = &self.shared.client;
        let (account, call) = (&redirected.account_sid, &redirected.call_sid);
        let status = self.asked(deadline, || client.call_status(account, call));
        Ok(match status.await? {
            None => Call::Unknown,
            Some(CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress) => Call::Runs,
            Some(_) => Call::Over(
                self.asked(deadline, || client.child_calls(account, call))
                    .await?,
                self.asked(deadline, || client.recordings(account, call))
                    .await?,
            ),
        })
    }

    /// Asks Twilio, last in line, as often as it takes.
    async fn asked<T, A: Future<Output = Result<T, RestError>>>(
        &self,
        deadline: &Deadline,
        ask: impl Fn() -> A,
    ) -> Result<T, Interrupted> {
        let mut delays = self.shared.settings.retry.delays();
        loop {
            let calls_api = &self.shared.lookup.calls_api;
            let mut slot = deadline.wait(calls_api.enter(Class::Close)).await?;
            let answer = ask().await;
            slot.note(ApiHealth::of(answer.as_ref(), false));
            drop(slot);
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::debug!(%error, "Twilio could not be asked what became of a caller");
                    let pause = tokio::time::sleep(delays.next_delay());
                    deadline.wait(pause).await?;
                }
            }
        }
    }

    /// What Twilio says became of the caller, under the same IDs as its callbacks would have said.
    fn outcomes(
        &self,
        redirected: &Redirected,
        dialled: &[ChildCall],
        recordings: &[Recording],
    ) -> Vec<Outcome> {
        let mut plans = self.shared.plans.iter();
        let Some(plan) = plans.find(|plan| plan.name == redirected.plan) else {
            return Vec::new();
        };
        let since = redirected.redirected_at - EARLIER;
        // What other software dialled or recorded before is none of our business.
        let ours = |at: Option<jiff::Timestamp>| at.is_none_or(|at| at >= since);
        let legs = dialled.iter().filter(|leg| ours(leg.created_at));
        let legs = legs.filter_map(|leg| self.leg(redirected, plan, leg));
        let messages = recordings
            .iter()
            .filter(|recording| recording.is_message() && ours(recording.created_at));
        let messages = messages.map(|message| Outcome {
            id: message.sid.to_string(),
            outcome: OutcomeKind::Voicemail,
            caller: Some(CallerEnd::Recorded),
            recording_sid: Some(message.sid),
            seconds: Some(message.duration.as_secs()),
            ..self.end(redirected)
        });
        let mut outcomes: Vec<Outcome> = legs.chain(messages).collect();
        let ended = outcomes.iter().any(|outcome| outcome.caller.is_some());
        let nothing_of_ours = redirected.in_doubt && outcomes.is_empty();
        if !ended && !nothing_of_ours {
            outcomes.push(self.end(redirected));
        }
        outcomes
    }

    fn leg(&self, redirected: &Redirected, plan: &Plan, leg: &ChildCall) -> Option<Outcome> {
        let position = plan.position_of(&leg.to?)?;
        let ended = plan.leg(position, leg.status, leg.duration)?;
        Some(Outcome {
            id: leg.sid.to_string(),
            step: ended.step,
            outcome: ended.outcome,
            caller: ended.caller,
            dialed_call_sid: Some(leg.sid),
            seconds: (ended.outcome == OutcomeKind::Answered).then_some(leg.duration.as_secs()),
            ..self.end(redirected)
        })
    }

    /// The caller hung up: had they heard a plan to its end, we would have been told.
    fn end(&self, redirected: &Redirected) -> Outcome {
        redirected.missed(self.shared.time.now(), OutcomeKind::HungUp)
    }
}
