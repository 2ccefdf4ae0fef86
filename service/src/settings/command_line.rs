//! The command line: `.env`, then the environment and flags, read by clap.

use std::process::ExitCode;

use clap::{Command, CommandFactory, Parser};

use super::{InvalidSettings, dotenv};
use crate::out;

/// Reads `.env`, the environment and the command line. What is printed on the way, help for one,
/// shows no value of the environment: it may hold a secret, whatever its variable is called.
///
/// # Errors
/// The exit code, where the process has nothing more to do: all is said.
pub fn parse<P: Parser>() -> Result<P, ExitCode> {
    let mut problems = Vec::new();
    variables(&P::command(), &mut |variable| {
        if std::env::var_os(variable).is_some_and(|value| value.to_str().is_none()) {
            problems.push(format!("{variable}: holds bytes that are not UTF-8"));
        }
    });
    problems.extend(dotenv::load().err());
    if !problems.is_empty() {
        problems.dedup();
        return Err(InvalidSettings(problems).refuse());
    }
    // Only now, for a command holds the environment as it is when it is made.
    let mut command = command::<P>();
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    let parsed = matches.and_then(|mut matches| P::from_arg_matches_mut(&mut matches));
    parsed.map_err(|said| {
        let said = said.format(&mut command);
        let code = u8::try_from(said.exit_code()).unwrap_or(1);
        match said.print() {
            Ok(()) => ExitCode::from(code),
            Err(error) => out::failed(&error).into(),
        }
    })
}

/// The command as it is documented: with no value of the environment.
pub fn command<P: CommandFactory>() -> Command {
    without_values(P::command())
}

fn without_values(command: Command) -> Command {
    command
        .mut_args(|argument| {
            let argument = argument.hide_env_values(true);
            // An empty one says that there is none.
            match argument.get_default_values() {
                [default] => {
                    let is_empty = default.is_empty();
                    argument.hide_default_value(is_empty)
                }
                _ => argument,
            }
        })
        .mut_subcommands(without_values)
}

/// Names the variables that the command and its subcommands read.
fn variables(command: &Command, tell: &mut impl FnMut(&str)) {
    for variable in command.get_arguments().filter_map(clap::Arg::get_env) {
        tell(&variable.to_string_lossy());
    }
    for subcommand in command.get_subcommands() {
        variables(subcommand, tell);
    }
}
