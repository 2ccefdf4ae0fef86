//! Logs, for people on a terminal and JSON elsewhere; and traces.

mod lines;
mod panics;
mod traces;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use self::traces::{Exporter, OtlpEndpoint};
use crate::Problems;
use crate::settings::{Setting, Value, from_flags};

pub use self::lines::{dropped as dropped_lines, flush as flush_lines, say};
pub use self::traces::{TARGET, publishing, resume};

/// Logs and traces.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Logs and traces")]
pub struct LogArgs {
    /// What is logged: error, warn, info, debug or trace, or by module as in info,redirector=debug
    /// [default: info]
    #[arg(long, env = "LOG_LEVEL", value_name = "FILTER", default_value = "")]
    pub log_level: Setting<Option<Filter>>,

    /// How: text or json  [default: text on a terminal, else json]
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value = "")]
    pub log_format: Setting<Option<LogFormat>>,

    /// The OTLP receiver that traces are exported to, by HTTP; OpenTelemetry's variables for
    /// names, headers, sampling and batches (OTEL_SERVICE_NAME, …) hold  [default: none, no traces]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", default_value = "")]
    pub otel_exporter_otlp_endpoint: Setting<Option<OtlpEndpoint>>,

    #[arg(skip)]
    quiet: bool,
}

/// What holds where the user has no say.
impl Default for LogArgs {
    fn default() -> Self {
        from_flags([""; 0]).expect("no flag must be given")
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

crate::values!(LogFormat = "json");

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

/// What is logged.
#[derive(Debug, Clone)]
pub struct Filter(EnvFilter);

impl Value for Filter {
    const EXAMPLE: &'static str = "info";

    fn read(text: &str) -> Result<Self, String> {
        let mut has_level = false;
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            if part.parse::<LevelFilter>().is_ok() {
                has_level = true;
            } else if !part.contains(['=', '[']) {
                // It would be taken for a module, and all others be silent.
                return Err(format!(
                    "{part:?} is not a level: error, warn, info, debug, trace or off, or MODULE=LEVEL"
                ));
            }
        }
        let filter = EnvFilter::try_new(text).map_err(|error| error.to_string())?;
        Ok(Self(match has_level {
            true => filter,
            // What goes wrong elsewhere is told, too.
            false => filter.add_directive(LevelFilter::INFO.into()),
        }))
    }
}

/// Logs and traces, resolved.
#[derive(Debug)]
pub struct LogSettings {
    filter: EnvFilter,
    format: LogFormat,
    endpoint: Option<OtlpEndpoint>,
}

impl LogArgs {
    /// Warnings only, unless more is asked for.
    #[must_use]
    pub fn quiet(self) -> Self {
        Self {
            quiet: true,
            ..self
        }
    }

    /// Parses them.
    pub fn resolve(self, problems: &mut Problems) -> LogSettings {
        let usual = || Filter(EnvFilter::new(if self.quiet { "warn" } else { "info" }));
        let Filter(filter) = problems.take(self.log_level).unwrap_or_else(usual);
        let format = problems.take(self.log_format);
        LogSettings {
            filter,
            format: format.unwrap_or_else(|| match std::io::stderr().is_terminal() {
                true => LogFormat::Text,
                false => LogFormat::Json,
            }),
            endpoint: problems.take(self.otel_exporter_otlp_endpoint),
        }
    }
}

/// Keeps what [`LogSettings::init`] started until it is dropped, outside of any async runtime.
#[derive(Debug)]
#[must_use]
pub struct Telemetry {
    exporter: Option<Exporter>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // It may have something to say.
        drop(self.exporter.take());
        lines::flush();
    }
}

impl LogSettings {
    /// Starts logging to standard error, and exporting the traces of `service` where an endpoint
    /// is set, unless something in the process logs already.
    ///
    /// # Errors
    /// One of OpenTelemetry's variables is wrong, the system's certificates can't be read, or there
    /// can be no more threads.
    pub fn init(self, service: &str) -> anyhow::Result<Telemetry> {
        // It calls an error what we provoke, such as a lease that somebody else has; what goes
        // wrong with the queue is told by the queue.
        let filter = match "lapin=off".parse() {
            Ok(quiet) if !self.filter.to_string().contains("lapin") => {
                self.filter.add_directive(quiet)
            }
            _ => self.filter,
        };
        lines::start().context("cannot start a thread for the log")?;
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(|| lines::Writer)
            .with_ansi(is_coloured(&std::io::stderr()));
        let lines = match self.format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .boxed(),
        };
        let exporter = match &self.endpoint {
            Some(endpoint) => Some(Exporter::new(endpoint, service)?),
            None => None,
        };
        let ours = tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .with(exporter.as_ref().map(Exporter::layer))
            .try_init();
        if ours.is_ok() {
            panics::log();
        }
        Ok(Telemetry { exporter })
    }
}

/// A time as logs show it: a number of milliseconds with one place.
pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

/// Whether what is written there is coloured: on a terminal that can, unless <https://no-color.org> is
/// asked for.
pub fn is_coloured(stream: &impl IsTerminal) -> bool {
    let [no_color, term] = ["NO_COLOR", "TERM"].map(std::env::var_os);
    has_colours(stream.is_terminal(), no_color, term)
}

fn has_colours(terminal: bool, no_color: Option<OsString>, term: Option<OsString>) -> bool {
    terminal && no_color.is_none_or(|no| no.is_empty()) && term.is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_can_and_may_has_colours() {
        let colours = |terminal, no_color: Option<&str>, term: Option<&str>| {
            has_colours(terminal, no_color.map(Into::into), term.map(Into::into))
        };
        assert!(colours(true, None, Some("xterm")));
        assert!(colours(true, Some(""), None));
        assert!(!colours(true, Some("1"), Some("xterm")));
        assert!(!colours(true, None, Some("dumb")));
        assert!(!colours(false, None, Some("xterm")));
    }

    #[test]
    fn a_level_that_is_none_is_refused_and_others_leave_errors_on() {
        for (text, wanted) in [
            ("warn", "warn"),
            ("INFO", "info"),
            ("redirector=debug", "redirector=debug,info"),
            ("info,redirector=debug", "redirector=debug,info"),
        ] {
            let Filter(filter) = Value::read(text).unwrap();
            assert_eq!(filter.to_string(), wanted, "{text}");
        }
        for bad in ["WARNING", "verbose", "redirector", "info,lapin", "a=loud"] {
            assert!(Filter::read(bad).is_err(), "{bad}");
        }
    }
}
