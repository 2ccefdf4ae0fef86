//! The process: see the library.

use std::process::ExitCode;

use clap::Parser;
use ingest::IngestArgs;
use service::role::RunArgs;

/// Takes Twilio's event callbacks and puts redirect requests on the queue.
///
/// Every setting is a flag or an environment variable; `.env` is read if there is one.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    run: RunArgs<IngestArgs>,
}

fn main() -> ExitCode {
    match service::settings::parse::<Cli>() {
        Ok(cli) => cli.run.main("ingest"),
        Err(ended) => ended,
    }
}
