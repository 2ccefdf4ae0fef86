//! How long clients may take.

use std::time::Duration;

use crate::Problems;
use crate::settings::Setting;

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
