//! The way of one request: proof, then intent, then update.
//!
//! An update that had no answer may still be carried out, two copies of an event can reach two
//! redirectors within milliseconds, and a redirector can die with an update on the wire. So nobody
//! updates a call without a proof that its caller waits, and without having written down before
//! what it is about to do, where all redirectors read it in the same order.

use std::time::Duration;

use ladder::Offer;
use queue::{Cause, Intent, READ_BACK, Reason, RedirectRequest, Source};
use retry::Delays;
use service::Plan;
use tokio::time::Instant;
use twilio::rest::Instructions;

use crate::classify::{Advice, Aftermath, ApiHealth, failed_update};
use crate::deadline::{Deadline, Interrupted};
use crate::deliveries::{DeliveryGuard, Step};
use crate::follow_up::{self, Redirect};
use crate::ledger::INTENT_GOOD_FOR;
use crate::limiter::{Class, Slot};
use crate::lookup::{LookFailure, Whereabouts};
use crate::outbox::Kept;
use crate::outcome::Outcome;
use crate::settings::TwimlDelivery;
use crate::shared::Shared;

/// How often Twilio is asked about a caller while an earlier update may still be on its way.
const LOOK_EVERY: Duration = Duration::from_millis(1500);
/// A caller counts as gone once two looks this far apart have not found them waiting.
const LOOK_TWICE: Duration = Duration::from_secs(2);
/// How much longer is tried once the deadline has passed, if Twilio says that the caller waits.
const LAST_CHANCE: Duration = Duration::from_secs(60);

/// One request on its way.
pub(crate) struct Job<'a> {
    shared: &'a Shared,
    request: &'a RedirectRequest,
    plan: &'a Plan,
    /// Where it is told how it stands.
    held: &'a DeliveryGuard,
    deadline: Deadline,
    delays: Delays,
    /// How many updates were sent.
    updates: u32,
    /// Whether one of them may have been carried out.
    in_doubt: bool,
    /// Whether Twilio's answer to one of them contradicts the event.
    contradicted: bool,
    /// When a look first did not find the caller waiting, since one last did.
    unseen_since: Option<Instant>,
    lateness: Lateness,
    /// Why it is a dead letter, if the deadline passes now.
    reason: Reason,
    last_error: Option<String>,
    kept: Option<Kept>,
}

/// How late it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lateness {
    /// It is before the deadline.
    No,
    /// Past it, and the caller may still be updated.
    LastChance,
    /// Twilio is only asked what became of the caller.
    Over,
}

/// Why the caller is known to wait.
enum Proof {
    /// Its event is that new.
    Event,
    /// Twilio, asked at this moment, said so.
    Look(Instant),
}

/// What comes next.
enum Next {
    /// Another attempt, after this long.
    Again(Duration),
    End(Outcome),
    Interrupted(Interrupted),
}

impl From<Interrupted> for Next {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

impl<'a> Job<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        request: &'a RedirectRequest,
        plan: &'a Plan,
        held: &'a DeliveryGuard,
    ) -> Self {
        let allowed = shared.settings.deadline;
        let rest = allowed.saturating_sub(shared.time.age(request.deadline_starts()));
        Self {
            shared,
            request,
            plan,
            held,
            deadline: Deadline {
                at: Instant::now() + rest,
                stop: shared.stop.clone(),
            },
            delays: shared.settings.retry.delays(),
            updates: 0,
            in_doubt: false,
            contradicted: false,
            unseen_since: None,
            lateness: Lateness::No,
            reason: Reason::Expired,
            last_error: None,
            kept: None,
        }
    }

    /// Takes the request to its end. Which plan it was done by in the end comes back, too, and what is to
    /// be waited for before it is settled.
    pub(crate) async fn run(mut self) -> (Outcome, &'a Plan, Option<Kept>) {
        let outcome = loop {
            match self.redirect().await {
                Ok(outcome) => break outcome,
                Err(Interrupted::Stop) => break Outcome::Released,
                Err(Interrupted::Deadline) => match self.more_time() {
                    Some(until) => self.deadline.at = until,
                    None => break self.dead(),
                },
            }
        };
        (outcome, self.plan, self.kept)
    }

    async fn redirect(&mut self) -> Result<Outcome, Interrupted> {
        let shared = self.shared;
        let call = shared.calls.hold(self.request.call_sid);
        let _one_at_a_time = self.deadline.wait(call).await?;
        if shared.calls.is_done(&self.request.task_sid) {
            return Ok(Outcome::AlreadyHandled);
        }
        loop {
            if let Some(outcome) = self.attempt().await? {
                return Ok(outcome);
            }
        }
    }

    /// One attempt, and the wait before the next one. How it ends, if it does.
    async fn attempt(&mut self) -> Result<Option<Outcome>, Interrupted> {
        let next = match self.proof().await {
            Ok(_) if self.lateness == Lateness::Over => Next::End(self.dead()),
            Ok((proof, slot)) => self.write_intent_and_update(&proof, slot).await,
            Err(next) => next,
        };
        match next {
            Next::Again(wait) => {
                self.held.note(|progress| {
                    progress.step = Step::PausesUntil(Instant::now() + wait);
                    progress.updates = self.updates;
                    progress.last_error.clone_from(&self.last_error);
                });
                self.deadline.wait(tokio::time::sleep(wait)).await?;
            }
            Next::End(outcome) => return Ok(Some(outcome)),
            Next::Interrupted(interrupted) => return Err(interrupted),
        }
        Ok(None)
    }

    /// The proof that the caller waits: the event while it is new and nothing is in doubt, else
    /// Twilio's word, asked for after the last moment at which any update that may be under way
    /// could take effect. With it comes the slot for the update.
    async fn proof(&mut self) -> Result<(Proof, Slot), Next> {
        match self.choose_rescuer().await {
            Ok(true) => {}
            Ok(false) => return Err(Next::End(Outcome::NotOurs)),
            Err(failure) => return Err(self.not_asked(failure)),
        }
        let slot = self.slot().await?;
        let doubt = self.shared.ledger.doubt(&self.request.call_sid);
        if doubt.is_none() && self.event_is_new() {
            if self.age() > self.shared.settings.verify_after / 2 {
                // Requests behind this one will need a look: the list is asked for ahead.
                self.shared.lookup.expect(self.request);
            }
            return Ok((Proof::Event, slot));
        }
        let now = Instant::now();
        let second = self.unseen_since.map(|first| first + LOOK_TWICE);
        // The list must be newer than those of these moments that have passed.
        let passed = [doubt, second].into_iter().flatten();
        let after = passed.filter(|moment| *moment < now).max();
        let lookup = &self.shared.lookup;
        let looked = lookup.look(self.request, after, slot, &self.deadline).await;
        let (look, slot) = match looked {
            Ok(looked) => looked,
            Err(failure) => return Err(self.not_asked(failure)),
        };
        self.shared.metrics.looked(look.found);
        Err(match look.found {
            Whereabouts::Waiting => {
                self.unseen_since = None;
                match doubt {
                    Some(doubt) if look.asked <= doubt => {
                        let rest = doubt.saturating_duration_since(Instant::now());
                        Next::Again((rest + Duration::from_millis(1)).min(LOOK_EVERY))
                    }
                    _ => {
                        // No update of ours has reached them.
                        self.in_doubt = false;
                        return Ok((Proof::Look(look.asked), slot));
                    }
                }
            }
            Whereabouts::Ended => {
                self.may_have_been_redirected().await;
                Next::End(Outcome::CallEnded)
            }
            Whereabouts::Transfer => Next::End(Outcome::Transfer),
            Whereabouts::Absent | Whereabouts::OtherTask => match self.unseen_since {
                Some(first) if look.asked >= first + LOOK_TWICE => {
                    Next::End(self.is_elsewhere().await)
                }
                first => {
                    let first = *self.unseen_since.insert(first.unwrap_or(look.asked));
                    let rest = (first + LOOK_TWICE).saturating_duration_since(Instant::now());
                    Next::Again(rest + Duration::from_millis(1))
                }
            },
            Whereabouts::Unclear => self.again(None),
        })
    }

    /// Twilio could not be asked about the caller.
    fn not_asked(&mut self, failure: LookFailure) -> Next {
        let error = match failure {
            LookFailure::Interrupted(interrupted) => return interrupted.into(),
            LookFailure::Rest(error) => error,
        };
        tracing::warn!(%error, "Twilio could not be asked about the caller");
        self.last_error = Some(error.to_string());
        match failed_update(&error).1 {
            Advice::Retry {
                retry_after,
                reason,
            } => {
                self.reason = reason;
                self.again(retry_after)
            }
            Advice::Look | Advice::Refused => self.again(None),
        }
    }

    /// For a caller who is to be rescued: chooses the plan whose placeholder their workflow leads to.
    /// False if no plan does; callers of other workflows are not ours to redirect.
    async fn choose_rescuer(&mut self) -> Result<bool, LookFailure> {
        let (Source::Rescue, Some(sid)) = (self.request.source, self.request.workflow_sid) else {
            return Ok(true);
        };
        let (lookup, workspace) = (&self.shared.lookup, &self.request.workspace_sid);
        let workflow = lookup.workflow(workspace, &sid, &self.deadline).await?;
        let Some(workflow) = workflow else {
            return Ok(true);
        };
        if workflow.leads_to(&self.plan.task_queue_sid) {
            return Ok(true);
        }
        let mut rescuers = self.shared.plans.iter().filter(|plan| plan.rescue);
        let rescuer = rescuers.find(|plan| workflow.leads_to(&plan.task_queue_sid));
        if let Some(plan) = rescuer {
            self.plan = plan;
            self.held.goes_by(plan.task_queue_sid);
        } else {
            tracing::warn!(
                workflow_sid = %sid,
                "a caller's task ended while they wait, and their workflow leads to no plan that \
                 rescues: they are left on hold"
            );
        }
        Ok(rescuer.is_some())
    }

    /// The caller is on the line, and not on hold for this task any more.
    async fn is_elsewhere(&mut self) -> Outcome {
        if self.in_doubt {
            let (shared, request) = (self.shared, self.request);
            self.kept = follow_up::begin(shared, request, self.plan, Redirect::Unanswered).await;
            return Outcome::Redirected;
        }
        let nobody_tried = !self.may_have_been_redirected().await;
        if nobody_tried && self.request.is_live() && self.age() < READ_BACK {
            self.shared.metrics.spared_conversation();
        }
        Outcome::AlreadyHandled
    }

    /// Whether somebody has tried to redirect the caller. They may not have lived to see what became of
    /// them.
    async fn may_have_been_redirected(&self) -> bool {
        let tried = self.shared.ledger.doubt(&self.request.call_sid).is_some();
        if tried {
            follow_up::begin(self.shared, self.request, self.plan, Redirect::InDoubt).await;
        }
        tried
    }

    /// Writes the intent, checks that the proof still holds, and sends the update.
    async fn write_intent_and_update(&mut self, proof: &Proof, slot: Slot) -> Next {
        let intent = self.shared.ledger.draw(self.request.call_sid);
        let submitted = Instant::now();
        if let Err(error) = self.shared.intents.append(intent).await {
            // Whether or not it is in the log: it was not acted upon.
            self.shared.ledger.settle(&intent);
            tracing::warn!(%error, "the intent could not be written: the update was not sent");
            self.last_error = Some(error.to_string());
            return self.again(None);
        }
        if submitted.elapsed() > INTENT_GOOD_FOR || !self.holds(proof, &intent) {
            self.shared.ledger.settle(&intent);
            return Next::Again(Duration::ZERO);
        }
        self.update(&intent, slot).await
    }

    /// Whether the proof covers everything that was written before the intent. Whoever writes after
    /// it reads it first.
    fn holds(&self, proof: &Proof, intent: &Intent) -> bool {
        let doubt = self.shared.ledger.doubt_before(intent);
        match proof {
            Proof::Event => doubt.is_none() && self.event_is_new(),
            Proof::Look(asked) => doubt.is_none_or(|doubt| *asked > doubt),
        }
    }

    async fn update(&mut self, intent: &Intent, mut slot: Slot) -> Next {
        let shared = self.shared;
        let (inline, from_ingest);
        let mut redirect = Redirect::Done;
        let instructions = match &shared.settings.twiml_delivery {
            TwimlDelivery::Inline => {
                inline = self.plan.begin(&self.request.caller, shared.time.now());
                if inline.offer == Offer::LastWords {
                    redirect = Redirect::ToLastWords;
                }
                Instructions::Twiml(&inline.twiml)
            }
            TwimlDelivery::FromIngest(url) => {
                from_ingest = url.for_task_queue(&self.plan.task_queue_sid);
                Instructions::Url(&from_ingest)
            }
        };
        let RedirectRequest {
            account_sid,
            call_sid,
            ..
        } = self.request;
        let answer = shared
            .client
            .update_call(account_sid, call_sid, instructions)
            .await;
        slot.note(ApiHealth::of(answer.as_ref(), self.updates > 0));
        drop(slot);
        self.updates += 1;
        let error = match answer {
            Ok(request_id) => {
                shared.calls.done(self.request.task_sid);
                tracing::debug!(twilio_request_id = request_id, "updated");
                self.kept = follow_up::begin(shared, self.request, self.plan, redirect).await;
                return Next::End(Outcome::Redirected);
            }
            Err(error) => error,
        };
        self.last_error = Some(error.to_string());
        let (aftermath, advice) = failed_update(&error);
        match aftermath {
            Aftermath::None => shared.ledger.settle(intent),
            Aftermath::Over(shows_after) => shared.ledger.over(intent, shows_after),
            Aftermath::Open => {}
        }
        self.in_doubt |= aftermath != Aftermath::None;
        match advice {
            Advice::Retry {
                retry_after,
                reason,
            } => {
                self.reason = reason;
                shared.metrics.retried();
                tracing::warn!(%error, attempts = self.updates, "the update failed");
                self.again(retry_after)
            }
            Advice::Look => {
                self.contradicted = true;
                self.again(None)
            }
            Advice::Refused => {
                self.reason = Reason::Refused;
                Next::End(self.dead())
            }
        }
    }

    /// How long the job may go on once its deadline has passed. A caller who still waits gets a last
    /// chance, and one who was helped or has hung up must not become a dead letter.
    fn more_time(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.lateness == Lateness::No {
            self.lateness = Lateness::LastChance;
            return Some(now + LAST_CHANCE.min(self.shared.settings.deadline));
        }
        self.lateness = Lateness::Over;
        // Somebody may be helping the caller at this very moment.
        let doubt = self.shared.ledger.doubt(&self.request.call_sid);
        let doubt = doubt.filter(|doubt| *doubt > now)?;
        Some(doubt + LOOK_TWICE)
    }

    fn dead(&self) -> Outcome {
        Outcome::Dead(Cause {
            reason: self.reason.clone(),
            attempts: self.updates,
            last_error: self.last_error.clone(),
        })
    }

    /// Whether the event is taken at its word: it is as new as that, by Twilio's own clock.
    fn event_is_new(&self) -> bool {
        self.request.is_live()
            && !self.contradicted
            && self.shared.time.told().is_some()
            && self.age() < self.shared.settings.verify_after
    }

    fn age(&self) -> Duration {
        self.shared.time.age(self.request.entered_at)
    }

    /// A slot for requests to the Calls API. Callers who were not tried yet go first.
    async fn slot(&self) -> Result<Slot, Interrupted> {
        let tried = self.updates > 0 || self.unseen_since.is_some();
        let class = match tried || self.shared.ledger.doubt(&self.request.call_sid).is_some() {
            true => Class::Look,
            false => Class::Redirect,
        };
        self.held.is_at(Step::InLine);
        let enter = self.shared.lookup.calls_api.enter(class);
        let slot = self.deadline.wait(enter).await?;
        self.held.is_at(Step::UnderWay);
        Ok(slot)
    }

    fn again(&mut self, retry_after: Option<Duration>) -> Next {
        let asked = retry_after.unwrap_or_default();
        let asked = asked.min(self.shared.settings.longest_retry_after);
        Next::Again(self.delays.next_delay().max(asked))
    }
}
