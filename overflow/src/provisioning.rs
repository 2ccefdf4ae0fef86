//! `overflow setup`, `doctor` and `teardown`: Twilio's side, at this terminal.

use std::process::ExitCode;

use provision::{AskTerminal, Command, Console, Patience, Status};
use service::telemetry::LogArgs;
use service::{Problems, out};

/// Runs the command to its end.
pub(crate) fn run(command: Command) -> ExitCode {
    let logs = crate::quiet(&LogArgs::default()).resolve(&mut Problems::default());
    let _telemetry = logs.init(crate::NAME);
    let mut status = Status::Failed;
    let ended = service::process::finish(|| async {
        let (mut out, mut ask) = (std::io::stdout(), AskTerminal);
        let mut console = Console::new(&mut out, &mut ask);
        status = command.run(&mut console, Patience::default()).await;
        out::seen(console.written())
    });
    match status {
        // What it found may be known to nobody.
        Status::Done => ended,
        status => status.into(),
    }
}
