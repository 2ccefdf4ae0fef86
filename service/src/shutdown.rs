//! Stopping: the first signal asks for an orderly stop, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::telemetry;

/// The exit code after a second signal, and of an interrupted command: what a shell shows for a
/// process that SIGINT ended.
pub const EXIT_INTERRUPTED: u8 = 130;

/// A token that is cancelled by the first SIGTERM or SIGINT, or by the SIGHUP of a terminal that
/// is closed.
///
/// # Errors
/// The signal handlers can't be installed.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup: match hangup_is_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        },
    };
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::info!(signal = name, "stopping; a second signal ends at once");
        stop.cancel();
        let name = signals.next().await;
        tracing::warn!(signal = name, "ended at once by a second signal");
        telemetry::flush_lines();
        std::process::exit(EXIT_INTERRUPTED.into());
    });
    Ok(token)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hangup => "SIGHUP",
        }
    }
}

/// Whether whoever started us, `nohup` for one, wants us to outlive the terminal. A handler of ours
/// would overrule that.
fn hangup_is_ignored() -> bool {
    // Where there is no /proc, nobody is known to want it.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let hangup = SignalKind::hangup().as_raw_value() - 1;
    mask.is_some_and(|mask| mask >> hangup & 1 == 1)
}
