//! The story of the simulator's calls, told line by line, with the waiting time as a bar that runs.

mod phones;

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use service::{out, telemetry};
use simulator::{CallbackRecord, Callee, EventKind, Heard, Moment, Story};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Instant;
use twilio::{CallSid, TaskSid};

/// How often the bar is drawn.
const FRAME: Duration = Duration::from_millis(100);
const BAR: usize = 30;
/// Where the bar begins: below what is told.
const INDENT: usize = 26;
/// What the bar counts.
const LABEL: &str = "until the next queue";
/// Back to the beginning of a terminal's line, and clears it.
const CLEAR: &str = "\r\x1b[2K";

/// Who does something.
#[derive(Clone, Copy)]
enum Who {
    Caller,
    Twilio,
    Us,
    Phone,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Caller => "Caller",
            Self::Twilio => "Twilio",
            Self::Us => "Flex Overflow",
            Self::Phone => "Phone",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Caller => "\x1b[33m",
            Self::Twilio => "\x1b[36m",
            Self::Us => "\x1b[1;32m",
            Self::Phone => "\x1b[35m",
        }
    }
}

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

    /// The line for a moment; none for those that would only repeat another.
    fn line(&mut self, story: &Story) -> Option<(Who, String)> {
        Some(match story {
            Story::CallPlaced { call, task } => {
                self.bar = None;
                let call = self.sid(call.as_str());
                let task = match self.in_full {
                    true => format!(", task {task}"),
                    false => String::new(),
                };
                (
                    Who::Caller,
                    format!("calls and hears music (call {call}{task})"),
                )
            }
            Story::QueueEntered {
                task,
                step,
                name,
                timeout,
                ..
            } => {
                self.bar = timeout
                    .filter(|_| self.is_terminal)
                    .map(|timeout| (Instant::now() + timeout, timeout));
                let line = match timeout {
                    Some(timeout) => {
                        let seconds = timeout.as_secs_f64();
                        format!("task enters {name}: agents there have {seconds:.1} s to answer")
                    }
                    None => {
                        self.staying.insert(*task);
                        match step {
                            0 => format!("task enters {name}, and stays there"),
                            _ => format!("task enters {name}: nobody took the call"),
                        }
                    }
                };
                (Who::Twilio, line)
            }
            Story::Callback(record) if record.kind == EventKind::TaskQueueEntered => {
                return self.callback(record);
            }
            Story::Callback(_) => return None,
            Story::Heard {
                call,
                heard,
                since_entered,
            } => {
                let call = self.sid(call.as_str());
                match heard {
                    Heard::Redirected { .. } if self.phones => {
                        let after = since_entered.map(|after| format!(" after {}", millis(after)));
                        let after = after.unwrap_or_default();
                        (Who::Us, format!("call {call} redirected{after}"))
                    }
                    Heard::Dialled(_) if self.phones => return None,
                    Heard::Dialled(dial) => {
                        let numbers = dial.numbers.iter().map(|number| number.as_str());
                        let numbers = numbers.collect::<Vec<_>>().join(", ");
                        let after = since_entered.map(|after| format!(" after {}", millis(after)));
                        let after = after.unwrap_or_default();
                        let line = format!("call {call} redirected to {numbers}{after}");
                        (Who::Us, line)
                    }
                    Heard::ConversationCut { .. } => {
                        (Who::Caller, format!("call {call}: a conversation was cut"))
                    }
                    Heard::ApplicationError { problem } => (
                        Who::Caller,
                        format!("call {call} heard an application error: {problem}"),
                    ),
                    Heard::HungUp { .. } => (Who::Caller, format!("call {call} ended")),
                    heard if self.phones => (Who::Caller, phones::caller(heard)?),
                    _ => return None,
                }
            }
            Story::Callee { .. } if !self.phones => return None,
            Story::Callee {
                number,
                mailbox,
                what,
                ..
            } => (Who::Phone, phones::callee(*number, *mailbox, what)),
            Story::TaskClosed { status, reason, .. } => {
                let reason = reason.as_ref().map(|reason| format!(" ({reason})"));
                let reason = reason.unwrap_or_default();
                (
                    Who::Twilio,
                    format!("task closed: {}{reason}", status.as_str()),
                )
            }
        })
    }

    fn callback(&self, record: &CallbackRecord) -> Option<(Who, String)> {
        let attempt = record.attempt;
        let Some(status) = record.outcome.status() else {
            let problem = record.outcome;
            let line = format!("callback task-queue.entered failed: {problem} (attempt {attempt})");
            return Some((Who::Twilio, line));
        };
        let stays = record.task.is_some_and(|task| self.staying.contains(&task));
        if !self.in_full && !stays && (200..300).contains(&status) {
            return None;
        }
        let again = match attempt {
            1 => String::new(),
            attempt => format!(", attempt {attempt}"),
        };
        let after = millis(record.latency);
        let line = match (self.in_full, status) {
            (false, 200..300) => format!("hears of it in {after}{again}"),
            _ => format!("callback answered with {status} in {after}{again}"),
        };
        Some((Who::Us, line))
    }

    /// The SID, or as much of it as tells it from others.
    fn sid(&self, sid: &str) -> String {
        match self.in_full {
            true => sid.to_owned(),
            false => format!("{}…{}", &sid[..2], &sid[sid.len() - 4..]),
        }
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

/// How wide the terminal is, in characters.
fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| width.0.into())
}

/// The bar in one line of the terminal, however narrow that is: drawn over, a second one would stay.
fn bar(part: f64, left: Duration, width: usize) -> String {
    let left = format!(" {:.1} s {LABEL}", left.as_secs_f64());
    // A terminal goes to the next line behind its last character.
    let room = width.saturating_sub(1);
    let indent = INDENT.min(room.saturating_sub(left.len() + BAR));
    let length = BAR.min(room.saturating_sub(left.len()));
    let full = ((length as f64 * part) as usize).min(length);
    let (full, rest) = ("█".repeat(full), "░".repeat(length - full));
    let line = format!("{:indent$}{full}{rest}{left}", "");
    line.chars().take(room).collect()
}

pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fits_any_terminal_and_says_what_it_counts() {
        for width in 0..200 {
            let bar = bar(0.5, Duration::from_millis(1250), width);
            assert!(
                bar.chars().count() <= width.saturating_sub(1),
                "{width}: {bar}"
            );
        }
        let bar = bar(0.5, Duration::from_millis(1250), 80);
        assert!(bar.contains('█') && bar.contains('░'), "{bar}");
        assert!(bar.ends_with(" s until the next queue"), "{bar}");
    }
}
