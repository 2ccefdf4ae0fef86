//! Settings: from flags, environment variables and `.env`, all read before a port opens.
//!
//! A struct of arguments ([`clap::Args`]) declares each as a [`Setting`]; resolving it collects every
//! problem, so that a wrong start says all that is wrong at once.

mod command_line;
pub mod dotenv;
mod proxy;
mod queue;
mod rotation;
mod secret;
mod setting;
mod twilio;

use std::fmt;
use std::process::ExitCode;

pub use self::command_line::{command, parse};
pub use self::queue::{QueueArgs, QueueSettings};
pub use self::setting::{Setting, Value, from_flags};
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
