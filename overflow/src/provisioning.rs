//! `overflow setup`, `doctor` and `teardown`: Twilio's side, at this terminal.

use std::process::ExitCode;

use provision::{AskTerminal, Console, Status};
use service::Problems;
use service::process::refuse;
use service::telemetry::LogArgs;

/// Runs a command of `provision` to its end.
pub(crate) fn run(command: impl AsyncFnOnce(&mut Console<'_>) -> Status) -> ExitCode {
    let mut problems = Problems::default();
    let logs = crate::quiet(&LogArgs::default()).resolve(&mut problems);
    match problems.finish(Some(logs)) {
        Ok(logs) => logs.init(),
        Err(invalid) => return refuse(&invalid),
    }
    let mut status = Status::Failed;
    let ended = service::process::finish(|| async {
        let (mut out, mut ask) = (std::io::stdout(), AskTerminal);
        status = command(&mut Console::new(&mut out, &mut ask)).await;
        Ok(())
    });
    match status {
        Status::Done => ended,
        status => status.into(),
    }
}
