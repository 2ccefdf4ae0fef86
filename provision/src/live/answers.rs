//! What Twilio does where its documentation is silent, as it was found out on an account, in a file
//! beside `.env`. No number is in it.

use std::fmt::{self, Display};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio::{AccountSid, FormParams};

use crate::error::{Error, Result};
use crate::files;

const VERSION: u32 = 1;

/// The content of the file. What was not found out is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answers {
    version: u32,
    account_sid: AccountSid,
    /// What a call update does to the task of a caller who waits.
    pub(super) task_after_update: Option<Found<TaskAfterUpdate>>,
    /// What `action` is told after a refused whisper.
    pub(super) refused_whisper: Option<Found<RefusedWhisper>>,
    /// What becomes of the others while a whisper runs.
    pub(super) others: Option<Found<Others>>,
    /// Whether `action` is requested after the caller's hang-up.
    pub(super) action_after_hang_up: Option<Found<ActionAfterHangUp>>,
}

/// An answer, and when it was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Found<T> {
    /// What Twilio does.
    pub(super) answer: T,
    found_out: Timestamp,
}

/// What a call update does to the task of a caller who waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskAfterUpdate {
    /// It is cancelled.
    Canceled {
        /// In Twilio's words.
        reason: Option<String>,
    },
    /// It stays open.
    StaysOpen,
}

/// What `action` is told of somebody who picked up and, after a whisper, didn't get the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefusedWhisper {
    /// `DialCallStatus`.
    pub(super) status: DialCallStatus,
    /// `DialBridged`; `None` where it isn't there.
    pub(super) bridged: Option<bool>,
}

/// `DialCallStatus` (<https://www.twilio.com/docs/voice/twiml/dial#dialcallstatus-values>).
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

/// What becomes of the others who are rung when the first picks up and hears a whisper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Others {
    /// Their phones ring on.
    RingOn,
    /// They are hung up.
    HungUp,
}

/// Whether a `<Dial>`'s `action` is requested when the caller hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionAfterHangUp {
    /// It is.
    Requested,
    /// It isn't.
    NotRequested,
}

impl<T> Found<T> {
    /// Found out just now.
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
        let status = serde_json::from_value(params.get("DialCallStatus")?.into()).ok()?;
        let bridged = params.get("DialBridged").and_then(|text| text.parse().ok());
        Some(Self { status, bridged })
    }
}

impl Answers {
    /// What the file says of the account; nothing where there is no such file.
    pub(super) fn read(path: &Path, account: AccountSid) -> Result<Self> {
        match Self::find(path)? {
            Some(answers) if answers.account_sid != account => Err(Error::Unclear(format!(
                "{} is about account {}, not {account}\n  Name a file of its own for this one by \
                 --live-file.",
                path.display(),
                answers.account_sid
            ))),
            Some(answers) => Ok(answers),
            None => Ok(Self {
                version: VERSION,
                account_sid: account,
                task_after_update: None,
                refused_whisper: None,
                others: None,
                action_after_hang_up: None,
            }),
        }
    }

    /// What the file says; `None` where there is no such file.
    pub(crate) fn find(path: &Path) -> Result<Option<Self>> {
        let Some(text) = files::read(path)? else {
            return Ok(None);
        };
        let answers: Option<Self> = serde_json::from_str(&text).ok();
        let answers = answers.filter(|answers| answers.version == VERSION);
        let broken = || {
            let path = path.display();
            Error::Unclear(format!(
                "{path} is not as `overflow verify-live` writes it\n  Remove it, or name another by \
                 --live-file."
            ))
        };
        answers.map(Some).ok_or_else(broken)
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        // Strings and SIDs.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_else(|_| unreachable!());
        text.push('\n');
        files::write_atomically(path, &text)
    }

    /// Whether they are about this account.
    pub(crate) fn are_of(&self, account: AccountSid) -> bool {
        self.account_sid == account
    }

    /// Each as a sentence.
    pub(crate) fn told(&self) -> [String; 4] {
        [
            told(
                self.task_after_update.as_ref(),
                "what a call update does to the task of a caller who waits",
            ),
            told(
                self.refused_whisper.as_ref(),
                "what Twilio says after a refused whisper",
            ),
            told(
                self.others.as_ref(),
                "whether others ring on while somebody hears a whisper",
            ),
            told(
                self.action_after_hang_up.as_ref(),
                "whether action is requested after the caller's hang-up",
            ),
        ]
    }

    /// Whether nothing is left to find out.
    pub(super) fn are_all_there(&self) -> bool {
        self.task_after_update.is_some()
            && self.refused_whisper.is_some()
            && self.others.is_some()
            && self.action_after_hang_up.is_some()
    }
}

fn told<T: Display>(found: Option<&Found<T>>, question: &str) -> String {
    match found {
        Some(Found { answer, found_out }) => {
            format!("{answer} (found out on {})", found_out.strftime("%Y-%m-%d"))
        }
        None => format!("not found out: {question}"),
    }
}

impl Display for TaskAfterUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canceled { reason } => {
                f.write_str("a call update cancels the task of a caller who waits")?;
                match reason {
                    Some(reason) => write!(f, ", with the reason {reason:?}"),
                    None => Ok(()),
                }
            }
            Self::StaysOpen => {
                f.write_str("a call update leaves the task of a caller who waits open")
            }
        }
    }
}

impl Display for RefusedWhisper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = serde_json::to_value(self.status).unwrap_or_default();
        let status = status.as_str().unwrap_or_default();
        let bridged = match self.bridged {
            Some(bridged) => format!("DialBridged {bridged}"),
            None => "DialBridged isn't there".to_owned(),
        };
        write!(
            f,
            "after a refused whisper DialCallStatus is {status} and {bridged}"
        )
    }
}

impl Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RingOn => "others ring on while somebody hears a whisper",
            Self::HungUp => "others are hung up when somebody picks up and hears a whisper",
        })
    }
}

impl Display for ActionAfterHangUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "action is requested after the caller's hang-up",
            Self::NotRequested => "action is not requested after the caller's hang-up",
        })
    }
}
