//! What became of callers: counted, told, and where nothing was heard of one, asked for. No caller
//! waits for any of this: it has a consumer of its own, and is last in line for Twilio.

mod ask;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use queue::{
    CallerEnd, Cause, Content, Delivery, Lane, Outcome, OutcomeKind, QueueError, Reason,
    RedirectRequest, Redirected,
};
use service::{Notify, Plan};
use tokio::task::JoinSet;

use crate::deadline::Interrupted;
use crate::memory::READ_BACK;
use crate::outbox::Kept;
use crate::shared::Shared;

/// How many outcomes are held at a time.
const PREFETCH: u16 = 500;

/// How long it takes before the history is read again.
const PAUSE: Duration = Duration::from_secs(1);

/// So many failed calls in a row of one plan are more than bad luck.
const FAILED_IN_A_ROW: u32 = 3;

/// How a caller was redirected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// Somebody is rung, or a message is recorded.
    Done,
    /// The plan had nothing but its last words for them.
    ToLastWords,
    /// The update had no answer, and they don't wait any more.
    Unanswered,
    /// They are gone, perhaps by an update that somebody else sent.
    InDoubt,
}

/// Sees to it that what becomes of a redirected caller will be known, even if nobody tells. The request is
/// done once what is returned ends.
pub(crate) async fn begin(
    shared: &Shared,
    request: &RedirectRequest,
    plan: &Plan,
    redirect: Redirect,
) -> Option<Kept> {
    let redirected = Redirected {
        account_sid: request.account_sid,
        call_sid: request.call_sid,
        task_sid: request.task_sid,
        plan: plan.name.clone(),
        entered_at: request.entered_at,
        redirected_at: shared.time.now(),
        in_doubt: matches!(redirect, Redirect::Unanswered | Redirect::InDoubt),
        was_over: false,
    };
    let outbox = &shared.outbox;
    match redirect {
        Redirect::Done | Redirect::Unanswered => {
            shared.told.redirected(&redirected);
            return Some(outbox.redirected(redirected));
        }
        Redirect::ToLastWords => {
            let closed = redirected.missed(redirected.redirected_at, OutcomeKind::Closed);
            shared.told.redirected(&redirected);
            shared.queue.tell(&redirected.into()).await;
            outbox.put(Content::Outcome(closed)).await;
        }
        Redirect::InDoubt => outbox.put(redirected.into()).await,
    }
    None
}

/// Takes outcomes off the queue.
pub(crate) struct FollowUp {
    shared: Arc<Shared>,
    /// How many calls of each plan have failed in a row.
    failed: Mutex<HashMap<String, u32>>,
}

impl FollowUp {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            failed: Mutex::default(),
        })
    }

    /// Works until it is stopped, then finishes what is under way.
    ///
    /// # Errors
    /// The queue can't be used, and no waiting mends it.
    pub(crate) async fn run(self: Arc<Self>) -> Result<(), QueueError> {
        let mut consumer = self.shared.queue.consume(Lane::Outcomes, PREFETCH).await?;
        let mut beside = JoinSet::new();
        let listener = Arc::clone(&self);
        beside.spawn(async move { listener.listen().await });
        let mut jobs = JoinSet::new();
        let ended = loop {
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => break Ok(()),
                Some(_) = jobs.join_next() => {}
                delivery = consumer.next() => match delivery {
                    Ok(delivery) => {
                        let follow_up = Arc::clone(&self);
                        jobs.spawn(async move { follow_up.handle(delivery).await });
                    }
                    Err(error) => break Err(error),
                },
            }
        };
        consumer.stop().await;
        let finished = async { while jobs.join_next().await.is_some() {} };
        // What is cut off is delivered again.
        let _ = tokio::time::timeout(self.shared.settings.stop_timeout, finished).await;
        ended
    }

    /// Learns from what all redirectors tell, so that another one may take over at any time.
    async fn listen(&self) {
        loop {
            let began = self.shared.time.now();
            match self.shared.queue.history(READ_BACK).await {
                Ok(mut history) => {
                    while let Ok(told) = history.next().await {
                        self.shared.told.learn(&told);
                        match told {
                            Content::Outcome(outcome) if outcome.at >= began => {
                                self.count_failures(&outcome);
                            }
                            _ => {}
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "the history can't be read at the moment"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn handle(&self, delivery: Delivery) {
        let done = match delivery.message.content() {
            Ok(Content::Outcome(outcome)) => self.report(outcome).await,
            Ok(Content::Redirected(redirected)) => self.look_after(redirected).await,
            other => {
                let problem = other.err().map_or_else(
                    || "a message of another queue".to_owned(),
                    |error| error.to_string(),
                );
                let cause = Cause {
                    reason: Reason::Undecodable,
                    attempts: 0,
                    last_error: Some(problem),
                };
                self.shared.metrics.dead_lettered(&cause.reason);
                // If it can't be stored there, it comes again.
                let _ = delivery.dead_letter(&cause).await;
                return;
            }
        };
        // Unsettled, it comes again.
        let _ = match done {
            Ok(()) => delivery.ack().await,
            Err(_) => delivery.release().await,
        };
    }

    /// Reports an outcome, unless it was.
    async fn report(&self, mut outcome: Outcome) -> Result<(), Interrupted> {
        let told = &self.shared.told;
        if told.knows(&outcome.id) {
            return Ok(());
        }
        outcome.caller = told.end(&outcome);
        outcome.task_sid = outcome.task_sid.or_else(|| told.task(&outcome.call_sid));
        let mut plans = self.shared.plans.iter();
        let notify = plans
            .find(|plan| plan.name == outcome.plan)
            .and_then(|plan| plan.notify.as_ref());
        let wants = |notify: &Notify| outcome.caller.is_some_and(|end| notify.wants(end));
        if notify.is_some_and(wants) {
            let notify = Content::Notify(outcome.clone());
            self.shared.outbox.publish(notify).await?;
        }
        // Only now: should this not have been, another copy of it is reported.
        if !self.shared.told.claim(&outcome) {
            return Ok(());
        }
        self.shared
            .metrics
            .outcome(&outcome.plan, outcome.outcome, outcome.caller);
        if let Some(end) = outcome.caller {
            log(&outcome, end);
        }
        self.shared.queue.tell(&Content::Outcome(outcome)).await;
        Ok(())
    }

    /// Says what it usually is where Twilio can dial nobody.
    fn count_failures(&self, outcome: &Outcome) {
        let mut failed = self.failed.lock();
        let in_a_row = failed.entry(outcome.plan.clone()).or_default();
        *in_a_row = match outcome.outcome {
            OutcomeKind::Failed => in_a_row.saturating_add(1),
            OutcomeKind::Closed | OutcomeKind::LastWords | OutcomeKind::HungUp => *in_a_row,
            _ => 0,
        };
        if *in_a_row == FAILED_IN_A_ROW {
            tracing::error!(
                plan = outcome.plan,
                "Twilio can't dial the numbers of this plan: {FAILED_IN_A_ROW} calls in a row have \
                 failed. Usually the number shown isn't ours or verified (error 13214: set caller_id \
                 or caller_id_fallback), the number is wrong (13224), or its country isn't enabled \
                 (Voice geographic permissions); `overflow doctor` looks at each"
            );
        }
    }
}

/// The one line for each caller.
fn log(outcome: &Outcome, end: CallerEnd) {
    tracing::info!(
        call_sid = %outcome.call_sid,
        task_sid = outcome.task_sid.map(|task| task.to_string()),
        plan = outcome.plan,
        step = outcome.step,
        outcome = outcome.outcome.as_str(),
        seconds = outcome.seconds,
        "{}",
        match end {
            CallerEnd::Taken => "somebody had the caller",
            CallerEnd::Recorded => "the caller left a message",
            CallerEnd::Missed => "nobody had the caller",
        }
    );
}
