//! The operator's command line. Each command is a module that reads its arguments and calls the
//! library whose work it is.

mod call;
mod dead_letters;
mod demo;
mod manual;
mod page;
mod pair;
mod plans;
mod simulate;
mod status;
mod story;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use provision::{AskTerminal, Console, Patience, Status};
use service::process::{finish, start};
use service::role::RunArgs;
use service::settings;
use service::telemetry::LogArgs;
use service::{Problems, out};

const NAME: &str = "overflow";

/// Redirects Twilio Flex callers whom no agent took to an outside number.
///
/// Every setting is a flag or an environment variable; `.env` is read if there is one.
#[derive(Debug, Parser)]
#[command(name = NAME, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run ingest and redirector in one process
    Run(Box<RunArgs<pair::Pair>>),
    /// Demonstrate the whole thing: ingest and redirector against a simulated Twilio
    Demo(Box<demo::DemoArgs>),
    /// Place a simulated call in a running demo or simulator
    Call(call::CallArgs),
    /// Run a simulated Twilio by itself
    Simulator(Box<simulate::SimulatorArgs>),
    /// Say how everything stands now: who waits and where, and what isn't well
    Status(Box<status::StatusArgs>),
    /// Tell what becomes of each caller, a line for each as it happens
    Watch(watch::WatchArgs),
    /// Show the same, and dead letters to be replayed, on a page for a browser
    Page(Box<page::ServePageArgs>),
    /// List, show, replay or discard the requests that could not be done
    #[command(mut_args = |argument| argument.global(true))]
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Check and draw redirect plans: who is rung when, and what callers hear
    Plans(Box<plans::PlansArgs>),
    #[command(flatten)]
    Provision(provision::Command),
    #[command(flatten)]
    Manual(manual::Command),
}

/// Runs the command line to its end.
pub fn main() -> ExitCode {
    let command = match settings::parse::<Cli>() {
        Ok(Cli { command }) => command,
        Err(ended) => return ended,
    };
    match command {
        Command::Run(args) => args.main(NAME),
        Command::Demo(args) => {
            // The command says by itself what it does.
            let logs = args.log.clone().quiet();
            start(NAME, logs, |problems| args.resolve(problems), demo::run)
        }
        Command::Call(args) => start(
            NAME,
            LogArgs::default(),
            |problems| args.resolve(problems),
            call::run,
        ),
        Command::Simulator(args) => {
            if let Some(health) = args.health() {
                return health;
            }
            let logs = args.log.clone().quiet();
            start(NAME, logs, |problems| args.resolve(problems), simulate::run)
        }
        Command::Status(args) => {
            let mut is_well = true;
            let ended = start(
                NAME,
                LogArgs::default().quiet(),
                |problems| args.resolve(problems),
                |command, stop| status::run(command, stop, &mut is_well),
            );
            match is_well {
                true => ended,
                false => ExitCode::FAILURE,
            }
        }
        Command::Watch(args) => start(
            NAME,
            LogArgs::default().quiet(),
            |problems| args.resolve(problems),
            watch::run,
        ),
        Command::Page(args) => {
            if let Some(health) = args.health() {
                return health;
            }
            let logs = args.log.clone();
            start(NAME, logs, |problems| args.resolve(problems), page::run)
        }
        Command::DeadLetters(args) => start(
            NAME,
            LogArgs::default().quiet(),
            |problems| args.resolve(problems),
            dead_letters::run,
        ),
        Command::Plans(args) => plans::run(*args),
        Command::Provision(command) => provision(command),
        Command::Manual(command) => manual::run(&command),
    }
}

/// Runs a command for Twilio's side at this terminal.
fn provision(command: provision::Command) -> ExitCode {
    let logs = LogArgs::default().quiet().resolve(&mut Problems::default());
    let _telemetry = logs.init(NAME);
    let mut status = Status::Failed;
    let ended = finish(|| async {
        let (mut out, mut ask) = (std::io::stdout(), AskTerminal);
        let mut console = Console::new(&mut out, &mut ask);
        status = command.run(&mut console, Patience::default()).await;
        out::seen(console.written())
    });
    match status {
        // Its output may have reached nobody.
        Status::Done => ended,
        status => status.into(),
    }
}
