//! What setup is to do.

use std::path::PathBuf;
use std::time::Duration;

use service::Problems;
use service::settings::{Setting, TwilioArgs, TwilioSettings, Value as _};
use twilio::rest::Patience;
use twilio::{E164, PublicUrl, TaskQueueSid, WorkflowSid};

use crate::api::Api;
use crate::args::{self, ConsentArgs, Place, PlaceArgs};
use crate::record::Via;

/// With a unit, or as Twilio has them: `20s` and `20`.
fn seconds(text: &str) -> Result<u32, String> {
    let whole = |time: Duration| {
        let seconds = u32::try_from(time.as_secs()).ok()?;
        (time.subsec_nanos() == 0).then_some(seconds)
    };
    let seconds = text
        .parse()
        .ok()
        .or_else(|| Duration::read(text).ok().and_then(whole))
        .filter(|seconds| (1..=86_400).contains(seconds));
    seconds.ok_or_else(|| "must be whole seconds from 1s to 24h, for example 20s".to_owned())
}

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
    /// which leaves the callback to whoever uses it  [default: as before, else callback]
    #[arg(long, value_enum, value_name = "WAY")]
    via: Option<Via>,

    /// Take the workspace's event callback over from whoever uses it
    #[arg(long)]
    replace_callback: bool,

    /// Point this number of the account at the Studio flow, in E.164 form
    #[arg(long, value_name = "+…", default_value = "", conflicts_with = "workflow")]
    number: Setting<Option<E164>>,

    /// The task queue of yours that is the placeholder. It must match nobody  [default: the one that
    /// setup made, that FORWARD_CALL_TASK_QUEUE_SID names, or that workflows end in]
    #[arg(long, value_name = "WQ…", default_value = "", conflicts_with = "name_prefix")]
    placeholder: Setting<Option<TaskQueueSid>>,

    /// The placeholder that the services use, if the file of settings names none. Before the first
    /// setup it may be anything
    #[arg(long, env = "FORWARD_CALL_TASK_QUEUE_SID", hide = true)]
    forward_call_task_queue_sid: Option<String>,

    /// Extend this workflow of yours instead of making one: before each of its filters goes a copy
    /// for calls that ends in the placeholder
    #[arg(long, value_name = "WW…", default_value = "")]
    workflow: Setting<Option<WorkflowSid>>,

    /// With --workflow: only calls come to it, so the filters themselves are to end in the
    /// placeholder  [default: as before, else false]
    #[arg(long, requires = "workflow", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_missing_value = "true")]
    in_place: Option<bool>,

    /// With --workflow: only this filter, by its name; may be repeated. An empty name means all
    /// [default: as before, else all]
    #[arg(long = "filter", value_name = "NAME", requires = "workflow")]
    filters: Vec<String>,

    /// Let callers who wait already start again in a workflow that is changed
    #[arg(long)]
    re_evaluate_tasks: bool,

    /// In the workflow that setup makes: how long an agent has to take an offered call
    /// [default: as before, else 15s]
    #[arg(long, value_name = "DURATION", conflicts_with = "workflow",
          value_parser = seconds)]
    reservation_timeout: Option<u32>,

    /// With --workflow: a timeout for targets before the placeholder that have none, such as 20s;
    /// no caller gets past a target without one
    #[arg(long, value_name = "DURATION", requires = "workflow",
          value_parser = seconds)]
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

/// What setup is to do.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(super) twilio: TwilioSettings,
    pub(super) api: Api,
    pub(super) place: Place,
    pub(super) public_url: PublicUrl,
    pub(super) via: Option<Via>,
    pub(super) replace_callback: bool,
    pub(super) number: Option<E164>,
    pub(super) placeholder: Option<TaskQueueSid>,
    pub(super) placeholder_in_use: Option<TaskQueueSid>,
    pub(super) workflow: Option<WorkflowSid>,
    pub(super) in_place: Option<bool>,
    pub(super) filters: Vec<String>,
    pub(super) re_evaluate_tasks: bool,
    pub(super) reservation_timeout: Option<u32>,
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
        let placeholder = problems.take(self.placeholder);
        let in_use = self.forward_call_task_queue_sid;
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
            placeholder,
            placeholder_in_use: in_use.and_then(|sid| sid.parse().ok()),
            workflow,
            in_place: self.in_place,
            filters: self.filters,
            re_evaluate_tasks: self.re_evaluate_tasks,
            reservation_timeout: self.reservation_timeout,
            target_timeout: self.target_timeout,
            forward_to,
            env_file: self.env_file,
            consent: self.consent,
        })
    }
}
