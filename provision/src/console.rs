//! Where the commands write, and who answers their questions: the terminal, or a test.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};

use futures::FutureExt;
use futures::future::BoxFuture;

/// Answers questions.
pub trait Ask: Send {
    /// Whether to go on.
    ///
    /// # Errors
    /// Nobody is there to ask.
    fn confirm<'a>(&'a mut self, question: &'a str) -> BoxFuture<'a, io::Result<bool>>;
}

/// Asks at the terminal, on a thread of its own: a signal is heard meanwhile.
#[derive(Debug, Default)]
pub struct AskTerminal;

impl Ask for AskTerminal {
    fn confirm<'a>(&'a mut self, question: &'a str) -> BoxFuture<'a, io::Result<bool>> {
        let question = question.to_owned();
        async { tokio::task::spawn_blocking(move || ask(&question)).await? }.boxed()
    }
}

fn ask(question: &str) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(io::Error::other(
            "there is no terminal to ask at; pass --yes to go on without asking",
        ));
    }
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// What a command writes to and asks at.
pub struct Console<'a> {
    out: &'a mut (dyn Write + Send),
    ask: &'a mut dyn Ask,
    written: io::Result<()>,
}

impl<'a> Console<'a> {
    /// Writes to `out`, asks `ask`.
    pub fn new(out: &'a mut (dyn Write + Send), ask: &'a mut dyn Ask) -> Self {
        Self {
            out,
            ask,
            written: Ok(()),
        }
    }

    pub(crate) fn line(&mut self, text: impl fmt::Display) {
        // A reader that goes away must not stop a change halfway.
        let written = writeln!(self.out, "{text}");
        if self.written.is_ok() {
            self.written = written;
        }
    }

    /// Whether everything could be written.
    ///
    /// # Errors
    /// Why it could not.
    pub fn written(self) -> io::Result<()> {
        self.written.and_then(|()| self.out.flush())
    }

    pub(crate) async fn confirm(&mut self, question: &str) -> io::Result<bool> {
        let _ = self.out.flush();
        self.ask.confirm(question).await
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is as it should be.
    Done,
    /// Something isn't, or the answer to the question was no.
    Failed,
    /// The settings can't be used.
    WrongSettings,
    /// A signal ended it.
    Interrupted,
}

impl From<Status> for std::process::ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Done => 0,
            Status::Failed => 1,
            Status::WrongSettings => service::settings::EXIT_CONFIG,
            Status::Interrupted => service::shutdown::EXIT_INTERRUPTED,
        })
    }
}
