//! Others are rung for a caller.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use super::{End, Line, Rung, Source, Stopped, Turn};
use crate::journal::{Callee, CalleeEnd, HangUp, Heard};
use crate::phone::PickUp;
use crate::resources::Activity;
use crate::twiml::{Ask, Dial, Noun};

/// How long phones ring unless a `<Dial>` says otherwise.
const TIMEOUT: u32 = 30;

/// What to be heard by a callee before they have the caller.
type Whispered = (Rung, Option<Ask>);

/// What became of somebody's ringing, or of their being asked.
enum News {
    PickedUp(Whispered),
    TakesTheCaller(Rung),
    Over,
}

type Ringing<'a> = FuturesUnordered<BoxFuture<'a, Result<News, Stopped>>>;

impl Line {
    pub(super) async fn dial(&self, dial: Dial) -> Result<Option<Turn>, Stopped> {
        let number = self.core.look(|state| state.next_dial(self.call));
        let dialled = self.ring_and_talk(&dial, number).await;
        let params = self.core.look(|state| state.dial_params(self.call, number));
        let action = dial.action;
        if dialled.is_ok() {
            return Ok(action.map(|action| Turn::Asks(action, params)));
        }
        // Where the call was given other instructions, Twilio asks nevertheless: this was measured
        // (<https://github.com/qisoft/i-hate-making-calls/issues/25>). Nobody follows the answer.
        let asks = self.core.look(|state| {
            state.is_in_progress(&self.call) || state.config.readings.action_after_hang_up
        });
        if let Some(action) = action.filter(|_| asks) {
            let _ = self.asks(&action, params).await;
        }
        Err(Stopped)
    }

    async fn ring_and_talk(&self, dial: &Dial, number: usize) -> Result<(), Stopped> {
        let together = if dial.record.sequential {
            1
        } else {
            dial.nouns.len()
        };
        let timeout = Duration::from_secs(dial.record.timeout.unwrap_or(TIMEOUT).into());
        for nouns in dial.nouns.chunks(together.max(1)) {
            let rung = self.change(|state| {
                let ring = |noun: &Noun| {
                    let rung = state.ring(self.call, number, &dial.record, noun)?;
                    Some((rung, noun.whisper.clone()))
                };
                nouns.iter().filter_map(ring).collect::<Vec<_>>()
            })?;
            let at_once = |(rung, whisper): &Whispered| whisper.is_none() && rung.rings_no_time();
            if !rung.iter().all(at_once) {
                self.change(|state| state.heard(self.call, Heard::Ringing))?;
            }
            if let Some(rung) = self.ring(rung, timeout).await? {
                return self.talk(rung, dial).await;
            }
        }
        self.change(|state| {
            let mut record = dial.record.clone();
            record.outcome = state.dial_outcome(self.call, number);
            state.heard(self.call, Heard::Dialled(record));
        })
    }

    /// Whoever takes the caller.
    async fn ring(&self, rung: Vec<Whispered>, timeout: Duration) -> Result<Option<Rung>, Stopped> {
        let others_ring_on = self.core.look(|state| state.config.readings.others_ring_on);
        let mut ringing: Ringing<'_> = rung
            .into_iter()
            .map(|whispered| self.rings(whispered, timeout).boxed())
            .collect();
        while let Some(news) = ringing.next().await {
            match news? {
                News::PickedUp((rung, whisper)) => {
                    if whisper.is_none() || !others_ring_on {
                        ringing.clear();
                        self.change(|state| state.cancel_callees(self.call, rung.index))?;
                    }
                    match whisper {
                        Some(whisper) => ringing.push(self.asked(rung, whisper).boxed()),
                        None => return Ok(Some(rung)),
                    }
                }
                News::TakesTheCaller(rung) => {
                    self.change(|state| state.cancel_callees(self.call, rung.index))?;
                    return Ok(Some(rung));
                }
                News::Over => {}
            }
        }
        Ok(None)
    }

    async fn rings(&self, whispered: Whispered, timeout: Duration) -> Result<News, Stopped> {
        let (rung, _) = whispered;
        let phone = rung.phone;
        let no_answer = phone.pick_up == PickUp::Silent || phone.rings > timeout;
        self.wait(if no_answer { timeout } else { phone.rings })
            .await?;
        let end = match phone.pick_up {
            _ if no_answer => CalleeEnd::NoAnswer,
            PickUp::Busy => CalleeEnd::Busy,
            PickUp::Failed => CalleeEnd::Failed,
            _ => {
                self.callee(rung, Callee::PickedUp)?;
                return Ok(News::PickedUp(whispered));
            }
        };
        self.callee(rung, Callee::Ended(end))?;
        Ok(News::Over)
    }

    /// Whether they take the caller.
    async fn asked(&self, rung: Rung, whisper: Ask) -> Result<News, Stopped> {
        let theirs = Self {
            callee: Some(rung),
            ..self.clone()
        };
        let end = tokio::select! {
            biased;
            () = self.hangs_up(rung) => CalleeEnd::HungUp,
            end = theirs.documents(Source::Url(whisper)) => match end? {
                End::OfDocument => return Ok(News::TakesTheCaller(rung)),
                End::Hangup => CalleeEnd::Refused,
                End::Problem(problem) => {
                    self.callee(rung, Callee::Heard(format!("application error: {problem}")))?;
                    CalleeEnd::Refused
                }
            },
        };
        self.callee(rung, Callee::Ended(end))?;
        Ok(News::Over)
    }

    async fn talk(&self, rung: Rung, dial: &Dial) -> Result<(), Stopped> {
        let caller_talks =
            self.change(|state| state.connect(self.call, rung.index, &dial.record))?;
        let limit = dial
            .record
            .time_limit
            .map(|s| Duration::from_secs(s.into()));
        let end = tokio::select! {
            biased;
            () = self.hangs_up(rung) => CalleeEnd::HungUp,
            over = self.after(limit) => over.map(|()| CalleeEnd::TimeLimit)?,
            over = self.after(caller_talks) => {
                over?;
                let _ = self.change(|state| state.end_call(self.call, HangUp::Caller));
                return Err(Stopped);
            }
        };
        self.change(|state| {
            state.callee(self.call, rung.index, Callee::Ended(end));
            if let Some(call) = state.calls.get_mut(&self.call) {
                call.activity = Activity::Instructed;
            }
        })
    }

    fn callee(&self, rung: Rung, what: Callee) -> Result<(), Stopped> {
        self.change(|state| state.callee(self.call, rung.index, what))
    }

    /// Until they hang up by themselves.
    async fn hangs_up(&self, rung: Rung) {
        let picked_up = self
            .core
            .look(|state| state.picked_up(self.call, rung.index));
        match (rung.phone.stays, picked_up) {
            (Some(stays), Some(picked_up)) => {
                let at = picked_up + self.core.speed.shorten(stays);
                tokio::time::sleep_until(self.core.started + at).await;
            }
            _ => std::future::pending().await,
        }
    }

    /// So long in real life; for ever if `None`.
    async fn after(&self, real: Option<Duration>) -> Result<(), Stopped> {
        match real {
            Some(real) => self.wait(real).await,
            None => self.until_stopped(std::future::pending()).await,
        }
    }
}

impl Rung {
    /// Whether it is known at once whether they pick up.
    fn rings_no_time(self) -> bool {
        self.phone.rings.is_zero() && self.phone.pick_up != PickUp::Silent
    }
}
