//! How the service is served: its routes, and its stop.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use service::http::{self, Limits, Timeouts};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use twilio::{EVENT_STREAM_PATH, EVENTS_PATH, TWIML_PATH};

use crate::handlers;
use crate::ingest::Ingest;
use crate::next_step::next_step;

impl Ingest {
    /// The service's routes, to be served by whoever has a listener. A path in the public URL may come
    /// along or not: some proxies cut it off.
    pub fn router(self: &Arc<Self>) -> Router {
        let mut prefixes = vec!["", self.public_url.path_prefix()];
        prefixes.dedup();
        prefixes
            .into_iter()
            .fold(Router::new().without_v07_checks(), |router, prefix| {
                let batches = post(handlers::event_stream);
                let twiml = get(handlers::redirect_twiml).post(handlers::redirect_twiml);
                router
                    .route(&format!("{prefix}{EVENT_STREAM_PATH}"), batches)
                    .route(
                        &format!("{prefix}{EVENTS_PATH}"),
                        post(handlers::event_callback),
                    )
                    .route(&format!("{prefix}{TWIML_PATH}"), twiml)
                    .route(
                        &format!("{prefix}{}{{*rest}}", ladder::PATH),
                        post(next_step),
                    )
            })
            .with_state(Arc::clone(self))
    }

    /// Moves what is in the spool to the queue, until `stop` is cancelled.
    pub async fn drain_spool(self: Arc<Self>, stop: CancellationToken) {
        if let Err(error) = self.outbox.drain(&stop).await {
            tracing::error!(%error, "draining the spool has stopped: restart ingest");
        }
    }

    /// Serves on `listener` until `stop` is cancelled, then finishes the callbacks under way,
    /// within the stop timeout.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        timeouts: Timeouts,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let ingest = Arc::new(self);
        tracing::info!(
            listen = %listener.local_addr()?,
            url = format_args!("{}{EVENTS_PATH}", ingest.public_url),
            "ingest is up"
        );
        let draining = tokio::spawn(Arc::clone(&ingest).drain_spool(stop.clone()));
        let limits = Limits {
            timeouts,
            connections: ingest.max_connections,
        };
        let metrics = ingest.connections.clone();
        let served = async {
            http::serve(listener, ingest.router(), limits, metrics, stop.clone()).await;
            // Publishes go on even where their senders have left.
            ingest.under_way.close();
            ingest.under_way.wait().await;
        };
        tokio::select! {
            () = served => {}
            () = async {
                stop.cancelled().await;
                tokio::time::sleep(ingest.stop_timeout).await;
            } => {
                tracing::warn!("callbacks still under way were cut off by the stop timeout");
            }
        }
        draining.abort();
        ingest.outbox.close().await;
        Ok(())
    }
}
