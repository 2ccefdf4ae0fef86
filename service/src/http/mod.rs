//! Serving HTTP so that no client holds the others up: each has so long to send its head and its
//! body and to be idle, and those that keep us waiting make room for those that don't.

mod connection;
mod connections;
mod metrics;
mod open_files;
mod progress;
mod timeouts;

use std::num::NonZeroUsize;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::connections::Connections;

pub use self::metrics::{ConnectionMetrics, ListenerMetrics};
pub use self::timeouts::{HttpArgs, Timeouts};

/// What holds for the clients of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long each may take.
    pub timeouts: Timeouts,
    /// How many there are at most.
    pub connections: NonZeroUsize,
}

/// Serves on `listener` until `stop` is cancelled, and returns once the requests under way are
/// answered.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    metrics: ListenerMetrics,
    stop: CancellationToken,
) {
    let connections = Connections::new(limits.connections.get(), metrics);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                connections.none_accepted(&error).await;
                continue;
            }
        };
        let connection = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            connection = connections.admit() => connection,
        };
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(connection.serve(stream, router, limits.timeouts, stop));
    }
    drop(listener);
    connections.all_ended().await;
}
