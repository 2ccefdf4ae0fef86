//! `overflow setup`, `doctor` and `teardown`: Twilio's side, at this terminal.

use std::process::ExitCode;

use provision::{AskTerminal, Console, Status};
use service::telemetry::LogArgs;
use service::{Problems, out};

/// Runs a command of `provision` to its end.
pub(crate) fn run(command: impl AsyncFnOnce(&mut Console<'_>) -> Status) -> ExitCode {
    let logs = LogArgs::default().quiet().resolve(&mut Problems::default());
    let _telemetry = logs.init(crate::NAME);
    let mut status = Status::Failed;
    let ended = service::process::finish(|| async {
        let (mut out, mut ask) = (std::io::stdout(), AskTerminal);
        let mut console = Console::new(&mut out, &mut ask);
        status = command(&mut console).await;
        out::seen(console.written())
    });
    match status {
        // What it found may be known to nobody.
        Status::Done => ended,
        status => status.into(),
    }
}
