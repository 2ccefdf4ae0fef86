//! The admin listener: `/livez`, `/readyz` and `/metrics`, on a port of their own that the public
//! never sees.

pub mod health;
mod text_format;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Problems;
use crate::http::{self, HttpArgs, Limits, ListenerMetrics};
use crate::settings::Setting;

/// The admin listener.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Admin")]
pub struct AdminArgs {
    /// Where to listen for /livez, /readyz and /metrics
    /// [default: 127.0.0.1:9090; the redirector: 127.0.0.1:9091]
    #[arg(long, env = "ADMIN_LISTEN", value_name = "ADDRESS", default_value = "")]
    pub admin_listen: Setting<Option<SocketAddr>>,

    /// How many connections there are at most; those that say nothing make room for others
    #[arg(long, env = "ADMIN_MAX_CONNECTIONS", value_name = "N", default_value = "100")]
    pub admin_max_connections: Setting<NonZeroUsize>,

    /// Ask the process that runs with these settings whether it is ready, and do nothing else:
    /// exit code 0 if it is
    #[arg(long)]
    pub health: bool,

    /// How long its clients, and the public ones, may take.
    // Last: what follows it would stand under its heading.
    #[command(flatten)]
    pub http: HttpArgs,
}

/// The admin listener, resolved.
#[derive(Debug, Clone, Copy)]
pub struct AdminSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What holds for its clients.
    pub limits: Limits,
}

impl AdminArgs {
    /// Parses them; it listens on `default` unless it is told otherwise.
    pub fn resolve(self, problems: &mut Problems, default: SocketAddr) -> AdminSettings {
        AdminSettings {
            listen: listen(self.admin_listen, problems, default),
            limits: Limits {
                timeouts: self.http.resolve(problems),
                connections: problems.take(self.admin_max_connections),
            },
        }
    }

    /// How the running process is, if that is all that is wanted.
    pub fn health(&self, default: SocketAddr) -> Option<ExitCode> {
        let given = self.admin_listen.clone();
        self.health
            .then(|| health::ask_where(|problems| listen(given, problems, default), "/readyz"))
    }
}

fn listen(
    given: Setting<Option<SocketAddr>>,
    problems: &mut Problems,
    default: SocketAddr,
) -> SocketAddr {
    let given = problems.take(given.example(default));
    given.unwrap_or(default)
}

/// Whether a process can do its work now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It can, with less between it and a loss than it should have.
    Degraded(String),
    /// It can't.
    NotReady(String),
}

impl Readiness {
    /// The worse of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::NotReady(_), _) | (_, Self::Ready) => self,
            (_, Self::NotReady(_)) | (Self::Ready, _) => other,
            (Self::Degraded(_), Self::Degraded(_)) => self,
        }
    }
}

/// Tells the readiness of one part of the process. Asked at each probe, so it must be quick.
pub type ReadinessCheck = Arc<dyn Fn() -> Readiness + Send + Sync>;

/// What the admin listener shows.
#[derive(Clone)]
pub struct Admin {
    registry: Arc<Registry>,
    checks: Arc<[ReadinessCheck]>,
}

impl Admin {
    /// Shows these metrics, and is as ready as the least ready of `checks`.
    pub fn new(registry: Registry, checks: impl IntoIterator<Item = ReadinessCheck>) -> Self {
        Self {
            registry: Arc::new(registry),
            checks: checks.into_iter().collect(),
        }
    }

    /// Serves on `listener` for as long as it is polled.
    pub async fn serve(self, listener: TcpListener, limits: Limits, clients: ListenerMetrics) {
        let router = Router::new()
            .route("/livez", get(|| async { "live\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self);
        let never = CancellationToken::new();
        http::serve(listener, router, limits, clients, never).await;
    }
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let readiness = admin
        .checks
        .iter()
        .map(|check| check())
        .fold(Readiness::Ready, Readiness::and);
    match readiness {
        Readiness::Ready => "ready\n".into_response(),
        Readiness::Degraded(why) => format!("degraded: {why}\n").into_response(),
        Readiness::NotReady(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        )
            .into_response(),
    }
}

/// In OpenMetrics for those that ask for it, as Prometheus does; else in its older text format, which
/// everything reads.
async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let mut text = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &admin.registry) {
        tracing::error!(%error, "metrics cannot be written");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut accepted = headers.get_all(ACCEPT).iter();
    let (content_type, text) = match accepted.any(|accept| is_open_metrics(accept.as_bytes())) {
        true => (OPEN_METRICS, text),
        false => (
            text_format::CONTENT_TYPE,
            text_format::from_open_metrics(&text),
        ),
    };
    ([(CONTENT_TYPE, content_type)], text).into_response()
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn is_open_metrics(accept: &[u8]) -> bool {
    let accept = String::from_utf8_lossy(accept).to_ascii_lowercase();
    accept.contains("application/openmetrics-text")
}
