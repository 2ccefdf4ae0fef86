//! The story of the simulator's calls, told line by line, with the waiting time as a bar that runs.

mod bar;
mod lines;
mod phones;

use std::collections::{HashMap, HashSet};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use service::{out, telemetry};
use simulator::{Callee, Heard, Moment, Story};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Instant;
use twilio::{CallSid, TaskSid};

use self::bar::{bar, width};

/// How often the bar is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// Back to the beginning of a terminal's line, and clears it.
const CLEAR: &str = "\r\x1b[2K";

/// Prints on a thread of its own: where nobody reads, only the story waits.
async fn told(print: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(print).await.unwrap_or(Ok(()))
}

/// Tells the story.
pub(crate) struct Teller {
    story: Receiver<Moment>,
    /// SIDs whole, and each callback.
    in_full: bool,
    /// Each phone that rings, and what the caller hears meanwhile.
    phones: bool,
    is_coloured: bool,
    /// Whether a line can be drawn over.
    is_terminal: bool,
    /// The end of the task queue's time that is shown, and how long it is in all.
    bar: Option<(Instant, Duration)>,
    /// The tasks that stay where they are.
    staying: HashSet<TaskSid>,
    /// After how long the callers were redirected whom nobody has yet.
    redirected: HashMap<CallSid, Duration>,
}

impl Teller {
    pub(crate) fn new(story: Receiver<Moment>, in_full: bool, phones: bool) -> Self {
        let stdout = io::stdout();
        Self {
            story,
            in_full,
            phones,
            is_coloured: telemetry::is_coloured(&stdout),
            is_terminal: stdout.is_terminal(),
            bar: None,
            staying: HashSet::new(),
            redirected: HashMap::new(),
        }
    }

    /// Tells what happens until the simulator ends.
    ///
    /// # Errors
    /// Nothing can be printed any more.
    pub(crate) async fn tell(&mut self) -> io::Result<()> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// Tells what happens until somebody has the redirected caller, or their call has ended, and its
    /// task is closed; returns how long the redirect took.
    ///
    /// # Errors
    /// As [`Self::tell`].
    pub(crate) async fn tell_of(&mut self, wanted: CallSid) -> io::Result<Option<Duration>> {
        let (mut redirected, mut settled, mut closed) = (None, false, false);
        while !settled || !closed {
            let Some(moment) = self.next().await? else {
                break;
            };
            match moment.story {
                Story::Heard {
                    call,
                    heard,
                    since_entered,
                } if call == wanted => match heard {
                    Heard::Redirected { .. } => redirected = since_entered,
                    Heard::HungUp { .. } => settled = true,
                    _ => {}
                },
                Story::Callee { call, what, .. } if call == wanted => {
                    settled |= what == Callee::Connected;
                }
                Story::TaskClosed { call, .. } => closed |= call == Some(wanted),
                _ => {}
            }
        }
        Ok(redirected)
    }

    /// Tells the next moment, and returns it.
    async fn next(&mut self) -> io::Result<Option<Moment>> {
        loop {
            let told = tokio::select! {
                told = self.story.recv() => told,
                () = tokio::time::sleep(FRAME), if self.bar.is_some() => {
                    self.draw().await?;
                    continue;
                }
            };
            match told {
                Ok(moment) => {
                    if let Some((who, line)) = self.line(&moment.story) {
                        let at = moment.at.as_secs_f64();
                        let (colour, end) = match self.is_coloured {
                            true => (who.colour(), "\x1b[0m"),
                            false => ("", ""),
                        };
                        let who = who.name();
                        let line = format!("{at:>7.3} s  {colour}{who:<13}{end}  {line}");
                        self.line_out(line).await?;
                    }
                    return Ok(Some(moment));
                }
                Err(RecvError::Lagged(missed)) => {
                    let line = format!("           … {missed} moments not shown");
                    self.line_out(line).await?;
                }
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    async fn line_out(&mut self, line: String) -> io::Result<()> {
        let clear = if self.is_terminal { CLEAR } else { "" };
        told(move || out::try_line(format_args!("{clear}{line}"))).await
    }

    /// Draws the bar over the one before.
    async fn draw(&mut self) -> io::Result<()> {
        let Some((end, whole)) = self.bar else {
            return Ok(());
        };
        let left = end.saturating_duration_since(Instant::now());
        let part = 1.0 - left.as_secs_f64() / whole.as_secs_f64().max(f64::EPSILON);
        let bar = bar(part, left, width());
        told(move || {
            let mut stdout = io::stdout().lock();
            write!(stdout, "{CLEAR}{bar}")?;
            stdout.flush()
        })
        .await
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if self.bar.is_some() {
            // Nobody may be there to see it.
            let _ = write!(io::stdout(), "{CLEAR}");
        }
    }
}

pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
