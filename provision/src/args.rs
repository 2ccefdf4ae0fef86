//! Settings that the commands share.

use std::path::PathBuf;

use service::Problems;
use service::settings::{Setting, TwilioArgs, TwilioSettings};
use twilio::WorkspaceSid;
use twilio::rest::Patience;

use crate::api::Api;
use crate::console::{Console, Status};
use crate::definitions::{DEFINITIONS, Names};
use crate::error::Result;
use crate::record::recorded_prefix;

/// Which resources at Twilio.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Twilio resources")]
pub(crate) struct PlaceArgs {
    /// The TaskRouter workspace, WS…  [default: the one named "Flex Task Assignment"]
    #[arg(long, env = "TWILIO_WORKSPACE_SID", value_name = "WS…", default_value = "")]
    workspace: Setting<Option<WorkspaceSid>>,

    /// What the names of our resources start with. Given, setup makes a set of its own and uses
    /// nothing that is there already  [default: that of the last setup, else
    /// "[TR Call Redirection]"]
    #[arg(long = "prefix", value_name = "TEXT")]
    name_prefix: Option<String>,

    /// The file that keeps what setup replaced, for teardown to put it back. It holds SIDs and
    /// earlier settings, no credentials of ours
    #[arg(long, value_name = "FILE", default_value = ".overflow-setup.json")]
    state_file: PathBuf,
}

/// Which resources at Twilio, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) workspace: Option<WorkspaceSid>,
    pub(crate) names: Names,
    /// Whether the prefix was given, for a set of its own.
    pub(crate) is_set_apart: bool,
    pub(crate) state_file: PathBuf,
}

impl PlaceArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<Place> {
        let workspace = problems.take(self.workspace);
        let is_set_apart = self.name_prefix.is_some();
        let prefix = match self.name_prefix {
            Some(prefix) => prefix.trim().to_owned(),
            None => match recorded_prefix(&self.state_file) {
                Ok(recorded) => recorded.unwrap_or_else(|| DEFINITIONS.prefix.clone()),
                Err(error) => {
                    problems.add_line(error.to_string());
                    return None;
                }
            },
        };
        // Without a prefix, the user's own "Sales" would pass for ours.
        if prefix.is_empty() {
            problems.add_line("--prefix: must not be empty: it tells our resources from others");
            return None;
        }
        if prefix.contains(['"', '\\']) || prefix.chars().any(char::is_control) {
            problems.add_line("--prefix: must not hold quotes, backslashes or control characters");
            return None;
        }
        Some(Place {
            workspace,
            names: Names::new(prefix),
            is_set_apart,
            state_file: self.state_file,
        })
    }
}

/// Whether the command makes changes, and whether it asks first.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConsentArgs {
    /// Don't ask
    #[arg(long, short)]
    yes: bool,

    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl ConsentArgs {
    /// How the command ends if the steps that were shown are not carried out.
    pub(crate) async fn refused(&self, console: &mut Console<'_>) -> Result<Option<Status>> {
        if self.dry_run {
            console.line("\nA dry run: nothing was changed.");
            return Ok(Some(Status::Done));
        }
        if !self.yes && !console.confirm("\nDo this?").await? {
            console.line("Nothing was changed.");
            return Ok(Some(Status::Failed));
        }
        console.line("");
        Ok(None)
    }
}

/// The account's settings, and a client that asks with patience.
pub(crate) fn account(
    twilio: TwilioArgs,
    patience: Patience,
    problems: &mut Problems,
) -> Option<(TwilioSettings, Api)> {
    let settings = twilio.resolve(problems)?;
    let account = settings.account_sid;
    match settings.client() {
        Ok(client) => {
            let client = client.with_patience(patience);
            Some((settings, Api { client, account }))
        }
        Err(error) => {
            problems.add_line(format!("cannot make a client of Twilio's API: {error}"));
            None
        }
    }
}
