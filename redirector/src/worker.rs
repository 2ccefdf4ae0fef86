//! The service: takes deliveries up to its prefetch, each in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use queue::{Lane, QueueError};
use service::{Host, Plans};
use tokio::task::JoinSet;
use twilio::rest::Client;

use crate::calls::Calls;
use crate::delivery::handle;
use crate::follow_up::FollowUp;
use crate::ledger::Ledger;
use crate::limiter::Limiter;
use crate::lookup::Lookup;
use crate::members::VoiceQueues;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::notifier;
use crate::outbox::Outbox;
use crate::settings::RedirectorSettings;
use crate::shared::Shared;
use crate::sweep::Sweeper;
use crate::twilio_time::TwilioTime;

/// How often the limiters are read for the metrics.
const READ_LIMITERS: Duration = Duration::from_secs(1);

/// The service that redirects calls.
pub struct Redirector {
    shared: Arc<Shared>,
}

impl Redirector {
    /// A redirector of the requests on the host's queue. It stops when the host does.
    pub fn new(
        host: &mut Host,
        settings: RedirectorSettings,
        client: Client,
        plans: Plans,
    ) -> Self {
        host.check_queue();
        let time = Arc::new(TwilioTime::new(host.clock.clone()));
        let metrics = Metrics::register(&mut host.registry, &plans, Arc::clone(&time));
        let client = client.observed_by(metrics.observer());
        let limiter = || {
            Limiter::new(
                "Twilio",
                settings.max_in_flight,
                settings.retry,
                settings.longest_retry_after,
            )
        };
        let (calls_api, taskrouter) = (limiter(), limiter());
        let voice_queues = VoiceQueues::new(
            client.clone(),
            Arc::clone(&calls_api),
            settings.verify_after,
        );
        let outbox = Outbox::start(
            host.queue.clone(),
            settings.retry,
            host.stop.clone(),
            plans.outcomes(),
            settings.prefetch.into(),
        );
        let ledger = Arc::new(Ledger::new(settings.twilio_late));
        let shared = Arc::new(Shared {
            lookup: Lookup {
                client: client.clone(),
                calls_api,
                taskrouter,
                voice_queues: Arc::new(voice_queues),
                known_tasks: Mutex::default(),
                known_workflows: Mutex::default(),
            },
            intents: host.queue.intents(ledger.clone()),
            ledger,
            queue: host.queue.clone(),
            // Kept for as long as a copy of the event could arrive.
            calls: Calls::new(settings.deadline),
            stop: host.stop.clone(),
            plans,
            client,
            time,
            clock: host.clock.clone(),
            swept: Mutex::default(),
            metrics,
            told: Memory::new(),
            outbox,
            settings,
        });
        let reports = Arc::clone(&shared);
        host.report(Arc::new(move |report| reports.report(report)));
        Self { shared }
    }

    /// Works until it is stopped: then it finishes the updates under way, within the stop timeout,
    /// and gives everything else back to the queue.
    ///
    /// # Errors
    /// The queue can't be used, and no waiting mends it.
    pub async fn run(self) -> Result<(), QueueError> {
        let shared = self.shared;
        let mut consumer = shared
            .queue
            .consume(Lane::Redirects, shared.settings.prefetch)
            .await?;
        tracing::info!(prefetch = shared.settings.prefetch, "redirector is up");
        let mut sweep = JoinSet::new();
        if let Some(settings) = shared.settings.sweep.clone() {
            sweep.spawn(Sweeper::new(Arc::clone(&shared), settings).run());
        }
        let mut beside = JoinSet::new();
        beside.spawn(FollowUp::new(Arc::clone(&shared)).run());
        let mut notifier = JoinSet::new();
        notifier.spawn(notifier::run(Arc::clone(&shared)));
        let mut jobs = JoinSet::new();
        let mut ended = Ok(());
        let mut read_limiters = tokio::time::interval(READ_LIMITERS);
        loop {
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                Some(_) = jobs.join_next() => {}
                Some(Ok(Err(error))) = beside.join_next() => {
                    ended = Err(error);
                    break;
                }
                _ = read_limiters.tick() => shared.read_limiters(),
                delivery = consumer.next() => match delivery {
                    Ok(delivery) => {
                        let shared = Arc::clone(&shared);
                        jobs.spawn(async move { handle(&shared, delivery).await });
                    }
                    Err(error) => {
                        ended = Err(error);
                        break;
                    }
                },
            }
        }
        // If the queue can't be used, nothing goes on beside it.
        shared.stop.cancel();
        consumer.stop().await;
        // What it publishes is durable or not; it leaves nothing half done.
        sweep.abort_all();
        tracing::info!(under_way = jobs.len(), "finishing what is under way");
        let finished = async {
            while jobs.join_next().await.is_some() {}
            while notifier.join_next().await.is_some() {}
            shared.outbox.close().await;
        };
        let finished = tokio::time::timeout(shared.settings.stop_timeout, finished).await;
        if finished.is_err() {
            tracing::warn!(
                cut_off = jobs.len(),
                "what was still under way was cut off by the stop timeout; it is delivered again"
            );
        }
        // They stop by themselves, within the same time.
        while beside.join_next().await.is_some() {}
        ended
    }
}

impl Shared {
    fn read_limiters(&self) {
        for (api, limiter) in self.limiters() {
            self.metrics.limiter(api, limiter.reading());
        }
    }
}
