//! What is told of a moment.

use simulator::{CallbackRecord, Callee, EventKind, Heard, Story};
use tokio::time::Instant;

use super::{Teller, millis, phones};

/// Who does something.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Caller,
    Twilio,
    Us,
    Phone,
}

impl Who {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Caller => "Caller",
            Self::Twilio => "Twilio",
            Self::Us => "Flex Overflow",
            Self::Phone => "Phone",
        }
    }

    pub(super) fn colour(self) -> &'static str {
        match self {
            Self::Caller => "\x1b[33m",
            Self::Twilio => "\x1b[36m",
            Self::Us => "\x1b[1;32m",
            Self::Phone => "\x1b[35m",
        }
    }
}

impl Teller {
    /// The line for a moment; none for those that would only repeat another.
    pub(super) fn line(&mut self, story: &Story) -> Option<(Who, String)> {
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
                let sid = self.sid(call.as_str());
                match heard {
                    Heard::Redirected { .. } if self.phones => {
                        let after = since_entered.map(millis);
                        let after = after.map_or_else(String::new, |t| format!(" after {t}"));
                        (Who::Us, format!("call {sid} redirected{after}"))
                    }
                    Heard::Redirected { .. } => {
                        self.redirected
                            .extend(since_entered.map(|after| (*call, after)));
                        return None;
                    }
                    Heard::Dialled(dial) => {
                        let numbers = dial.numbers.iter().map(|number| number.as_str());
                        let numbers = numbers.collect::<Vec<_>>().join(", ");
                        let outcome = phones::outcome(dial.outcome).filter(|_| !self.phones)?;
                        (
                            Who::Us,
                            format!("call {sid} redirected to {numbers}: {outcome}"),
                        )
                    }
                    Heard::ConversationCut { .. } => {
                        (Who::Caller, format!("call {sid}: a conversation was cut"))
                    }
                    Heard::ApplicationError { problem } => (
                        Who::Caller,
                        format!("call {sid} heard an application error: {problem}"),
                    ),
                    Heard::HungUp { .. } => (Who::Caller, format!("call {sid} ended")),
                    heard if self.phones => (Who::Caller, phones::caller(heard)?),
                    heard => (
                        Who::Caller,
                        format!("call {sid} {}", phones::caller(heard)?),
                    ),
                }
            }
            Story::Callee {
                call,
                number,
                mailbox,
                what,
            } => match what {
                what if self.phones => (Who::Phone, phones::callee(*number, *mailbox, what)),
                Callee::Connected => {
                    let sid = self.sid(call.as_str());
                    let after = self.redirected.remove(call).map(millis);
                    let after = after.map_or_else(String::new, |t| format!(" after {t}"));
                    let number = number.as_str();
                    (Who::Us, format!("call {sid} redirected to {number}{after}"))
                }
                _ => return None,
            },
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
