//! Logs: for people on a terminal, JSON elsewhere.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::Problems;

/// Logs.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// What is logged: error, warn, info, debug or trace, or by module as in info,redirector=debug
    /// [default: info]
    #[arg(long, env = "LOG_LEVEL", value_name = "FILTER")]
    pub log_level: Option<String>,

    /// How: text or json  [default: text on a terminal, else json]
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json"),
        }
    }
}

/// Logs, resolved.
#[derive(Debug)]
pub struct LogSettings {
    filter: EnvFilter,
    format: LogFormat,
}

impl LogArgs {
    /// Parses them.
    pub fn resolve(self, problems: &mut Problems) -> LogSettings {
        let terminal = std::io::stderr().is_terminal();
        LogSettings {
            filter: problems
                .optional("LOG_LEVEL", self.log_level, "info")
                .unwrap_or_else(|| EnvFilter::new("info")),
            format: problems.with_default(
                "LOG_FORMAT",
                self.log_format,
                if terminal {
                    LogFormat::Text
                } else {
                    LogFormat::Json
                },
                "json",
            ),
        }
    }
}

impl LogSettings {
    /// Starts logging to standard error, unless something in the process logs already.
    pub fn init(self) {
        // It calls an error what we provoke, such as a lease that somebody else has; what goes
        // wrong with the queue is told by the queue.
        let filter = match "lapin=off".parse() {
            Ok(quiet) if !self.filter.to_string().contains("lapin") => {
                self.filter.add_directive(quiet)
            }
            _ => self.filter,
        };
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        let _ = match self.format {
            LogFormat::Text => builder.finish().try_init(),
            LogFormat::Json => builder
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .finish()
                .try_init(),
        };
    }
}
