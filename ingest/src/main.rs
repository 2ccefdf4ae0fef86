//! The process: see the library.

use std::process::ExitCode;

use ingest::Cli;

fn main() -> ExitCode {
    match service::settings::parse::<Cli>() {
        Ok(cli) => cli.run.main("ingest"),
        Err(ended) => ended,
    }
}
