//! Tells those whom plans name what became of callers. Nobody who waits for a redirect waits for that:
//! it has a consumer and limits of its own, and so has each plan.

mod body;
mod end;
mod metrics;
mod receiver;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use notify::Failure;
use queue::{Content, Delivery, Lane, Outcome, QueueError, TraceParent};
use service::telemetry;
use tokio::task::JoinSet;
use tracing::Instrument;

use self::end::End;
pub(crate) use self::metrics::NotifierMetrics;
use self::receiver::Receiver;
use crate::delivery::PANICS;
use crate::metrics::NO_PLAN;
use crate::shared::Shared;

struct Notifier {
    shared: Arc<Shared>,
    /// By the names of their plans.
    receivers: HashMap<String, Receiver>,
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
        let plans = shared.plans.iter();
        let plans: Vec<_> = plans
            .filter_map(|plan| Some((plan.name.clone(), plan.notify.clone()?)))
            .collect();
        let share = usize::from(shared.settings.prefetch) / plans.len().max(1);
        let receivers = plans
            .into_iter()
            .map(|(plan, notify)| Ok((plan, Receiver::new(notify, share.max(1), &shared)?)))
            .collect::<Result<_, Failure>>()?;
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
            let end = match &outcome {
                Ok(outcome) => {
                    let told = AssertUnwindSafe(self.tell(outcome, &mut attempts));
                    told.catch_unwind().await.unwrap_or(End::Panicked)
                }
                Err(problem) => End::Undecodable(problem.clone()),
            };
            self.settle(delivery, outcome.ok().as_ref(), end, attempts)
                .await;
        };
        work.instrument(span).await;
    }

    async fn tell(&self, outcome: &Outcome, attempts: &mut u32) -> End {
        match self.receivers.get(&outcome.plan) {
            Some(receiver) => receiver.tell(&self.shared, outcome, attempts).await,
            None => End::Refused(format!("no plan {:?} tells anybody here", outcome.plan)),
        }
    }

    async fn settle(
        &self,
        delivery: Delivery,
        outcome: Option<&Outcome>,
        mut end: End,
        attempts: u32,
    ) {
        if end == End::Panicked && delivery.message.panics + 1 >= PANICS {
            end = End::Poison;
        }
        let result = end.as_str();
        let cause = end.clone().cause(attempts);
        let settled = match (&end, &cause) {
            (_, Some(cause)) => delivery.dead_letter(cause).await,
            (End::Released, None) => delivery.release().await,
            (End::Panicked, None) => delivery.panicked().await,
            (_, None) => delivery.ack().await,
        };
        let plan = outcome.map(|outcome| outcome.plan.as_str());
        let receiver = plan.and_then(|plan| self.receivers.get(plan));
        let metrics = &self.shared.metrics;
        let known = plan.filter(|_| receiver.is_some());
        metrics.notifier.ended(known.unwrap_or(NO_PLAN), result);
        if let Err(error) = settled {
            tracing::warn!(result, %error, "not settled: it will be delivered again");
            return;
        }
        let host = receiver.map(Receiver::host);
        match cause {
            Some(cause) => {
                metrics.dead_lettered(&cause.reason);
                tracing::error!(
                    result,
                    plan,
                    host,
                    reason = cause.reason.as_str(),
                    attempts,
                    last_error = cause.last_error,
                    "somebody could not be told what became of a caller"
                );
            }
            None => {
                let after = outcome.map(|outcome| self.shared.time.age(outcome.at));
                let after_ms = after.map(telemetry::millis);
                tracing::info!(result, plan, host, attempts, after_ms, "{result}");
            }
        }
    }
}
