//! Why setup or teardown can't go on, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use service::settings::InvalidSettings;
use twilio::rest::RestError;
use twilio::{PhoneNumberSid, TaskQueueSid, WorkflowSid, WorkspaceSid};

/// What a command does, or why it ended before its end.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {doing}: {error}\n  {}", advice(error))]
    Twilio { doing: String, error: RestError },
    #[error(
        "the account has no workspace named {name:?}{others}\n  \
         Is it a Flex account, and the right one? Name the workspace by --workspace WS…"
    )]
    NoWorkspace { name: String, others: String },
    #[error(
        "workspace {0} does not exist in this account\n  \
         Compare it with Console > TaskRouter > Workspaces, and the account with TWILIO_ACCOUNT_SID."
    )]
    UnknownWorkspace(WorkspaceSid),
    #[error(
        "there are {count} {kind}s named {name:?}: {sids}\n  {remedy}",
        count = sids.split(", ").count()
    )]
    Clash {
        kind: &'static str,
        name: String,
        sids: String,
        remedy: &'static str,
    },
    #[error(
        "the workspace's event callback is already in use: {0}\n  \
         A workspace has one event callback only, so this one would be cut off. Nothing was changed. \
         Two ways out:\n  \
         --via event-streams     delivers the events by Event Streams; the callback stays as it is\n  \
         --replace-callback      takes the callback over; `overflow teardown` puts it back"
    )]
    ForeignCallback(String),
    #[error(
        "{0} was changed by somebody else meanwhile, and is left as it is now\n  \
         Run the command again: it goes by what is there then."
    )]
    ChangedMeanwhile(String),
    #[error("{0}")]
    Unclear(String),
    #[error("{needed}: {problem}\n  These credentials, or their region, can't be used for that.")]
    Denied {
        needed: &'static str,
        problem: String,
    },
    #[error(
        "the account has no phone number {0}\n  \
         Compare it with Console > Phone Numbers > Active numbers; write it in E.164 form."
    )]
    NoSuchNumber(String),
    #[error(
        "phone number {number} is answered by {by}, which wins over its voice URL\n  \
         Nothing was changed. Take the number off it first (Console > Phone Numbers > {number} > \
         Voice configuration), or point it at the flow there."
    )]
    NumberTaken { number: PhoneNumberSid, by: String },
    #[error(
        "workspace {0} has no task channel named \"voice\"\n  \
         Flex makes it; is this the Flex workspace? Name another by --workspace WS…"
    )]
    NoVoiceChannel(WorkspaceSid),
    #[error(
        "workspace {workspace} has no workflow {workflow}\n  \
         Compare it with Console > TaskRouter > Workflows."
    )]
    NoSuchWorkflow {
        workspace: WorkspaceSid,
        workflow: WorkflowSid,
    },
    #[error(
        "workspace {workspace} has no task queue {queue}\n  \
         Compare it with Console > TaskRouter > Task queues."
    )]
    NoSuchTaskQueue {
        workspace: WorkspaceSid,
        queue: TaskQueueSid,
    },
    #[error("the configuration of workflow {workflow} can't be extended: {problem}")]
    Workflow {
        workflow: WorkflowSid,
        problem: String,
    },
    #[error("Studio finds the flow invalid: {0}\n  Nothing of it was created or changed.")]
    InvalidFlow(String),
    #[error(
        "{path} can't be used: {problem}\n  \
         It records what setup changed. Fix it, name another by --state-file, or remove it: then \
         teardown can't restore what setup had replaced.",
        path = path.display()
    )]
    Record { path: PathBuf, problem: String },
    #[error(
        "{path} records a set-up of {recorded}, not of {current}\n  \
         Name a file of its own for this one by --state-file.",
        path = path.display()
    )]
    OtherAccount {
        path: PathBuf,
        recorded: String,
        current: String,
    },
    #[error("cannot write {path}: {error}", path = path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot read {path}: {error}", path = path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("interrupted")]
    Interrupted,
    #[error("cannot ask: {0}")]
    Ask(#[from] io::Error),
    #[error("{0}")]
    Waiting(String),
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
}

impl Error {
    pub(crate) fn write(path: &Path, error: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            error,
        }
    }
}

/// Says what a failed request was for.
pub(crate) trait Doing<T> {
    /// `what` completes "cannot".
    fn doing(self, what: impl Into<String>) -> Result<T>;
}

impl<T> Doing<T> for Result<T, RestError> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| Error::Twilio {
            doing: what.into(),
            error,
        })
    }
}

/// What to do about a failed request.
pub(crate) fn advice(error: &RestError) -> &'static str {
    match error {
        RestError::Refused(refusal) => match refusal.status {
            401 if refusal.is_local => {
                "Compare TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN with what the simulator printed: \
                 each start of the simulator is a new account, unless it gets --account-sid and \
                 SIMULATOR_AUTH_TOKEN. Replace the lines in .env."
            }
            401 => {
                "Compare TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN (or the API key) with Console > \
                 Account > API keys & tokens. Credentials belong to one region: with another one, \
                 set TWILIO_API_URL too. A suspended account gets the same answer."
            }
            403 => {
                "These credentials may not do that. Use the account's auth token or a main API \
                 key, or allow it to the restricted key (Console > Account > API keys & tokens)."
            }
            404 => "Compare TWILIO_ACCOUNT_SID and --workspace with the console.",
            429 => "Twilio is asked too often just now. Run the command again in a minute.",
            400..=499 => "Twilio refused this for good; its message says why.",
            _ => "Twilio has a problem. Run the command again: it goes on where it stopped.",
        },
        RestError::NotSent(_) => {
            "Is api.twilio.com (or TWILIO_API_URL) reachable from here? Nothing was changed by \
             this request."
        }
        RestError::AnswerLost(_) | RestError::Unreadable(_) => {
            "It may have been done. Run the command again: it goes on where it stopped, and makes \
             nothing twice."
        }
    }
}
