//! Standard output, for commands: a reader that has gone ends them quietly, a full disk with an
//! error.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Prints the text and a line break. Where that can't be done the process ends: what is not seen
/// needs not be gone on with.
pub fn line(text: impl fmt::Display) {
    if let Err(error) = try_line(text) {
        std::process::exit(failed(&error).into());
    }
}

/// Prints the text and a line break, at once.
///
/// # Errors
/// The reader has gone, or the disk is full.
pub fn try_line(text: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Says why nothing could be printed; the exit code. A reader that has gone has seen enough, as
/// `head` has.
pub fn failed(error: &io::Error) -> u8 {
    if error.kind() == ErrorKind::BrokenPipe {
        return 0;
    }
    // Nobody may be there either.
    let _ = writeln!(io::stderr(), "error: cannot write: {error}");
    1
}

/// What a command ends with that could print no more: nothing is wrong where its reader has gone.
///
/// # Errors
/// Something else is.
pub fn seen(told: io::Result<()>) -> anyhow::Result<()> {
    match told {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write"))
        }
        _ => Ok(()),
    }
}
