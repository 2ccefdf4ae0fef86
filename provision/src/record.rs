//! What setup changed, kept in a file beside `.env`, so that teardown can put it back.
//!
//! It holds SIDs and the settings that were replaced. Those are written down *before* they are
//! replaced, so that an interruption loses none.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use twilio::rest::VoiceWebhook;
use twilio::{
    AccountSid, FlowSid, PhoneNumberSid, SinkSid, SubscriptionSid, TaskQueueSid, WorkflowSid,
    WorkspaceSid,
};

use crate::error::{Error, Result};
use crate::files;

const VERSION: u32 = 1;

/// The content of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    version: u32,
    account_sid: AccountSid,
    workspace_sid: WorkspaceSid,
    pub(crate) prefix: String,
    /// By name, those that setup made.
    #[serde(default)]
    pub(crate) task_queues: BTreeMap<String, TaskQueueSid>,
    /// The placeholder of the user's that setup found and uses.
    #[serde(default)]
    pub(crate) placeholder: Option<TaskQueueSid>,
    /// How the events come.
    #[serde(default)]
    pub(crate) via: Option<Via>,
    #[serde(default)]
    pub(crate) workflow: Option<WorkflowSid>,
    /// That of our workflow in seconds, once it was said.
    #[serde(default)]
    pub(crate) reservation_timeout: Option<u32>,
    #[serde(default)]
    pub(crate) studio_flow: Option<FlowSid>,
    #[serde(default)]
    pub(crate) sink: Option<SinkSid>,
    /// Those that setup made of sinks of the user's.
    #[serde(default)]
    pub(crate) subscriptions: BTreeSet<SubscriptionSid>,
    #[serde(default)]
    pub(crate) callback: Option<ReplacedCallback>,
    #[serde(default)]
    pub(crate) numbers: BTreeMap<PhoneNumberSid, ReplacedVoice>,
    #[serde(default)]
    pub(crate) extended_workflows: BTreeMap<WorkflowSid, ReplacedConfiguration>,
}

/// How TaskRouter's events come to ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Via {
    /// By the workspace's event callback.
    Callback,
    /// By an Event Streams sink.
    EventStreams,
}

/// The workspace's event callback.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReplacedCallback {
    /// Empty where setup emptied it, for the events come by Event Streams.
    pub(crate) installed_url: String,
    pub(crate) installed_filter: String,
    /// `None` in records of an earlier setup that found our callback there.
    pub(crate) previous: Option<PreviousCallback>,
}

impl ReplacedCallback {
    /// Whether setup emptied it, and it still is.
    pub(crate) fn emptied(&self, current_url: &str) -> bool {
        self.installed_url.is_empty() && current_url.is_empty()
    }

    /// Whether the callback that is there now was there before setup.
    pub(crate) fn was_there(&self, current_url: &str) -> bool {
        let previous = self.previous.as_ref();
        previous.is_none_or(|previous| previous.url == current_url)
    }
}

/// What was there before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PreviousCallback {
    pub(crate) url: String,
    pub(crate) filter: String,
}

/// Where calls to a number went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReplacedVoice {
    pub(crate) installed_url: String,
    pub(crate) previous: VoiceWebhook,
}

/// The configuration of a workflow of the user's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReplacedConfiguration {
    pub(crate) installed: String,
    /// Without anything of setup's.
    pub(crate) previous: String,
    /// What setup replaced, which is there still if it was interrupted. Things of an earlier setup may
    /// be in it.
    #[serde(default)]
    pub(crate) found: Option<String>,
    /// Whether the user said that only calls come to it.
    #[serde(default)]
    pub(crate) in_place: bool,
    /// For targets that have no timeout, in seconds.
    #[serde(default)]
    pub(crate) target_timeout: Option<u32>,
}

impl Record {
    /// Nothing is recorded yet.
    pub(crate) fn new(account_sid: AccountSid, workspace_sid: WorkspaceSid) -> Self {
        Self {
            version: VERSION,
            account_sid,
            workspace_sid,
            prefix: String::new(),
            task_queues: BTreeMap::new(),
            placeholder: None,
            via: None,
            workflow: None,
            reservation_timeout: None,
            studio_flow: None,
            sink: None,
            subscriptions: BTreeSet::new(),
            callback: None,
            numbers: BTreeMap::new(),
            extended_workflows: BTreeMap::new(),
        }
    }

    /// What the file records of a workspace; nothing where there is no such file.
    pub(crate) fn read(path: &Path, account: AccountSid, workspace: WorkspaceSid) -> Result<Self> {
        let new = Self::new(account, workspace);
        let Some(record) = read(path)? else {
            return Ok(new);
        };
        if (record.account_sid, record.workspace_sid) != (account, workspace) {
            return Err(Error::OtherAccount {
                path: path.to_owned(),
                recorded: record.place(),
                current: new.place(),
            });
        }
        Ok(record)
    }

    /// Whether setup has recorded nothing here yet.
    pub(crate) fn is_new(&self) -> bool {
        self.prefix.is_empty()
    }

    fn place(&self) -> String {
        let (account, workspace) = (self.account_sid, self.workspace_sid);
        format!("account {account}, workspace {workspace}")
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        // Strings and SIDs.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_else(|_| unreachable!());
        text.push('\n');
        files::write_atomically(path, &text)
    }
}

/// Removes the file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(path, error)),
        _ => Ok(()),
    }
}

/// The prefix under which setup worked last, if the file says so.
pub(crate) fn recorded_prefix(path: &Path) -> Result<Option<String>> {
    Ok(read(path)?.map(|record| record.prefix))
}

fn read(path: &Path) -> Result<Option<Record>> {
    let Some(text) = files::read(path)? else {
        return Ok(None);
    };
    let broken = |problem: String| Error::Record {
        path: path.to_owned(),
        problem,
    };
    let record: Record = serde_json::from_str(&text)
        .map_err(|error| broken(format!("line {}: not as setup writes it", error.line())))?;
    if record.version != VERSION {
        let problem = format!("it has version {}, not {VERSION}", record.version);
        return Err(broken(problem));
    }
    Ok(Some(record))
}
