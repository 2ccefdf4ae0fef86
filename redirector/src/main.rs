//! The process: see the library.

use std::process::ExitCode;

use clap::Parser;
use redirector::RedirectorArgs;
use service::role::RunArgs;

/// Takes redirect requests off the queue and updates the calls.
///
/// Every setting is a flag or an environment variable; `.env` is read if there is one.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    run: RunArgs<RedirectorArgs>,
}

fn main() -> ExitCode {
    match service::settings::parse::<Cli>() {
        Ok(cli) => cli.run.main("redirector"),
        Err(ended) => ended,
    }
}
