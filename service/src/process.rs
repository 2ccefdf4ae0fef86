//! From the command line to a running process: settings first, all of them, then ports.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Problems;
use crate::shutdown;
use crate::telemetry::{self, LogArgs};

/// How long what has been begun on other threads may take after a stop.
const LAST_WORK: Duration = Duration::from_secs(1);

/// Resolves the settings of the process or command `name`, then does its work.
pub fn start<S, F: Future<Output = anyhow::Result<()>>>(
    name: &str,
    logs: LogArgs,
    resolve: impl FnOnce(&mut Problems) -> Option<S>,
    work: impl FnOnce(S, CancellationToken) -> F,
) -> ExitCode {
    let mut problems = Problems::default();
    let logs = logs.resolve(&mut problems);
    let settings = resolve(&mut problems);
    let warnings = problems.take_warnings();
    let settings = match problems.finish(settings) {
        Ok(settings) => settings,
        Err(invalid) => return invalid.refuse(),
    };
    // Until the work has ended, for then the last spans are exported.
    let _telemetry = match logs.init(name) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(&error),
    };
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    finish(|| async {
        let stop = shutdown::on_signal().context("cannot listen for signals")?;
        work(settings, stop).await
    })
}

/// Runs `work` on a runtime of its own, and reports how it failed, if it did.
pub fn finish<F: Future<Output = anyhow::Result<()>>>(work: impl FnOnce() -> F) -> ExitCode {
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
        .and_then(|runtime| {
            let ended = runtime.block_on(work());
            // What still blocks a thread, such as a print that nobody reads, doesn't keep us.
            runtime.shutdown_timeout(LAST_WORK);
            ended
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// A command was ended by a signal before it was done.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

fn fail(error: &anyhow::Error) -> ExitCode {
    telemetry::say(&format!("error: {error:#}"));
    match error.is::<Interrupted>() {
        true => ExitCode::from(shutdown::EXIT_INTERRUPTED),
        false => ExitCode::FAILURE,
    }
}

/// Listens on `address`, the value of `variable`.
///
/// # Errors
/// The address can't be listened on.
pub async fn bind(variable: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address} ({variable}): choose another port, or stop what uses it"
        )
    })
}
