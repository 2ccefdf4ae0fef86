//! The story of the simulator, told line by line.

use std::io;
use std::time::Duration;

use service::out;
use simulator::{CallbackRecord, EventKind, Heard, Moment, Story};
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
        Story::Callback(record) if record.kind == EventKind::TaskQueueEntered => callback(record),
        Story::Heard {
            call,
            heard,
            since_entered,
        } => match heard {
            Heard::Dialled(dial) => {
                let numbers: Vec<_> = dial.numbers.iter().map(|number| number.as_str()).collect();
                let after = since_entered.map(|after| format!(" after {}", millis(after)));
                format!(
                    "call {call} redirected to {}{}",
                    numbers.join(", "),
                    after.unwrap_or_default()
                )
            }
            Heard::ConversationCut { .. } => format!("call {call}: a conversation was cut"),
            Heard::ApplicationError { problem } => {
                format!("call {call} heard an application error: {problem}")
            }
            Heard::HungUp { .. } => format!("call {call} ended"),
            _ => return None,
        },
        Story::TaskClosed { status, reason, .. } => match reason {
            Some(reason) => format!("task closed: {} ({reason})", status.as_str()),
            None => format!("task closed: {}", status.as_str()),
        },
        Story::Callback(_) => return None,
    })
}

fn callback(record: &CallbackRecord) -> String {
    let attempt = record.attempt;
    let Some(status) = record.outcome.status() else {
        let problem = record.outcome;
        return format!("callback task-queue.entered failed: {problem} (attempt {attempt})");
    };
    let again = match attempt {
        1 => String::new(),
        attempt => format!(", attempt {attempt}"),
    };
    format!(
        "callback task-queue.entered acknowledged with {status} in {}{again}",
        millis(record.latency)
    )
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
