//! `overflow setup`: makes Twilio's side as it should be.

mod events;
mod plan;

use std::path::PathBuf;

use service::Problems;
use service::settings::{InvalidSettings, TwilioArgs};
use twilio::rest::{ApiUrl, Patience};
use twilio::{E164, PublicUrl, WorkflowSid};

use crate::api::Api;
use crate::args::{self, ConsentArgs, Place, PlaceArgs};
use crate::console::{Console, Status};
use crate::dotenv::Dotenv;
use crate::error::Error;
use crate::record::Record;
use crate::site::Site;

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
    api: Api,
    place: Place,
    public_url: PublicUrl,
    api_url: ApiUrl,
    via: Via,
    replace_callback: bool,
    number: Option<E164>,
    workflow: Option<WorkflowSid>,
    target_timeout: Option<u32>,
    forward_to: Option<E164>,
    env_file: PathBuf,
    consent: ConsentArgs,
    /// Whether an auth token was given: ingest needs one.
    has_auth_token: bool,
}

impl SetupArgs {
    /// Does it. With `patience`, requests are tried again while Twilio is asked too often.
    pub async fn run(self, console: &mut Console<'_>, patience: Patience) -> Status {
        let ended = async { self.resolve(patience)?.run(console).await }.await;
        console.end(ended)
    }

    fn resolve(self, patience: Patience) -> Result<Setup, InvalidSettings> {
        let mut problems = Problems::default();
        let twilio = self.twilio.resolve(&mut problems);
        let api = twilio
            .as_ref()
            .and_then(|twilio| args::api(twilio, patience, &mut problems));
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
                consent: self.consent,
                has_auth_token: !twilio.auth_tokens.is_empty(),
            },
        );
        problems.finish(setup)
    }
}

impl Setup {
    async fn run(&self, console: &mut Console<'_>) -> Result<Status, Error> {
        let mut site = Site::open(&self.api, &self.place).await?;
        let dotenv = Dotenv::read(&self.env_file)?;
        let planner = Planner {
            setup: self,
            site: &site,
        };
        let steps = planner.steps(&dotenv).await?;
        if !site.show(&steps, console) {
            console.line("\nNothing to do: everything is as it should be.");
            self.say_what_is_missing(&dotenv, console);
            return Ok(Status::Done);
        }
        if let Some(status) = self.consent.refused(console)? {
            return Ok(status);
        }
        let record = record_found(&site);
        site.records.write(&record)?;
        site.record = Some(record);
        site.carry_out(steps, console).await?;
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

/// The record with what is there already, so that teardown knows it under another name, too.
fn record_found(site: &Site<'_>) -> Record {
    let inventory = &site.inventory;
    let mut record = site.record.clone().unwrap_or_else(|| site.records.empty());
    site.names.prefix().clone_into(&mut record.prefix);
    for (role, queue) in &inventory.task_queues {
        record
            .task_queues
            .insert(site.names.task_queue(*role), queue.sid);
    }
    let workflow = inventory.workflow.as_ref().map(|workflow| workflow.sid);
    record.workflow = workflow.or(record.workflow);
    let flow = inventory.flow.as_ref().map(|flow| flow.sid);
    record.studio_flow = flow.or(record.studio_flow);
    record
}
