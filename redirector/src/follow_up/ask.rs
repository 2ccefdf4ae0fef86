//! Twilio is asked what became of a caller of whom nothing was heard.

use std::time::Duration;

use ladder::Position;
use queue::{CallerEnd, Content, Outcome, OutcomeKind, Redirected};
use service::Plan;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};
use twilio::rest::{ChildCall, Recording, RestError};

use super::FollowUp;
use crate::classify::ApiHealth;
use crate::deadline::Interrupted;
use crate::limiter::Class;

/// Twilio's times are cut to the second.
const CUT: Duration = Duration::from_secs(1);

/// How long Twilio is asked about the callers of one message: outcomes wait behind it.
const ASKING: Duration = Duration::from_secs(60);

/// No call lasts longer, by far.
const LONGEST_CALL: Duration = Duration::from_secs(48 * 60 * 60);

/// What Twilio says of a call.
enum Call {
    /// It still runs, or what was dialled for it does.
    Runs,
    /// It is over, with those whom it dialled and what was recorded.
    Over(Vec<ChildCall>, Vec<Recording>),
    /// Twilio doesn't know it.
    Unknown,
}

impl FollowUp {
    /// Sees to it that something became of callers who were redirected some time ago. Whom there is no
    /// time to ask about now is asked about as much later, and so is whoever is still on the line: until
    /// then Twilio may tell by itself.
    pub(super) async fn look_after(&self, all: Vec<Redirected>) -> Result<(), Interrupted> {
        if !self.shared.plans.outcomes() {
            return Ok(());
        }
        let until = Instant::now() + ASKING;
        let mut again = Vec::new();
        for redirected in all {
            let has_ended = || self.shared.told.has_ended(&redirected.call_sid);
            if has_ended() {
                continue;
            }
            let asked = tokio::select! {
                () = self.shared.stop.cancelled() => return Err(Interrupted::Stop),
                asked = timeout_at(until, self.ask(&redirected)) => asked,
            };
            // It may have been told meanwhile.
            if !has_ended() {
                again.extend(self.conclude(redirected, asked).await?);
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        self.shared.outbox.publish(Content::Redirected(again)).await
    }

    /// Reports what Twilio says, or returns whom it is to be asked about again.
    async fn conclude(
        &self,
        redirected: Redirected,
        asked: Result<Result<Call, RestError>, Elapsed>,
    ) -> Result<Option<Redirected>, Interrupted> {
        let was_over = matches!(asked, Ok(Ok(Call::Over(..))));
        let problem = match asked {
            Ok(Ok(Call::Over(dialled, recordings)))
                if redirected.was_over || !self.shared.plans.tells(&redirected.plan) =>
            {
                for outcome in self.outcomes(&redirected, &dialled, &recordings) {
                    self.report(outcome).await?;
                }
                return Ok(None);
            }
            Ok(Ok(Call::Runs | Call::Over(..))) => "it still ran".to_owned(),
            Ok(Ok(Call::Unknown)) => "Twilio doesn't know it".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "there was no time to ask Twilio".to_owned(),
        };
        if self.shared.time.age(redirected.redirected_at) > LONGEST_CALL {
            tracing::warn!(
                call_sid = %redirected.call_sid,
                plan = redirected.plan,
                problem,
                "what became of a redirected caller can't be found out"
            );
            return Ok(None);
        }
        Ok(Some(Redirected {
            was_over,
            ..redirected
        }))
    }

    async fn ask(&self, redirected: &Redirected) -> Result<Call, RestError> {
        let client = &self.shared.client;
        let (account, call) = (&redirected.account_sid, &redirected.call_sid);
        let Some(status) = self.asked(client.call_status(account, call)).await? else {
            return Ok(Call::Unknown);
        };
        if !status.is_over() {
            return Ok(Call::Runs);
        }
        let dialled = self.asked(client.child_calls(account, call)).await?;
        if dialled.iter().any(|leg| !leg.status.is_over()) {
            return Ok(Call::Runs);
        }
        let recordings = self.asked(client.recordings(account, call)).await?;
        Ok(Call::Over(dialled, recordings))
    }

    /// Asks Twilio, last in line.
    async fn asked<T>(
        &self,
        ask: impl Future<Output = Result<T, RestError>>,
    ) -> Result<T, RestError> {
        let mut slot = self.shared.lookup.calls_api.enter(Class::Close).await;
        let answer = ask.await;
        slot.note(ApiHealth::of_what_can_wait(answer.as_ref()));
        answer
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
            tracing::warn!(
                call_sid = %redirected.call_sid,
                plan = redirected.plan,
                "there is no such plan any more: what became of its caller isn't told"
            );
            return Vec::new();
        };
        let since = redirected.entered_at - CUT;
        // What other software dialled or recorded before is none of our business.
        let ours = |at: Option<jiff::Timestamp>| at.is_none_or(|at| at >= since);
        // What was told of one didn't end it for the caller.
        let is_news = |leg: &&ChildCall| !self.shared.told.knows(leg.sid.as_str());
        let mut legs: Vec<_> = dialled.iter().filter(|leg| ours(leg.created_at)).collect();
        legs.sort_by_key(|leg| leg.created_at);
        let was_reached = !legs.is_empty();
        let mut at = Position::default();
        let legs = legs.into_iter().filter_map(|leg| {
            let found = leg.to.and_then(|number| plan.position_of(&number, at));
            at = match found {
                Some(found) => found,
                // Somebody else may have redirected them.
                None if redirected.in_doubt => return None,
                // The plan was another when they came.
                None => at,
            };
            is_news(&leg).then(|| self.leg(redirected, plan, leg, at))?
        });
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
        let nothing_of_ours = outcomes.is_empty() && !was_reached;
        if !(ended || redirected.in_doubt && nothing_of_ours) {
            outcomes.push(match nothing_of_ours && plan.rings_at_once() {
                true => redirected.missed(self.shared.time.now(), OutcomeKind::Failed),
                false => self.end(redirected),
            });
        }
        outcomes
    }

    fn leg(
        &self,
        redirected: &Redirected,
        plan: &Plan,
        leg: &ChildCall,
        at: Position,
    ) -> Option<Outcome> {
        let ended = plan.leg(at, leg.status, leg.duration)?;
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
