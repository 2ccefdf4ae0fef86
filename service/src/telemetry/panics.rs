//! Panics go into the log as everything else does: standard error may be a pipe that nobody reads.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;
use std::thread;

/// Makes the log tell of panics.
pub(super) fn log() {
    panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let thread = thread::current();
        let backtrace = Backtrace::capture();
        let has_backtrace = backtrace.status() == BacktraceStatus::Captured;
        tracing::error!(
            thread = thread.name(),
            at = panic.location().map(display),
            backtrace = has_backtrace.then(|| display(&backtrace)),
            "panicked: {}",
            text.unwrap_or("?")
        );
    }));
}
