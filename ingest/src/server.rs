//! How the service is served: its routes, and its stop.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::handlers;
use crate::ingest::{EVENT_STREAM_PATH, EVENTS_PATH, Ingest, TWIML_PATH};
use crate::spool;

/// The largest form: some times what TaskRouter lets a task's attributes take.
const MAX_FORM_BYTES: usize = 256 * 1024;

/// The largest batch of Event Streams.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

impl Ingest {
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
}
