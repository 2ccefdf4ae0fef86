//! Tells those whom plans name what became of callers. Nobody who waits for a redirect waits for that:
//! it has a consumer and limits of its own, and so has each plan.

mod body;
pub(crate) mod metrics;
mod receiver;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use notify::Failure;
use queue::{Cause, Content, Delivery, Lane, Outcome, QueueError, Reason, TraceParent};
use service::telemetry;
use tokio::task::JoinSet;
use tracing::Instrument;

use self::metrics::{PANIC, PUT_OFF, REFUSED, RELEASED, TOLD, UNDECODABLE};
use self::receiver::Receiver;
use crate::labels::NO_PLAN;
use crate::outcome::{PANICKED, PANICS};
use crate::shared::Shared;

struct Notifier {
    shared: Arc<Shared>,
    /// By the names of their plans.
    receivers: HashMap<String, Receiver>,
}

/// How a notification ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// The receiver took it.
    Told,
    /// As a dead letter: by which of [`metrics::RESULTS`], and why.
    Dead(&'static str, String),
    /// At the end of the queue, because too many wait for the receiver already.
    PutOff,
    /// We stop: another consumer takes it.
    Released,
    /// It panicked: it is put on the queue again, or is a dead letter.
    Panicked,
}

/// Tells those whom plans name, until the process is stopped: then it finishes the requests under way,
/// and gives everything else back to the queue.
pub(crate) async fn run(shared: Arc<Shared>) {
    let problem = match Notifier::new(shared) {
        Ok(notifier) => notifier.run().await.err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(problem) = problem {
        tracing::error!(problem, "nobody is told any more what became of callers");
    }
}

impl Notifier {
    fn new(shared: Arc<Shared>) -> Result<Self, Failure> {
        let plans = || shared.plans.iter().filter(|plan| plan.notify.is_some());
        let share = usize::from(shared.settings.prefetch) / plans().count().max(1);
        let mut receivers = HashMap::new();
        for plan in plans() {
            if let Some(notify) = plan.notify.clone() {
                let receiver = Receiver::new(notify, share.max(1), &shared)?;
                receivers.insert(plan.name.clone(), receiver);
            }
        }
        Ok(Self { shared, receivers })
    }

    async fn run(self) -> Result<(), QueueError> {
        let notifier = Arc::new(self);
        let Shared {
            stop,
            queue,
            settings,
            ..
        } = &*notifier.shared;
        let consumer = queue.consume(Lane::Notifications, settings.prefetch);
        let Some(consumer) = stop.run_until_cancelled(consumer).await else {
            return Ok(());
        };
        let mut consumer = consumer?;
        let mut jobs = JoinSet::new();
        let ended = loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break Ok(()),
                Some(_) = jobs.join_next() => {}
                delivery = consumer.next() => match delivery {
                    Ok(delivery) => {
                        let notifier = Arc::clone(&notifier);
                        jobs.spawn(async move { notifier.handle(delivery).await });
                    }
                    Err(error) => break Err(error),
                },
            }
        };
        consumer.stop().await;
        while jobs.join_next().await.is_some() {}
        ended
    }

    /// Takes a delivery to its end, and settles it.
    async fn handle(&self, delivery: Delivery) {
        let outcome = match delivery.message.content() {
            Ok(Content::Notify(outcome)) => Ok(outcome),
            Ok(_) => Err("it is no notification".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let traceparent = delivery.message.traceparent.as_ref();
        let span = tracing::error_span!(
            "notification",
            id = delivery.message.id.as_deref(),
            call_sid = outcome.as_ref().ok().map(|o| o.call_sid.to_string()),
            trace_id = traceparent.map(TraceParent::trace_id),
        );
        let work = async {
            let mut attempts = 0;
            let receiver = outcome.as_ref().map(|o| self.receivers.get(&o.plan));
            let end = match (&outcome, receiver) {
                (Ok(outcome), Ok(Some(receiver))) => {
                    let told = receiver.tell(&self.shared, outcome, &mut attempts);
                    let told = AssertUnwindSafe(told).catch_unwind().await;
                    told.unwrap_or(End::Panicked)
                }
                (Ok(outcome), _) => {
                    let problem = format!("no plan {:?} tells anybody here", outcome.plan);
                    End::Dead(REFUSED, problem)
                }
                (Err(problem), _) => End::Dead(UNDECODABLE, problem.clone()),
            };
            self.settle(delivery, outcome.ok().as_ref(), end, attempts)
                .await;
        };
        work.instrument(span).await;
    }

    /// Puts it at the end of the queue.
    async fn again(&self, delivery: Delivery, outcome: Option<&Outcome>) -> Result<(), QueueError> {
        if let Some(outcome) = outcome {
            let again = Content::Notify(outcome.clone()).into();
            if let Err(error) = self.shared.queue.publish(&again).await {
                tracing::debug!(%error, "it keeps its place in the queue");
                return delivery.release().await;
            }
        }
        delivery.ack().await
    }

    async fn settle(&self, delivery: Delivery, outcome: Option<&Outcome>, end: End, attempts: u32) {
        let is_poison = delivery.message.panics + 1 >= PANICS;
        let (result, last_error) = match end {
            End::Told => (TOLD, None),
            End::PutOff => (PUT_OFF, None),
            End::Released => (RELEASED, None),
            End::Panicked => (PANIC, is_poison.then(|| PANICKED.to_owned())),
            End::Dead(result, problem) => (result, Some(problem)),
        };
        let cause = last_error.map(|problem| Cause {
            reason: match result {
                UNDECODABLE => Reason::Undecodable,
                _ => Reason::NotNotified,
            },
            attempts,
            last_error: Some(problem),
        });
        let settled = match (result, &cause) {
            (_, Some(cause)) => delivery.dead_letter(cause).await,
            (PUT_OFF, None) => self.again(delivery, outcome).await,
            (RELEASED, None) => delivery.release().await,
            (PANIC, None) => delivery.panicked().await,
            (_, None) => delivery.ack().await,
        };
        let plan = outcome.map(|outcome| outcome.plan.as_str());
        let receiver = plan.and_then(|plan| self.receivers.get(plan));
        let metrics = &self.shared.metrics;
        let known = plan.filter(|_| receiver.is_some());
        metrics.notifier.ended(known.unwrap_or(NO_PLAN), result);
        let host = receiver.map(Receiver::host);
        match (settled, cause) {
            (Err(error), _) => {
                tracing::warn!(result, %error, "not settled: it will be delivered again");
            }
            (Ok(()), Some(cause)) => {
                metrics.dead_lettered(&cause.reason);
                let (reason, last_error) = (cause.reason.as_str(), cause.last_error);
                let message = "somebody could not be told what became of a caller";
                tracing::error!(
                    result,
                    plan,
                    host,
                    reason,
                    attempts,
                    last_error,
                    "{message}"
                );
            }
            (Ok(()), None) if result == PUT_OFF => tracing::debug!(plan, host, "{result}"),
            (Ok(()), None) => {
                let after = outcome.map(|outcome| self.shared.time.age(outcome.at));
                let after_ms = after.map(telemetry::millis);
                tracing::info!(result, plan, host, attempts, after_ms, "{result}");
            }
        }
    }
}
