//! Serving HTTP so that no client holds the others up: each has so long to send its head and its
//! body and to be idle, and those that keep us waiting make room for those that don't.

mod connection;
mod connections;
mod metrics;
mod open_files;
mod progress;

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::connections::Connections;
use crate::Problems;

pub use self::metrics::{ConnectionMetrics, ListenerMetrics};

/// How long clients may take.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "HTTP, public and admin")]
pub struct HttpArgs {
    /// How long a request's head may take to arrive, from its first byte on  [default: 10s]
    #[arg(long, env = "HTTP_HEADER_TIMEOUT", value_name = "DURATION")]
    pub http_header_timeout: Option<String>,

    /// How long a request's body may take to arrive  [default: 10s]
    #[arg(long, env = "HTTP_BODY_TIMEOUT", value_name = "DURATION")]
    pub http_body_timeout: Option<String>,

    /// How long a connection may be idle between requests: longer than a proxy in front keeps
    /// connections, or it sends requests into closed ones  [default: 75s]
    #[arg(long, env = "HTTP_IDLE_TIMEOUT", value_name = "DURATION")]
    pub http_idle_timeout: Option<String>,
}

impl HttpArgs {
    /// Parses them.
    pub fn resolve(self, problems: &mut Problems) -> Timeouts {
        let mut more_than_0 = |variable, value, default, example| {
            let timeout = problems.duration(variable, value, Duration::from_secs(default), example);
            if timeout.is_zero() {
                problems.add(variable, "must be more than 0", example);
            }
            timeout
        };
        Timeouts {
            header: more_than_0("HTTP_HEADER_TIMEOUT", self.http_header_timeout, 10, "10s"),
            body: more_than_0("HTTP_BODY_TIMEOUT", self.http_body_timeout, 10, "10s"),
            idle: more_than_0("HTTP_IDLE_TIMEOUT", self.http_idle_timeout, 75, "75s"),
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

/// How many connections a listener has at most, the value of `variable`.
pub fn max_connections(
    problems: &mut Problems,
    variable: &str,
    value: Option<String>,
    default: usize,
) -> usize {
    let example = default.to_string();
    let connections = problems.with_default(variable, value, default, &example);
    if connections == 0 {
        problems.add(variable, "must be at least 1", &example);
    }
    connections
}

/// What holds for the clients of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long each may take.
    pub timeouts: Timeouts,
    /// How many there are at most.
    pub connections: usize,
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
    let connections = Connections::new(limits.connections, metrics);
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
