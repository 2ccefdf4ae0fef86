//! What the experiments are made of: asking the operator, ringing phones, waiting for what happens, and
//! cleaning up.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use twilio::rest::{CallStatus, ChildCall, Instructions, RestError};
use twilio::twiml::{Dial, Number, Response, Seconds, Verb};
use twilio::{CallSid, E164, FormParams, WorkspaceSid};

use super::answers::Answers;
use super::listener::Asked;
use super::{VerifyLive, made};
use crate::console::Console;
use crate::error::{Doing, Error, Result};

/// How long phones ring, in seconds.
pub(super) const RINGS: u32 = 60;

/// How long somebody has to pick up or to hang up.
pub(super) const PEOPLE: Duration = Duration::from_secs(RINGS as u64 + 15);

/// How often is looked whether something has happened.
const EACH: Duration = Duration::from_secs(1);

/// How often is tried to clean up.
const ATTEMPTS: usize = 5;

/// One run.
pub(super) struct Run<'a, 'c> {
    pub(super) live: &'a VerifyLive,
    pub(super) console: &'a mut Console<'c>,
    pub(super) workspace: WorkspaceSid,
    /// The number that phones show.
    pub(super) from: E164,
    pub(super) answers: Answers,
    /// When the caller's phone began to ring, if it may have.
    pub(super) called_at: Option<Instant>,
    /// The caller's call, once Twilio has told.
    pub(super) call: Option<CallSid>,
}

impl Run<'_, '_> {
    pub(super) fn line(&mut self, text: impl Display) {
        self.console.line(text);
    }

    pub(super) async fn confirm(&mut self, question: String) -> Result<()> {
        let live = self.live;
        if live.yes {
            self.line(question);
            return Ok(());
        }
        let agreed = live
            .stop
            .run_until_cancelled(self.console.confirm(&question));
        let Some(agreed) = agreed.await else {
            // The question stands there without an answer.
            self.line("");
            return Err(Error::Interrupted);
        };
        match agreed? {
            true => Ok(()),
            false => Err(Error::Unclear("no further call is made".to_owned())),
        }
    }

    /// Before a phone rings.
    pub(super) fn is_to_go_on(&self) -> Result<()> {
        match self.live.stop.is_cancelled() {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }

    /// Keeps what was found out so far.
    pub(super) fn keep(&self) -> Result<()> {
        let live = self.live;
        self.answers.write(&live.file, live.api.account)
    }

    /// The caller's call rings these, for so many seconds.
    pub(super) async fn dial(
        &self,
        rung: &[E164],
        rings: u32,
        (whisper, action): (Asked, Asked),
    ) -> Result<()> {
        let live = self.live;
        let whisper = live.listener.url(whisper);
        let numbers = rung.iter().map(|number| Number {
            number: *number,
            status_callback: None,
            whisper: Some(whisper.clone()),
        });
        let dial = Dial {
            numbers: numbers.collect(),
            caller_id: Some(self.from),
            timeout: Seconds::new(rings),
            action: Some(live.listener.url(action)),
            ..Dial::from(rung[0])
        };
        let twiml = Response(vec![Verb::Dial(dial)]).to_twiml();
        let twiml = twiml.map_err(|error| Error::Unclear(error.to_string()))?;
        let call = self.call.as_ref().ok_or_else(gone)?;
        self.is_to_go_on()?;
        let told = Instructions::Twiml(&twiml);
        let update = live.api.client.update_call(&live.api.account, call, told);
        match update.await {
            // What Twilio asks then tells.
            Err(error) if may_have_acted(&error) => Ok(()),
            Err(_) if self.is_over().await? => Err(gone()),
            answer => answer.map(drop).doing("update the call"),
        }
    }

    /// Those who are or were rung for the caller.
    pub(super) async fn legs(&self) -> Result<Vec<ChildCall>> {
        let call = self.call.as_ref().ok_or_else(gone)?;
        let api = &self.live.api;
        let legs = api.client.child_calls(&api.account, call).await;
        legs.doing("list the calls")
    }

    /// Whether the caller's call has ended, as far as is known.
    pub(super) async fn is_over(&self) -> Result<bool> {
        let Some(call) = &self.call else {
            return Ok(false);
        };
        let api = &self.live.api;
        let status = api.client.call_status(&api.account, call).await;
        // A call that isn't found may yet be.
        Ok(status.doing("read the call")?.is_some_and(has_ended))
    }

    /// What Twilio says when it asks for that; `None` if nobody did anything, or the caller is gone.
    pub(super) async fn until(&self, what: Asked) -> Result<Option<FormParams>> {
        let listener = &self.live.listener;
        let asked = async || match listener.asked(what) {
            Some(params) => Ok(Some(Some(params))),
            None if self.is_over().await? => Ok(Some(listener.asked(what))),
            None => Ok(None),
        };
        Ok(self.watch(PEOPLE, asked).await?.flatten())
    }

    /// Looks again and again until there is something to be found, or for so long.
    pub(super) async fn watch<T>(
        &self,
        within: Duration,
        mut look: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = look().await? {
                return Ok(Some(found));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            // A request under way is waited for: it may make what is to be removed.
            let pause = self.live.stop.run_until_cancelled(sleep(EACH));
            pause.await.ok_or(Error::Interrupted)?;
        }
    }

    /// Ends the call, and removes what was made. Nothing interrupts it.
    pub(super) async fn clean_up(&mut self) -> Result<()> {
        // A call of which we know nothing rings for so long.
        let deadline = self.called_at.map(|called_at| called_at + PEOPLE);
        if self.call.is_none() && deadline.is_some() {
            self.line("Waiting until no phone can ring any more.");
        }
        while self.call.is_none() && deadline.is_some_and(|deadline| Instant::now() < deadline) {
            let begun = self.live.listener.asked(Asked::Begin);
            self.call = begun.and_then(|params| params.get("CallSid")?.parse().ok());
            sleep(EACH).await;
        }
        let mut cleaned = self.remove().await;
        for _ in 1..ATTEMPTS {
            if cleaned.is_ok() {
                break;
            }
            sleep(EACH).await;
            cleaned = self.remove().await;
        }
        cleaned
    }

    async fn remove(&self) -> Result<()> {
        let api = &self.live.api;
        if let Some(call) = &self.call {
            let ended = api.client.hang_up(&api.account, call).await;
            ended.doing("end the call")?;
        }
        made::remove(api, &self.workspace).await
    }
}

pub(super) fn gone() -> Error {
    Error::Unclear("the caller is gone, or Twilio's requests did not get here".to_owned())
}

/// Whether Twilio may have done what it was asked for.
pub(super) fn may_have_acted(error: &RestError) -> bool {
    match error {
        RestError::AnswerLost(_) | RestError::Unreadable(_) => true,
        RestError::Refused(refusal) => refusal.status >= 500,
        RestError::NotSent(_) => false,
    }
}

pub(super) fn has_ended(status: CallStatus) -> bool {
    !matches!(
        status,
        CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress
    )
}
