//! The story of the simulator, told line by line.

use std::io;
use std::time::Duration;

use service::out;
use simulator::{EventKind, Moment, Story};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Prints what happens until the simulator ends.
///
/// # Errors
/// Nothing can be printed any more.
pub(crate) async fn tell(mut story: Receiver<Moment>) -> io::Result<()> {
    loop {
        match story.recv().await {
            Ok(moment) => {
                if let Some(line) = line(&moment.story) {
                    let at = moment.at.as_secs_f64();
                    out::try_line(format_args!("{at:>7.3} s  {line}"))?;
                }
            }
            Err(RecvError::Lagged(missed)) => {
                out::try_line(format_args!("          … {missed} moments not shown"))?;
            }
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

/// The line for a moment; none for those that would only repeat another.
fn line(story: &Story) -> Option<String> {
    Some(match story {
        Story::CallPlaced { call, task } => {
            format!("call {call} waits and hears music (task {task})")
        }
        Story::QueueEntered { name, timeout, .. } => match timeout {
            Some(timeout) => format!("task enters {name}, for {:.1} s", timeout.as_secs_f64()),
            None => format!("task enters {name}: nobody took the call"),
        },
        Story::CallbackAnswered {
            kind: EventKind::TaskQueueEntered,
            status,
            latency,
            attempt,
            ..
        } => {
            let again = match attempt {
                1 => String::new(),
                attempt => format!(", attempt {attempt}"),
            };
            format!(
                "callback task-queue.entered acknowledged with {status} in {}{again}",
                millis(*latency)
            )
        }
        Story::CallbackFailed {
            kind: EventKind::TaskQueueEntered,
            problem,
            attempt,
            ..
        } => format!("callback task-queue.entered failed: {problem} (attempt {attempt})"),
        Story::Dialled {
            call,
            numbers,
            after,
        } => {
            let numbers: Vec<_> = numbers.iter().map(|number| number.as_str()).collect();
            let after = after.map(|after| format!(" after {}", millis(after)));
            format!(
                "call {call} redirected to {}{}",
                numbers.join(", "),
                after.unwrap_or_default()
            )
        }
        Story::ConversationCut { call } => format!("call {call}: a conversation was cut"),
        Story::ApplicationError { call, problem } => {
            format!("call {call} heard an application error: {problem}")
        }
        Story::TaskClosed { status, reason, .. } => match reason {
            Some(reason) => format!("task closed: {} ({reason})", status.as_str()),
            None => format!("task closed: {}", status.as_str()),
        },
        Story::HungUp { call, .. } => format!("call {call} ended"),
        Story::QueueTimeout { .. }
        | Story::CallRedirected { .. }
        | Story::CallbackAnswered { .. }
        | Story::CallbackFailed { .. } => return None,
    })
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
