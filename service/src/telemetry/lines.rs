//! Lines for standard error, written by a thread of their own: nothing that serves a caller waits
//! for whoever reads the log. What doesn't fit between the two is dropped, and counted.

use std::io::{self, Write};
use std::mem;
use std::sync::{LazyLock, OnceLock};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use prometheus_client::metrics::counter::Counter;

/// How many bytes wait to be written at most.
const MOST: usize = 1024 * 1024;

/// How long lines gather, for a busy process would wake the thread for each.
const GATHER: Duration = Duration::from_millis(1);

/// How long the last lines of a process that ends may take.
const LAST_LINES: Duration = Duration::from_secs(1);

static LINES: OnceLock<Lines> = OnceLock::new();
static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// How many lines were dropped.
pub fn dropped() -> Counter {
    DROPPED.clone()
}

/// Says a line of the process itself, behind those of the log.
pub fn say(line: &str) {
    match LINES.get() {
        Some(lines) => lines.push(format!("{line}\n").as_bytes()),
        None => eprintln!("{line}"),
    }
}

/// Waits until everything is written, but not for long.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.await_written();
    }
}

/// Takes lines, once [`start`] has been called.
#[derive(Debug)]
pub(super) struct Writer;

/// Starts the thread, unless it runs.
///
/// # Errors
/// There can be no more threads.
pub(super) fn start() -> io::Result<()> {
    let mut is_new = false;
    let lines = LINES.get_or_init(|| {
        is_new = true;
        Lines::default()
    });
    if is_new {
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(|| lines.write_to(io::stderr()))?;
    }
    Ok(())
}

/// [`fmt`](tracing_subscriber::fmt) hands over a whole line at a time.
impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(lines) = LINES.get() {
            lines.push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Dropped since the log last said so.
    dropped: u64,
}

impl Lines {
    fn push(&self, line: &[u8]) {
        let mut state = self.state.lock();
        if state.waiting.len() + line.len() > MOST {
            state.dropped += 1;
            DROPPED.inc();
            return;
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        self.changed.notify_all();
    }

    fn write_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.state.lock();
            state.is_writing = false;
            self.changed.notify_all();
            let nothing_waits = |state: &mut State| state.waiting.is_empty();
            self.changed.wait_while(&mut state, nothing_waits);
            state.is_writing = true;
            MutexGuard::unlocked(&mut state, || thread::sleep(GATHER));
            mem::swap(&mut state.waiting, &mut batch);
            drop(state);
            match out.write_all(&batch) {
                Ok(()) => {
                    let lines = mem::take(&mut self.state.lock().dropped);
                    if lines > 0 {
                        tracing::warn!(lines, "log lines were dropped: their reader is too slow");
                    }
                }
                // The reader has gone, or the disk is full.
                Err(_) => {
                    let lines = batch.iter().filter(|byte| **byte == b'\n').count();
                    DROPPED.inc_by(lines as u64);
                }
            }
            batch.clear();
        }
    }

    fn await_written(&self) {
        let busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, busy, LAST_LINES);
    }
}
