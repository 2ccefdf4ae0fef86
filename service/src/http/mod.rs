//! Serving HTTP so that no client holds the others up: each has so long to send its head and its
//! body and to be idle, and those that keep us waiting make room for those that don't.

mod connection;
mod connections;
mod metrics;
mod open_files;
mod progress;

use std::num::NonZeroUsize;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::connections::Connections;
use crate::Problems;
use crate::settings::Setting;

pub use self::metrics::{ConnectionMetrics, ListenerMetrics};

/// How long clients may take.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "HTTP, public and admin")]
pub struct HttpArgs {
    /// How long a request's head may take to arrive, from its first byte on
    #[arg(long, env = "HTTP_HEADER_TIMEOUT", value_name = "DURATION", default_value = "10s")]
    pub http_header_timeout: Setting<Duration>,

    /// How long a request's body may take to arrive
    #[arg(long, env = "HTTP_BODY_TIMEOUT", value_name = "DURATION", default_value = "10s")]
    pub http_body_timeout: Setting<Duration>,

    /// How long a connection may be idle between requests: longer than a proxy in front keeps
    /// connections, or it sends requests into closed ones
    #[arg(long, env = "HTTP_IDLE_TIMEOUT", value_name = "DURATION", default_value = "75s")]
    pub http_idle_timeout: Setting<Duration>,
}

impl HttpArgs {
    /// Parses them.
    pub fn resolve(self, problems: &mut Problems) -> Timeouts {
        Timeouts {
            header: problems.take(self.http_header_timeout.more_than_0()),
            body: problems.take(self.http_body_timeout.more_than_0()),
            idle: problems.take(self.http_idle_timeout.more_than_0()),
        }
    }
}

/// How long clients may take, resolved.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a request's head.
    pub header: Duration,
    /// For its body.
    pub body: Duration,
    /// Between requests, and to take an answer.
    pub idle: Duration,
}

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
