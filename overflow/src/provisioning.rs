//! `overflow setup`, `doctor` and `teardown`: Twilio's side, at this terminal.

use std::process::ExitCode;

use provision::{AskTerminal, Console, Status};
use service::Problems;
use service::telemetry::LogArgs;

/// Runs a command of `provision` to its end.
pub(crate) fn run(command: impl AsyncFnOnce(&mut Console<'_>) -> Status) -> ExitCode {
    let logs = crate::quiet(&LogArgs::default()).resolve(&mut Problems::default());
    let _telemetry = logs.init(crate::NAME);
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
