//! The process: see the library.

use std::process::ExitCode;

use redirector::Cli;

fn main() -> ExitCode {
    match service::settings::parse::<Cli>() {
        Ok(cli) => cli.run.main("redirector"),
        Err(ended) => ended,
    }
}
