//! Redirects calls: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::process::main::<redirector::App>()
}
