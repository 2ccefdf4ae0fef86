//! `overflow setup`: makes Twilio's side as it should be.

mod events;
mod plan;

use std::path::PathBuf;

use service::Problems;
use service::settings::{InvalidSettings, TwilioArgs};
use twilio::rest::{ApiUrl, Patience};
use twilio::{E164, PublicUrl, WorkflowSid};

use crate::api::Api;
use crate::args::{self, Place, PlaceArgs};
use crate::console::{Console, Status};
use crate::definitions::Names;
use crate::dotenv::Dotenv;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::record::RecordFile;
use crate::step::Work;
use crate::workspace;

use self::plan::Planner;

/// Creates and updates what Twilio needs: task queues, workflow, Studio flow, event callback.
///
/// Shows what it would do and asks. It can be run again at any time: what is right already is left
/// alone, and what an interrupted run had not done yet is done.
#[derive(Debug, Clone, clap::Args)]
pub struct SetupArgs {
    /// The URL by which Twilio reaches ingest  [required]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,

    /// How TaskRouter's events come: by the workspace's one event callback, or by Event Streams,
    /// which leaves the callback to whoever uses it
    #[arg(long, value_enum, default_value_t = Via::Callback, value_name = "WAY")]
    via: Via,

    /// Take the workspace's event callback over from whoever uses it
    #[arg(long)]
    replace_callback: bool,

    /// Point this number of the account at the Studio flow, in E.164 form
    #[arg(long, value_name = "+…", conflicts_with = "workflow")]
    number: Option<String>,

    /// Extend this workflow of yours instead of making one: the placeholder becomes the last target
    /// of each of its filters
    #[arg(long, value_name = "WW…")]
    workflow: Option<String>,

    /// With --workflow: a timeout for targets before the placeholder that have none, in seconds;
    /// no caller gets past a target without one
    #[arg(long, value_name = "SECONDS", requires = "workflow",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    target_timeout: Option<u32>,

    /// The number that redirected calls ring, to be written to the file of settings
    #[arg(long, env = "FORWARD_TO_NUMBER", value_name = "+…")]
    forward_to_number: Option<String>,

    /// The file of settings that the services read: our lines are set, all others left alone
    #[arg(long, value_name = "FILE", default_value = ".env")]
    env_file: PathBuf,

    /// Don't ask
    #[arg(long, short)]
    yes: bool,

    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    // Last: what follows them would stand under their headings.
    #[command(flatten)]
    twilio: TwilioArgs,
    #[command(flatten)]
    place: PlaceArgs,

    #[arg(skip)]
    patience: Patience,
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
    api: Api,
    place: Place,
    names: Names,
    public_url: PublicUrl,
    api_url: ApiUrl,
    via: Via,
    replace_callback: bool,
    number: Option<E164>,
    workflow: Option<WorkflowSid>,
    target_timeout: Option<u32>,
    forward_to: Option<E164>,
    env_file: PathBuf,
    yes: bool,
    dry_run: bool,
    /// Whether an auth token was given: ingest needs one.
    has_auth_token: bool,
}

impl SetupArgs {
    /// How long requests are tried again while Twilio is asked too often.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Does it.
    pub async fn run(self, console: &mut Console<'_>) -> Status {
        match self.resolve() {
            Err(invalid) => {
                console.line(invalid);
                Status::WrongSettings
            }
            Ok(setup) => match setup.run(console).await {
                Ok(status) => status,
                Err(error) => {
                    console.line(format_args!("✗ {error}"));
                    Status::Failed
                }
            },
        }
    }

    fn resolve(self) -> Result<Setup, InvalidSettings> {
        let mut problems = Problems::default();
        let twilio = self.twilio.resolve(&mut problems);
        let api = twilio
            .as_ref()
            .and_then(|twilio| args::api(twilio, self.patience, &mut problems));
        let place = self.place.resolve(&mut problems);
        let public_url = problems.required(
            "PUBLIC_URL",
            self.public_url,
            "https://overflow.example.com",
        );
        let number = problems.optional("--number", self.number, "+14155550100");
        let forward_to =
            problems.optional("FORWARD_TO_NUMBER", self.forward_to_number, "+14155550100");
        let workflow = problems.optional(
            "--workflow",
            self.workflow,
            "WW0123456789abcdef0123456789abcdef",
        );
        let setup = twilio.zip(api).zip(place).zip(public_url).map(
            |(((twilio, api), place), public_url)| Setup {
                api,
                names: Names::new(&place.prefix),
                place,
                public_url,
                api_url: twilio.client.api_url,
                via: self.via,
                replace_callback: self.replace_callback,
                number,
                workflow,
                target_timeout: self.target_timeout,
                forward_to,
                env_file: self.env_file,
                yes: self.yes,
                dry_run: self.dry_run,
                has_auth_token: !twilio.auth_tokens.is_empty(),
            },
        );
        problems.finish(setup)
    }
}

impl Setup {
    async fn run(&self, console: &mut Console<'_>) -> Result<Status, Error> {
        let workspace = workspace::find(&self.api, self.place.workspace).await?;
        let records = RecordFile::new(
            self.place.state_file.clone(),
            self.api.account,
            workspace.sid,
        );
        let record = records.read()?;
        let inventory = Inventory::read(&self.api, workspace, &self.names, record.as_ref()).await?;
        let dotenv = Dotenv::read(&self.env_file)?;
        let planner = Planner {
            setup: self,
            inventory: &inventory,
            record: record.as_ref(),
        };
        let plan = planner.plan(&dotenv).await?;
        let workspace = &inventory.workspace;
        console.line(format_args!(
            "Workspace {:?} ({}) of account {}:\n",
            workspace.friendly_name, workspace.sid, self.api.account
        ));
        plan.show(console);
        if plan.is_empty() {
            console.line("\nNothing to do: everything is as it should be.");
            self.say_what_is_missing(&dotenv, console);
            return Ok(Status::Done);
        }
        if self.dry_run {
            console.line("\nA dry run: nothing was changed.");
            return Ok(Status::Done);
        }
        if !self.yes && !console.confirm("\nDo this?")? {
            console.line("Nothing was changed.");
            return Ok(Status::Failed);
        }
        console.line("");
        let mut record = record.unwrap_or_else(|| records.empty());
        record.prefix = self.names.prefix().to_owned();
        let work = Work::new(
            &self.api,
            workspace.sid,
            &records,
            Some(record),
            &mut *console,
        );
        plan.carry_out(work).await?;
        console.line("\nSet up.");
        self.say_what_is_missing(&Dotenv::read(&self.env_file)?, console);
        console.line("Check it with `overflow doctor`, start with `overflow run`.");
        Ok(Status::Done)
    }

    /// What the services need, and setup can't or mustn't write.
    fn say_what_is_missing(&self, dotenv: &Dotenv, console: &mut Console<'_>) {
        let file = self.env_file.display();
        let in_file = |name: &str| {
            dotenv.get(name).is_some() || dotenv.get(&format!("{name}_FILE")).is_some()
        };
        if !in_file("TWILIO_AUTH_TOKEN") {
            let why = match self.has_auth_token {
                true => "setup writes no secrets",
                false => "an API key can't verify signatures",
            };
            console.line(format_args!(
                "! {file} has no TWILIO_AUTH_TOKEN ({why}): the services need it there or in their \
                 environment."
            ));
        }
        if !in_file("FORWARD_TO_NUMBER") && !in_file("REDIRECT_PLANS") {
            console.line(format_args!(
                "! {file} has no FORWARD_TO_NUMBER: the number that redirected calls ring."
            ));
        }
    }
}
