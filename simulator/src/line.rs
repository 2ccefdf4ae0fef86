//! Calls that follow TwiML: a caller's, and those to whoever is rung for them.

mod dial;
mod record;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use twilio::{CallSid, WorkflowSid};

use crate::core::Core;
use crate::journal::{Callee, HangUp, Heard};
use crate::phone::Phone;
use crate::state::State;
use crate::twiml::{self, Ask, Gather, InvalidTwiml, Verb};

/// How many characters are spoken in a second.
const SPEECH: f64 = 14.0;

/// How long each recording is that is played.
const RECORDING: Duration = Duration::from_secs(5);

/// A call that is to follow instructions.
pub(crate) struct Follow {
    pub(crate) call: CallSid,
    pub(crate) run: u64,
    pub(crate) stop: CancellationToken,
    pub(crate) source: Source,
}

/// Where instructions come from.
pub(crate) enum Source {
    Inline(String),
    Url(Ask),
}

/// A call that follows instructions, until it is given others or ends.
#[derive(Clone)]
pub(crate) struct Line {
    core: Arc<Core>,
    call: CallSid,
    run: u64,
    stop: CancellationToken,
    /// Whoever was rung; else it is the caller who hears what is said.
    callee: Option<Rung>,
}

/// One of those who were rung for a caller.
#[derive(Clone, Copy)]
pub(crate) struct Rung {
    /// Which of them.
    pub(crate) index: usize,
    pub(crate) phone: Phone,
}

/// The call does something else now.
#[derive(Debug)]
struct Stopped;

/// What follows a verb, where it isn't the next one.
enum Turn {
    /// A document that is asked for with these parameters.
    Asks(Ask, Params),
    Ends(End),
}

enum End {
    /// There are no more verbs.
    OfDocument,
    Hangup,
    Problem(InvalidTwiml),
}

pub(crate) type Params = Vec<(&'static str, String)>;

impl Line {
    pub(crate) async fn follow(core: Arc<Core>, follow: Follow) {
        let line = Self {
            core,
            call: follow.call,
            run: follow.run,
            stop: follow.stop,
            callee: None,
        };
        // If it was stopped, others have said what becomes of the call.
        if let Ok(end) = line.documents(follow.source).await {
            let call = line.call;
            let _ = line.change(|state| {
                let by = match end {
                    End::OfDocument | End::Hangup => HangUp::Twiml,
                    End::Problem(problem) => {
                        let problem = problem.to_string();
                        state.heard(call, Heard::ApplicationError { problem });
                        HangUp::ApplicationError
                    }
                };
                state.end_call(call, by)
            });
        }
    }

    /// Follows one document after another.
    fn documents(&self, source: Source) -> BoxFuture<'_, Result<End, Stopped>> {
        async move {
            let mut document = match source {
                Source::Inline(text) => twiml::parse(&text, None),
                Source::Url(ask) => self.ask(&ask, Params::new()).await?,
            };
            loop {
                let verbs = match document {
                    Ok(verbs) => verbs,
                    Err(problem) => return Ok(End::Problem(problem)),
                };
                document = match self.carry_out(verbs).await? {
                    Turn::Ends(end) => return Ok(end),
                    Turn::Asks(ask, params) => self.ask(&ask, params).await?,
                }
            }
        }
        .boxed()
    }

    async fn carry_out(&self, verbs: Vec<Verb>) -> Result<Turn, Stopped> {
        for verb in verbs {
            let turn = match verb {
                Verb::Say(_) | Verb::Play(_) | Verb::Pause(_) => {
                    self.hears(&verb).await?;
                    None
                }
                Verb::Gather(gather) => self.gather(gather).await?,
                Verb::Hangup => Some(Turn::Ends(End::Hangup)),
                Verb::Redirect(ask) => Some(Turn::Asks(ask, Params::new())),
                Verb::Dial(_) if self.callee.is_some() => Some(out_of_place("Dial")),
                Verb::Record(_) if self.callee.is_some() => Some(out_of_place("Record")),
                Verb::Enqueue(_) if self.callee.is_some() => Some(out_of_place("Enqueue")),
                Verb::Enqueue(workflow) => Some(self.enqueue(workflow)?),
                Verb::Dial(dial) => self.dial(dial).await?,
                Verb::Record(record) => self.record(record).await?,
            };
            if let Some(turn) = turn {
                return Ok(turn);
            }
        }
        Ok(Turn::Ends(End::OfDocument))
    }

    /// What follows it is not carried out: the call does something else from then on.
    fn enqueue(&self, workflow: WorkflowSid) -> Result<Turn, Stopped> {
        match self.change(|state| state.enqueue_for(self.call, workflow))? {
            Some(()) => Err(Stopped),
            None => Ok(Turn::Ends(End::Problem(InvalidTwiml::Attribute(
                "workflowSid",
            )))),
        }
    }

    async fn hears(&self, verb: &Verb) -> Result<(), Stopped> {
        let (text, heard, lasts) = match verb {
            Verb::Say(text) => {
                let lasts = Duration::from_secs_f64(text.chars().count() as f64 / SPEECH);
                (text, Heard::Said { text: text.clone() }, lasts)
            }
            Verb::Play(url) => (url, Heard::Played { url: url.clone() }, RECORDING),
            Verb::Pause(lasts) => return self.wait(*lasts).await,
            _ => return Ok(()),
        };
        self.change(|state| match self.callee {
            Some(rung) => state.callee(self.call, rung.index, Callee::Heard(text.clone())),
            None => state.heard(self.call, heard),
        })?;
        self.wait(lasts).await
    }

    /// Goes on with the next verb if no key is pressed. Callers press none.
    async fn gather(&self, gather: Gather) -> Result<Option<Turn>, Stopped> {
        let asked = async {
            for verb in &gather.prompt {
                self.hears(verb).await?;
            }
            self.wait(gather.timeout).await
        };
        let pressed = async {
            let Some((rung, key)) = self.callee.and_then(|c| Some((c, c.phone.presses?))) else {
                return std::future::pending().await;
            };
            self.wait(rung.phone.thinks).await?;
            self.change(|state| state.callee(self.call, rung.index, Callee::Pressed(key)))?;
            Ok(key)
        };
        tokio::select! {
            biased;
            key = pressed => {
                let digits = ("Digits", key?.to_string());
                if gather.num_digits != Some(1) {
                    // Another may come.
                    self.wait(gather.timeout).await?;
                }
                Ok(Some(Turn::Asks(gather.action, vec![digits])))
            }
            over = asked => over.map(|()| None),
        }
    }

    async fn ask(
        &self,
        ask: &Ask,
        also: Params,
    ) -> Result<Result<Vec<Verb>, InvalidTwiml>, Stopped> {
        self.until_stopped(self.asks(ask, also)).await
    }

    /// Asks even where the call does something else now.
    async fn asks(&self, ask: &Ask, also: Params) -> Result<Vec<Verb>, InvalidTwiml> {
        let mut params = self.core.look(|state| match self.callee {
            Some(rung) => state.callee_params(self.call, rung.index),
            None => state.twiml_params(self.call),
        });
        params.extend(also);
        self.core.fetch_twiml(ask, &params).await
    }

    /// Changes the state, unless the call does something else now.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> Result<R, Stopped> {
        let changed = self.core.change(|state| {
            let call = state.calls.get(&self.call);
            let is_current = call.is_some_and(|call| call.run == self.run);
            is_current.then(|| change(state))
        });
        changed.ok_or(Stopped)
    }

    /// So long in real life.
    async fn wait(&self, real: Duration) -> Result<(), Stopped> {
        if real.is_zero() {
            return Ok(());
        }
        let passed = tokio::time::sleep(self.core.speed.shorten(real));
        self.until_stopped(passed).await
    }

    async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        self.stop.run_until_cancelled(work).await.ok_or(Stopped)
    }
}

fn out_of_place(verb: &str) -> Turn {
    Turn::Ends(End::Problem(InvalidTwiml::Unknown(verb.to_owned())))
}
