//! The service: what it needs, and how it is served.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use jiff::Timestamp;
use queue::sqlite::SqliteQueue;
use queue::{Message, PublishError, Queue, Source, TraceParent};
use service::settings::TwilioSettings;
use service::{Host, Plans};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use twilio::{AccountSid, SignatureVerifier, SignedUrl, TaskRouterEvent, TaskSid};

use crate::filter::{Ignored, redirect_request};
use crate::hand_over::HandOver;
use crate::handlers;
use crate::metrics::Metrics;
use crate::outcome::Outcome;
use crate::settings::IngestSettings;
use crate::spool;

/// The largest form: some times what TaskRouter lets a task's attributes take.
const MAX_FORM_BYTES: usize = 256 * 1024;

/// The largest batch of Event Streams.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// How many tasks without a call are remembered, to warn of each once.
const MAX_WARNED: usize = 1024;

pub(crate) const EVENTS_PATH: &str = "/taskrouter/events";
pub(crate) const EVENT_STREAM_PATH: &str = "/taskrouter/event-stream";
pub(crate) const TWIML_PATH: &str = "/twiml/redirect";

/// The service that takes event callbacks.
pub struct Ingest {
    pub(crate) verifier: SignatureVerifier,
    pub(crate) events_url: SignedUrl,
    pub(crate) event_stream_url: SignedUrl,
    pub(crate) twiml_url: SignedUrl,
    pub(crate) plans: Plans,
    pub(crate) metrics: Metrics,
    account: AccountSid,
    hand_over: HandOver,
    spool: Option<Arc<SqliteQueue>>,
    stop_timeout: Duration,
    warned: Mutex<HashSet<TaskSid>>,
}

impl Ingest {
    /// A service that publishes to the host's queue, or to the spool while that is away. An
    /// embedded queue has no spool: the disk that fails it would fail both.
    ///
    /// # Errors
    /// The spool can't be used.
    pub async fn new(
        host: &mut Host,
        settings: &IngestSettings,
        twilio: &TwilioSettings,
        verifier: SignatureVerifier,
        plans: Plans,
    ) -> anyhow::Result<Self> {
        let metrics = Metrics::register(&mut host.registry);
        let spool = match &settings.spool {
            Some(spool) if !host.queue_is_embedded => Some(spool::open(spool).await?),
            _ => None,
        };
        match &spool {
            Some(spool) => host.check(spool::readiness(&host.queue, spool)),
            None => host.check_queue(),
        }
        let url = |path| SignedUrl::new(&settings.public_url.join(path));
        Ok(Self {
            verifier,
            events_url: url(EVENTS_PATH),
            event_stream_url: url(EVENT_STREAM_PATH),
            twiml_url: url(TWIML_PATH),
            plans,
            account: twilio.account_sid,
            hand_over: HandOver {
                queue: host.queue.clone(),
                spool: spool.clone().map(|spool| spool as Arc<dyn Queue>),
                allowed: settings.publish_timeout,
                metrics: metrics.clone(),
            },
            metrics,
            spool,
            stop_timeout: settings.stop_timeout,
            warned: Mutex::default(),
        })
    }

    /// Serves on `listener` until `stop` is cancelled, then finishes the callbacks under way,
    /// within the stop timeout.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let stop_timeout = self.stop_timeout;
        tracing::info!(listen = %listener.local_addr()?, url = ?self.events_url, "ingest is up");
        let draining = self.spool.clone().map(|spool| {
            let queue = self.hand_over.queue.clone();
            let drain = spool::drain(spool, queue, self.metrics.clone(), stop.clone());
            tokio::spawn(async move {
                if let Err(error) = drain.await {
                    tracing::error!(%error, "the spool is drained no more");
                }
            })
        });
        let spool = self.spool.clone();
        let router = Router::new()
            .route(
                EVENT_STREAM_PATH,
                post(handlers::event_stream).layer(DefaultBodyLimit::max(MAX_BATCH_BYTES)),
            )
            .route(EVENTS_PATH, post(handlers::event_callback))
            .route(
                TWIML_PATH,
                get(handlers::redirect_twiml).post(handlers::redirect_twiml),
            )
            .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
            .with_state(Arc::new(self));
        let stopping = stop.clone();
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stopping.cancelled().await })
            .into_future();
        let ended = tokio::select! {
            ended = served => ended,
            () = async {
                stop.cancelled().await;
                tokio::time::sleep(stop_timeout).await;
            } => {
                tracing::warn!("callbacks still under way were cut off by the stop timeout");
                Ok(())
            }
        };
        if let Some(draining) = draining {
            draining.abort();
        }
        if let Some(spool) = spool {
            spool.close().await;
        }
        ended
    }

    /// Takes one event of Twilio's.
    pub(crate) async fn take(self: &Arc<Self>, event: &TaskRouterEvent, source: Source) -> Outcome {
        if event.account_sid != self.account {
            tracing::warn!(account_sid = %event.account_sid, "an event of another account was refused");
            return Outcome::ForeignAccount;
        }
        let request = match redirect_request(event, source, &self.plans, Timestamp::now()) {
            Ok(request) => request,
            Err(why) => {
                if why == Ignored::NoCall {
                    self.warn_once(event);
                }
                return Outcome::Ignored(why);
            }
        };
        let message = Message {
            request,
            traceparent: Some(TraceParent::new(
                rand::random::<u128>() | 1,
                rand::random::<u64>() | 1,
                true,
            )),
        };
        let ingest = Arc::clone(self);
        // On its own, so that a client that leaves doesn't cut the publish short.
        let taken = tokio::spawn(async move { ingest.hand_over(message).await });
        taken.await.unwrap_or_else(|panic| {
            Outcome::Unavailable(PublishError::Unavailable(panic.to_string()))
        })
    }

    async fn hand_over(&self, message: Message) -> Outcome {
        let started = Instant::now();
        let outcome = self.hand_over.take(&message).await;
        let request = &message.request;
        match &outcome {
            Outcome::Unavailable(error) => tracing::error!(
                event_sid = %request.event_sid,
                call_sid = %request.call_sid,
                task_sid = %request.task_sid,
                %error,
                "not durable; Twilio is asked to send it again"
            ),
            _ => tracing::info!(
                event_sid = %request.event_sid,
                call_sid = %request.call_sid,
                task_sid = %request.task_sid,
                task_queue_sid = %request.task_queue_sid,
                trace_id = message.traceparent.as_ref().map(TraceParent::trace_id),
                durable_in_ms = started.elapsed().as_secs_f64() * 1e3,
                "{outcome}"
            ),
        }
        outcome
    }

    fn warn_once(&self, event: &TaskRouterEvent) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() >= MAX_WARNED {
            warned.clear();
        }
        if warned.insert(event.task_sid) {
            tracing::warn!(
                event_sid = %event.sid,
                task_sid = %event.task_sid,
                "a task without a call entered a placeholder task queue: nothing to redirect; \
                 keep other channels out of that queue by the workflow's filters"
            );
        }
    }
}
