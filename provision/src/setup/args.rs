//! What setup is to do.

use std::path::PathBuf;

use service::Problems;
use service::settings::{Setting, TwilioArgs, TwilioSettings};
use twilio::rest::Patience;
use twilio::{E164, PublicUrl, WorkflowSid};

use crate::api::Api;
use crate::args::{self, ConsentArgs, Place, PlaceArgs};

/// Creates and updates what Twilio needs: task queues, workflow, Studio flow, event callback.
///
/// Shows what it would do and asks. It can be run again at any time: what is right already is left
/// alone, and what an interrupted run had not done yet is done.
#[derive(Debug, Clone, clap::Args)]
pub struct SetupArgs {
    /// The URL by which Twilio reaches ingest  [required]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", default_value = "")]
    public_url: Setting<Option<PublicUrl>>,

    /// How TaskRouter's events come: by the workspace's one event callback, or by Event Streams,
    /// which leaves the callback to whoever uses it
    #[arg(long, value_enum, default_value_t = Via::Callback, value_name = "WAY")]
    via: Via,

    /// Take the workspace's event callback over from whoever uses it
    #[arg(long)]
    replace_callback: bool,

    /// Point this number of the account at the Studio flow, in E.164 form
    #[arg(long, value_name = "+…", default_value = "", conflicts_with = "workflow")]
    number: Setting<Option<E164>>,

    /// Extend this workflow of yours instead of making one: the placeholder becomes the last target
    /// of each of its filters
    #[arg(long, value_name = "WW…", default_value = "")]
    workflow: Setting<Option<WorkflowSid>>,

    /// With --workflow: a timeout for targets before the placeholder that have none, in seconds;
    /// no caller gets past a target without one
    #[arg(long, value_name = "SECONDS", requires = "workflow",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    target_timeout: Option<u32>,

    /// The number that redirected calls ring, to be written to the file of settings
    #[arg(long, env = "FORWARD_TO_NUMBER", value_name = "+…", default_value = "")]
    forward_to_number: Setting<Option<E164>>,

    /// The file of settings that the services read: our lines are set, all others stay as they are
    #[arg(long, value_name = "FILE", default_value = ".env")]
    env_file: PathBuf,

    #[command(flatten)]
    consent: ConsentArgs,

    // Last: what follows them would stand under their headings.
    #[command(flatten)]
    twilio: TwilioArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

/// How TaskRouter's events come to ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Via {
    /// By the workspace's event callback.
    Callback,
    /// By an Event Streams sink.
    EventStreams,
}

/// What setup is to do.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(super) twilio: TwilioSettings,
    pub(super) api: Api,
    pub(super) place: Place,
    pub(super) public_url: PublicUrl,
    pub(super) via: Via,
    pub(super) replace_callback: bool,
    pub(super) number: Option<E164>,
    pub(super) workflow: Option<WorkflowSid>,
    pub(super) target_timeout: Option<u32>,
    pub(super) forward_to: Option<E164>,
    pub(super) env_file: PathBuf,
    pub(super) consent: ConsentArgs,
}

impl SetupArgs {
    /// Parses them.
    pub(super) fn resolve(self, patience: Patience, problems: &mut Problems) -> Option<Setup> {
        let account = args::account(self.twilio, patience, problems);
        let place = self.place.resolve(problems);
        let public_url = problems.required(self.public_url);
        let number = problems.take(self.number);
        let workflow = problems.take(self.workflow);
        let forward_to = problems.take(self.forward_to_number);
        let (twilio, api) = account?;
        Some(Setup {
            twilio,
            api,
            place: place?,
            public_url: public_url?,
            via: self.via,
            replace_callback: self.replace_callback,
            number,
            workflow,
            target_timeout: self.target_timeout,
            forward_to,
            env_file: self.env_file,
            consent: self.consent,
        })
    }
}
