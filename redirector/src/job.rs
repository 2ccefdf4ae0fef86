//! One delivery, from the queue to its outcome.

use std::sync::Arc;
use std::time::Duration;

use queue::{Cause, Delivery, Lease, Queue, Reason, RedirectRequest, TraceParent};
use service::{Plan, Plans, telemetry};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};
use twilio::rest::Instructions;

use crate::age::age;
use crate::attempts::{Attempts, Next};
use crate::calls::Calls;
use crate::end::End;
use crate::metrics::Metrics;
use crate::patience::{Interrupted, Patience};
use crate::settings::{RedirectorSettings, TwimlDelivery};
use crate::twilio_api::{Failure, Standing, TwilioApi};

/// How long closing a task may take; its caller is taken care of by then.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);
/// How long Twilio is asked whether a caller whose deadline has passed still waits.
const LAST_QUESTION: Duration = Duration::from_secs(10);
/// How much longer than an event is taken at its word its call stays claimed, so that clocks which
/// differ a little leave no gap.
const CLAIM_MARGIN: Duration = Duration::from_secs(1);

/// What all deliveries of the process share.
pub(crate) struct Desk {
    pub(crate) settings: RedirectorSettings,
    pub(crate) plans: Plans,
    pub(crate) twilio: TwilioApi,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
}

impl Desk {
    /// Takes a delivery to its end, and settles it.
    pub(crate) async fn handle(&self, delivery: Delivery) {
        let request = delivery.message.decode();
        let since = request.as_ref().ok().map(|r| r.entered_at);
        let _held = self.metrics.delivered(since);
        let traceparent = delivery.message.traceparent.as_ref();
        let of_trace = tracing::trace_span!(
            target: telemetry::TARGET,
            "process redirect request",
            otel.kind = "consumer",
            messaging.operation.r#type = "process",
            messaging.message.id = delivery.message.id.as_deref(),
            call_sid = request.as_ref().ok().map(|r| field::display(r.call_sid)),
            task_sid = request.as_ref().ok().map(|r| field::display(r.task_sid)),
            redelivered = delivery.redelivered,
            outcome = field::Empty,
        );
        telemetry::resume(&of_trace, traceparent);
        let span = tracing::info_span!(
            "delivery",
            event_sid = delivery.message.id.as_deref(),
            call_sid = request.as_ref().ok().map(|r| r.call_sid.to_string()),
            task_sid = request.as_ref().ok().map(|r| r.task_sid.to_string()),
            trace_id = traceparent.map(TraceParent::trace_id),
        );
        let plan = request
            .as_ref()
            .ok()
            .and_then(|r| self.plans.get(&r.task_queue_sid));
        async {
            let end = match &request {
                Ok(request) => self.attend(request, plan, &delivery).await,
                Err(error) => End::Dead(Cause {
                    reason: Reason::Undecodable,
                    attempts: 0,
                    last_error: Some(error.to_string()),
                }),
            };
            of_trace.record("outcome", end.as_str());
            self.settle(delivery, &end, plan.map(|plan| plan.name.as_str()))
                .await;
        }
        .instrument(span)
        .instrument(of_trace.clone())
        .await;
    }

    async fn settle(&self, delivery: Delivery, end: &End, plan: Option<&str>) {
        let (redelivered, count) = (delivery.redelivered, delivery.delivery_count);
        let settled = match end {
            End::Redirected | End::AlreadyHandled | End::CallEnded => delivery.ack().await,
            End::Dead(cause) => {
                let settled = delivery.dead_letter(cause).await;
                if settled.is_ok() {
                    self.metrics.dead_lettered(&cause.reason);
                }
                settled
            }
            End::Released => delivery.release().await,
            End::Lost => Ok(()),
        };
        self.metrics.ended(end, plan);
        match (&settled, end) {
            (Err(error), _) => tracing::warn!(
                outcome = end.as_str(),
                %error,
                "not settled: it will be delivered again"
            ),
            (Ok(()), End::Dead(cause)) => tracing::error!(
                outcome = end.as_str(),
                reason = cause.reason.as_str(),
                attempts = cause.attempts,
                last_error = cause.last_error.as_deref(),
                "a caller could not be redirected"
            ),
            (Ok(()), _) => tracing::info!(
                outcome = end.as_str(),
                redelivered,
                delivery_count = count,
                "done"
            ),
        }
    }

    async fn attend(
        &self,
        request: &RedirectRequest,
        plan: Option<&Plan>,
        delivery: &Delivery,
    ) -> End {
        let mut attempts = Attempts::new(self.settings.retry.delays());
        attempts.doubt = delivery.redelivered || !self.is_fresh(request);
        let Some(plan) = plan else {
            return attempts.give_up(
                Reason::NoPlan,
                format!("no redirect plan for task queue {}", request.task_queue_sid),
            );
        };
        let patience = self.patience(request);
        let end = self
            .redirect_once(request, plan, delivery, &patience, &mut attempts)
            .await;
        match end {
            Ok(end) => end,
            Err(Interrupted::Stop) => End::Released,
            Err(Interrupted::Deadline) => self.too_late(request, plan, &attempts).await,
        }
    }

    /// The end of a delivery whose deadline has passed. An event that comes again after an hour is
    /// most often one of a caller who was taken care of long ago, which is nothing for an operator.
    async fn too_late(&self, request: &RedirectRequest, plan: &Plan, attempts: &Attempts) -> End {
        let patience = Patience::new(Instant::now() + LAST_QUESTION, self.stop.clone());
        let mut delays = self.settings.retry.delays();
        let interrupted = loop {
            match self.twilio.standing(request, &patience).await {
                Ok(Standing::Elsewhere) if attempts.made > 0 => {
                    self.redirected(request, plan, attempts, None);
                    return End::Redirected;
                }
                Ok(Standing::Elsewhere) => return End::AlreadyHandled,
                Ok(Standing::Ended) => return End::CallEnded,
                Ok(Standing::Waiting) => return attempts.expire(),
                Err(Failure::Interrupted(interrupted)) => break interrupted,
                Err(Failure::Rest(_)) => {}
            }
            let wait = tokio::time::sleep(delays.next_delay());
            if let Err(interrupted) = patience.wait(wait).await {
                break interrupted;
            }
        };
        match interrupted {
            Interrupted::Stop => End::Released,
            Interrupted::Deadline => attempts.expire(),
        }
    }

    /// Redirects the caller while nobody else is at the call, unless it was done before.
    async fn redirect_once(
        &self,
        request: &RedirectRequest,
        plan: &Plan,
        delivery: &Delivery,
        patience: &Patience,
        attempts: &mut Attempts,
    ) -> Result<End, Interrupted> {
        let _call = patience.wait(self.calls.hold(request.call_sid)).await?;
        if self.calls.is_done(&request.task_sid) {
            return Ok(End::AlreadyHandled);
        }
        let claim = self.claim(request, patience, attempts).await?;
        let end = loop {
            if delivery.is_lost() {
                return Ok(End::Lost);
            }
            let error = match self.attempt(request, plan, patience, attempts).await {
                Ok(end) => break end,
                Err(Failure::Interrupted(interrupted)) => return Err(interrupted),
                Err(Failure::Rest(error)) => error,
            };
            match attempts.failed(&error) {
                Next::End(end) => break end,
                Next::Retry(wait) => {
                    self.metrics.retried();
                    tracing::warn!(%error, wait_ms = wait.as_millis(), "to be tried again");
                    patience.wait(tokio::time::sleep(wait)).await?;
                }
            }
        };
        self.close_task(&end, request).await;
        self.keep(claim, request);
        Ok(end)
    }

    /// One attempt. Where there is doubt whether the caller still waits, Twilio is asked first:
    /// redirecting a caller who already talks to the outside number would cut the conversation.
    async fn attempt(
        &self,
        request: &RedirectRequest,
        plan: &Plan,
        patience: &Patience,
        attempts: &mut Attempts,
    ) -> Result<End, Failure> {
        if attempts.doubt {
            let standing = self.twilio.standing(request, patience).await?;
            self.metrics.verified(standing);
            match standing {
                Standing::Waiting => attempts.doubt = false,
                // Nobody else is at the call: it was the attempt whose answer was lost.
                Standing::Elsewhere if attempts.made > 0 => {
                    self.redirected(request, plan, attempts, None);
                    return Ok(End::Redirected);
                }
                Standing::Elsewhere => return Ok(End::AlreadyHandled),
                Standing::Ended => return Ok(End::CallEnded),
            }
        }
        let from_ingest;
        let instructions = match &self.settings.twiml_delivery {
            TwimlDelivery::Inline => Instructions::Twiml(&plan.twiml),
            TwimlDelivery::FromIngest(url) => {
                from_ingest = url.for_task_queue(&plan.task_queue_sid);
                Instructions::Url(&from_ingest)
            }
        };
        let answer = self.twilio.redirect(request, instructions, patience).await;
        if !matches!(answer, Err(Failure::Interrupted(_))) {
            attempts.made += 1;
        }
        let request_id = answer?;
        self.redirected(request, plan, attempts, request_id.as_deref());
        Ok(End::Redirected)
    }

    fn redirected(
        &self,
        request: &RedirectRequest,
        plan: &Plan,
        attempts: &Attempts,
        request_id: Option<&str>,
    ) {
        self.calls.done(request.task_sid);
        let after = age(request.entered_at);
        self.metrics.redirected(&plan.name, after);
        tracing::info!(
            plan = plan.name,
            after_ms = after.as_millis(),
            attempts = attempts.made,
            twilio_request_id = request_id,
            "redirected"
        );
    }

    /// Claims the call before all processes, so that two copies of an event which reach two
    /// redirectors at once redirect its caller once. Whoever comes second waits, and then asks
    /// Twilio.
    async fn claim(
        &self,
        request: &RedirectRequest,
        patience: &Patience,
        attempts: &mut Attempts,
    ) -> Result<Option<Box<dyn Lease>>, Interrupted> {
        let name = format!("call.{}", request.call_sid);
        let mut delays = self.settings.retry.delays();
        loop {
            match self.queue.try_lease(&name).await {
                Ok(Some(lease)) => return Ok(Some(lease)),
                Ok(None) => {
                    attempts.doubt = true;
                    patience
                        .wait(tokio::time::sleep(delays.next_delay()))
                        .await?;
                }
                // The queue can't say whether somebody else is at the call, but Twilio can.
                Err(error) => {
                    tracing::warn!(%error, "the call cannot be claimed: Twilio is asked instead");
                    attempts.doubt = true;
                    return Ok(None);
                }
            }
        }
    }

    /// Keeps the claim until a copy of the event would be too old to be taken at its word: also
    /// where the event came another way, for the callback may be yet to come.
    fn keep(&self, claim: Option<Box<dyn Lease>>, request: &RedirectRequest) {
        let until = self.settings.verify_after + CLAIM_MARGIN;
        if let Some(claim) = claim
            && let Some(rest) = until.checked_sub(age(request.entered_at))
        {
            tokio::spawn(async move {
                tokio::time::sleep(rest).await;
                drop(claim);
            });
        }
    }

    /// Closes the task of a caller who waits no more. Best effort: an open task costs a line in
    /// Flex, not a caller.
    async fn close_task(&self, end: &End, request: &RedirectRequest) {
        if !matches!(end, End::Redirected | End::AlreadyHandled | End::CallEnded) {
            return;
        }
        let patience = Patience::new(Instant::now() + CLOSE_PATIENCE, CancellationToken::new());
        let mut delays = self.settings.retry.delays();
        loop {
            let closed = match end {
                End::Redirected => self.twilio.close_task(request, &patience).await,
                _ => self.twilio.close_task_if_left(request, &patience).await,
            };
            match closed {
                Ok(_) => return,
                Err(Failure::Interrupted(_)) => break,
                Err(Failure::Rest(error)) => {
                    tracing::warn!(%error, "the task is not closed yet");
                    let wait = tokio::time::sleep(delays.next_delay());
                    if patience.wait(wait).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.metrics.task_unclosed();
    }

    fn is_fresh(&self, request: &RedirectRequest) -> bool {
        request.is_live() && age(request.entered_at) < self.settings.verify_after
    }

    fn patience(&self, request: &RedirectRequest) -> Patience {
        let rest = self
            .settings
            .deadline
            .saturating_sub(age(request.deadline_starts()));
        Patience::new(Instant::now() + rest, self.stop.clone())
    }
}
