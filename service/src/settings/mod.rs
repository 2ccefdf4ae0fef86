//! Settings: from flags, environment variables and `.env`, all read before a port opens.
//!
//! A struct of arguments ([`clap::Args`]) takes the strings as given; resolving it parses each
//! and collects every problem, so that a wrong start says all that is wrong at once.

mod command_line;
pub mod dotenv;
mod proxy;
mod queue;
mod rotation;
mod secret;
mod twilio;

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

pub use self::command_line::parse;
pub use self::queue::{QueueArgs, QueueSettings};
pub use self::twilio::{TwilioArgs, TwilioSettings};

/// The exit code of a wrong configuration (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// Everything that is wrong with the settings, a line each, and what is odd about them.
#[derive(Debug, Default)]
pub struct Problems {
    wrong: Vec<String>,
    odd: Vec<String>,
}

impl Problems {
    /// Adds one: the variable, what is wrong with it, and an example of a right one.
    pub fn add(&mut self, variable: &str, problem: impl fmt::Display, example: &str) {
        self.wrong.push(format!(
            "{variable}: {problem} (example: {variable}={example})"
        ));
    }

    /// Adds one that no single variable shows.
    pub fn add_line(&mut self, line: impl Into<String>) {
        self.wrong.push(line.into());
    }

    /// Adds what may be right, though it is unlikely.
    pub fn warn(&mut self, variable: &str, oddity: impl fmt::Display) {
        self.odd.push(format!("{variable}: {oddity}"));
    }

    /// What may be right, though it is unlikely, to be said where people look.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.odd)
    }

    /// Parses a setting that may be left out. An empty one counts as left out: that is how
    /// compose files and shells pass on what isn't set.
    pub fn optional<T: FromStr<Err: fmt::Display>>(
        &mut self,
        variable: &str,
        value: Option<String>,
        example: &str,
    ) -> Option<T> {
        let value = value.filter(|value| !value.trim().is_empty())?;
        match value.trim().parse() {
            Ok(parsed) => Some(parsed),
            Err(problem) => {
                self.add(variable, problem, example);
                None
            }
        }
    }

    /// Parses a setting that has a default.
    pub fn with_default<T: FromStr<Err: fmt::Display>>(
        &mut self,
        variable: &str,
        value: Option<String>,
        default: T,
        example: &str,
    ) -> T {
        self.optional(variable, value, example).unwrap_or(default)
    }

    /// Parses a setting that must be there.
    pub fn required<T: FromStr<Err: fmt::Display>>(
        &mut self,
        variable: &str,
        value: Option<String>,
        example: &str,
    ) -> Option<T> {
        if value.as_deref().is_none_or(|value| value.trim().is_empty()) {
            self.add(variable, "is not set", example);
            return None;
        }
        self.optional(variable, value, example)
    }

    /// Parses a duration with its unit, such as `500ms`, `3s` or `15m`.
    pub fn duration(
        &mut self,
        variable: &str,
        value: Option<String>,
        default: Duration,
        example: &str,
    ) -> Duration {
        self.optional::<Unit>(variable, value, example)
            .map_or(default, |Unit(duration)| duration)
    }

    /// Gives `settings` back if nothing is wrong.
    ///
    /// # Errors
    /// Something is: all of it.
    pub fn finish<T>(self, settings: Option<T>) -> Result<T, InvalidSettings> {
        match settings {
            Some(settings) if self.wrong.is_empty() => Ok(settings),
            _ => Err(InvalidSettings(self.wrong)),
        }
    }
}

/// The settings can't be used; a line for each problem.
#[derive(Debug, thiserror::Error)]
pub struct InvalidSettings(Vec<String>);

impl InvalidSettings {
    /// Says them to the operator; the exit code of the process.
    pub fn refuse(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::from(EXIT_CONFIG)
    }
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// A duration with its unit.
struct Unit(Duration);

impl FromStr for Unit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let signed: jiff::SignedDuration = text
            .parse()
            .map_err(|_| format!("{text:?} is no duration with a unit (ms, s, m or h)"))?;
        Duration::try_from(signed)
            .map(Self)
            .map_err(|_| format!("{text:?} is negative"))
    }
}

/// An address to listen on: `HOST:PORT`, the host an IP address.
pub fn listen_address(
    problems: &mut Problems,
    variable: &str,
    value: Option<String>,
    default: SocketAddr,
) -> SocketAddr {
    let value = value.filter(|value| !value.trim().is_empty());
    match value.map(|value| value.trim().parse::<SocketAddr>()) {
        None => default,
        Some(Ok(address)) => address,
        Some(Err(_)) => {
            problems.add(
                variable,
                "is no IP address with a port",
                &default.to_string(),
            );
            default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_a_line_that_names_its_variable_and_an_example() {
        let mut problems = Problems::default();
        problems.required::<u16>("PORT", None, "8080");
        problems.required::<u16>("LIMIT", Some("many".into()), "10");
        problems.duration("WAIT", Some("3".into()), Duration::ZERO, "3s");
        let error = problems.finish(Some(())).unwrap_err().to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines.len(), 3, "{error}");
        for (line, (variable, example)) in
            lines
                .iter()
                .zip([("PORT", "8080"), ("LIMIT", "10"), ("WAIT", "3s")])
        {
            assert!(line.starts_with(&format!("{variable}: ")), "{line}");
            assert!(line.contains(&format!("{variable}={example}")), "{line}");
        }
    }

    #[test]
    fn empty_means_left_out() {
        let mut problems = Problems::default();
        assert_eq!(
            problems.optional::<u16>("PORT", Some(" ".into()), "1"),
            None
        );
        assert_eq!(
            problems.with_default("PORT", Some(String::new()), 7, "1"),
            7
        );
        assert!(problems.finish(Some(())).is_ok());
    }

    #[test]
    fn durations_carry_their_unit() {
        let mut problems = Problems::default();
        for (text, wanted) in [
            ("500ms", Duration::from_millis(500)),
            ("3s", Duration::from_secs(3)),
            ("15m", Duration::from_secs(900)),
            ("1h30m", Duration::from_secs(5400)),
            ("0", Duration::ZERO),
        ] {
            let read = problems.duration("D", Some(text.into()), Duration::MAX, "1s");
            assert_eq!(read, wanted, "{text}");
        }
        assert!(problems.finish(Some(())).is_ok());
    }
}
