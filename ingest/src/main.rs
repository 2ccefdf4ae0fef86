//! Takes Twilio's event callbacks: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::process::main::<ingest::App>()
}
