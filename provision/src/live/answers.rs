//! What Twilio does where its documentation is silent, as it was found out, in a file beside `.env`. No
//! number is in it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio::{AccountSid, FormParams};

use crate::error::{Error, Result};
use crate::files;

/// What was found out on an account; what wasn't is `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answers {
    pub(super) task_after_update: Option<Found<TaskAfterUpdate>>,
    pub(super) refused_whisper: Option<Found<RefusedWhisper>>,
    pub(super) others: Option<Found<Others>>,
    pub(super) action_after_hang_up: Option<Found<ActionAfterHangUp>>,
}

/// An answer, and when it was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found<T> {
    pub(super) answer: T,
    found_out: Timestamp,
}

/// What a call update does to the task of a caller who waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskAfterUpdate {
    /// It is cancelled, for a reason in Twilio's words.
    Canceled {
        reason: Option<String>,
    },
    StaysOpen,
}

/// What `action` is told of somebody who picked up and, after a whisper, didn't get the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefusedWhisper {
    pub(super) status: DialCallStatus,
    /// `DialBridged`; `None` where it isn't there.
    pub(super) bridged: Option<bool>,
}

/// <https://www.twilio.com/docs/voice/twiml/dial#dialcallstatus-values>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DialCallStatus {
    Completed,
    Answered,
    Busy,
    NoAnswer,
    Failed,
    Canceled,
}

/// What becomes of the other phones when the first is picked up and hears a whisper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Others {
    RingOn,
    HungUp,
}

/// Whether a `<Dial>`'s `action` is requested when the caller hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionAfterHangUp {
    Requested,
    NotRequested,
}

impl<T> Found<T> {
    pub(super) fn now(answer: T) -> Self {
        Self {
            answer,
            found_out: Timestamp::now(),
        }
    }
}

impl TaskAfterUpdate {
    /// A reason with a number in it is left out.
    pub(super) fn canceled(reason: Option<String>) -> Self {
        let digits = |text: &String| text.chars().filter(char::is_ascii_digit).count();
        Self::Canceled {
            reason: reason.filter(|reason| digits(reason) < 5),
        }
    }
}

impl RefusedWhisper {
    /// Reads the parameters of the `action`; `None` if its status is none that we know.
    pub(super) fn of(params: &FormParams) -> Option<Self> {
        Some(Self {
            status: serde_json::from_value(params.get("DialCallStatus")?.into()).ok()?,
            bridged: params.get("DialBridged").and_then(|is| is.parse().ok()),
        })
    }
}

impl Answers {
    /// What the file says of an account; `None` where it says nothing.
    pub(crate) fn read(path: &Path, account: AccountSid) -> Result<Option<Self>> {
        Ok(read(path)?.remove(&account))
    }

    pub(super) fn write(&self, path: &Path, account: AccountSid) -> Result<()> {
        let mut all = read(path)?;
        all.insert(account, self.clone());
        // Strings and SIDs.
        let text = serde_json::to_string_pretty(&all).unwrap_or_else(|_| unreachable!());
        files::write_atomically(path, &(text + "\n"))
    }

    /// Each as a sentence; `Err` with what is still to be found out.
    pub(crate) fn told(&self) -> [Result<String, &'static str>; 4] {
        [
            told(&self.task_after_update, |task| match task {
                TaskAfterUpdate::Canceled { reason: Some(reason) } => format!(
                    "a call update cancels the task of a caller who waits, with the reason {reason:?}"
                ),
                TaskAfterUpdate::Canceled { reason: None } => {
                    "a call update cancels the task of a caller who waits".to_owned()
                }
                TaskAfterUpdate::StaysOpen => {
                    "a call update leaves the task of a caller who waits open".to_owned()
                }
            })
            .ok_or("what a call update does to the task of a caller who waits"),
            told(&self.refused_whisper, |told| {
                let status = serde_json::to_value(told.status).unwrap_or_default();
                let status = status.as_str().unwrap_or_default();
                let bridged = told.bridged.map_or("missing", |is| if is { "true" } else { "false" });
                format!("after a refused whisper DialCallStatus is {status}, DialBridged {bridged}")
            })
            .ok_or("what Twilio says after a refused whisper"),
            told(&self.others, |others| {
                let do_what = match others {
                    Others::RingOn => "ring on",
                    Others::HungUp => "are hung up",
                };
                format!("others {do_what} while somebody hears a whisper")
            })
            .ok_or("whether others ring on while somebody hears a whisper"),
            told(&self.action_after_hang_up, |action| {
                let is = match action {
                    ActionAfterHangUp::Requested => "is",
                    ActionAfterHangUp::NotRequested => "is not",
                };
                format!("action {is} requested after the caller's hang-up")
            })
            .ok_or("whether action is requested after the caller's hang-up"),
        ]
    }
}

fn told<T>(found: &Option<Found<T>>, say: impl FnOnce(&T) -> String) -> Option<String> {
    let Found { answer, found_out } = found.as_ref()?;
    let day = found_out.strftime("%Y-%m-%d");
    Some(format!("{} (found out on {day})", say(answer)))
}

fn read(path: &Path) -> Result<BTreeMap<AccountSid, Answers>> {
    let text = files::read(path)?;
    let all = serde_json::from_str(text.as_deref().unwrap_or("{}"));
    all.map_err(|_| {
        Error::Unclear(format!(
            "{} is not as `overflow verify-live` writes it\n  Remove it, or name another by --live-file.",
            path.display()
        ))
    })
}
