//! `overflow teardown`: takes away what setup made, and puts back what it replaced.

mod plan;

use service::Problems;
use service::settings::{InvalidSettings, TwilioArgs};
use twilio::rest::Patience;
use twilio::{EVENTS_PATH, PublicUrl};

use crate::api::Api;
use crate::args::{self, ConsentArgs, Place, PlaceArgs};
use crate::console::{Console, Status};
use crate::error::{Doing, Error};
use crate::site::Site;

use self::plan::Planner;

/// Removes what setup made at Twilio, and restores what it replaced.
///
/// Shows the list first and asks. Only resources under our names, or recorded by setup as its own,
/// are removed. Without the record of setup it says what it can't restore.
#[derive(Debug, Clone, clap::Args)]
pub struct TeardownArgs {
    /// The URL of ingest, to know our event callback by where setup's record is lost
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,

    /// Only put back what setup replaced, and leave task queues, workflow and Studio flow: for who
    /// made them with Terraform
    #[arg(long)]
    keep_resources: bool,

    /// Go on even though callers wait: they are left waiting
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    consent: ConsentArgs,

    // Last: what follows them would stand under their headings.
    #[command(flatten)]
    twilio: TwilioArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What teardown is to do.
#[derive(Debug)]
pub(crate) struct Teardown {
    api: Api,
    place: Place,
    public_url: Option<PublicUrl>,
    keep_resources: bool,
    force: bool,
    consent: ConsentArgs,
}

impl TeardownArgs {
    /// Does it. With `patience`, requests are tried again while Twilio is asked too often.
    pub async fn run(self, console: &mut Console<'_>, patience: Patience) -> Status {
        let ended = async { self.resolve(patience)?.run(console).await }.await;
        console.end(ended)
    }

    fn resolve(self, patience: Patience) -> Result<Teardown, InvalidSettings> {
        let mut problems = Problems::default();
        let api = self
            .twilio
            .resolve(&mut problems)
            .and_then(|twilio| args::api(&twilio, patience, &mut problems));
        let place = self.place.resolve(&mut problems);
        let public_url = problems.optional(
            "PUBLIC_URL",
            self.public_url,
            "https://overflow.example.com",
        );
        let teardown = api.zip(place).map(|(api, place)| Teardown {
            api,
            place,
            public_url,
            keep_resources: self.keep_resources,
            force: self.force,
            consent: self.consent,
        });
        problems.finish(teardown)
    }
}

impl Teardown {
    async fn run(&self, console: &mut Console<'_>) -> Result<Status, Error> {
        let site = Site::open(&self.api, &self.place).await?;
        if site.record.is_none() {
            console.line(format_args!(
                "! {} is not there: what setup replaced can't be restored; what carries the prefix \
                 {:?} can be removed.",
                site.records.path().display(),
                site.names.prefix()
            ));
        }
        let numbers = self.api.client.incoming_numbers(&self.api.account, None);
        let numbers = numbers.await.doing("list the phone numbers")?;
        let receiver = self.public_url.as_ref().map(|url| url.join(EVENTS_PATH));
        let planner = Planner {
            site: &site,
            numbers: &numbers,
            receiver: receiver.as_deref(),
            keep_resources: self.keep_resources,
        };
        let (steps, complete) = planner.steps();
        let status = match complete {
            true => Status::Done,
            false => Status::Failed,
        };
        if !site.show(&steps, console) {
            console.line("\nNothing of ours is left.");
            site.records.remove()?;
            return Ok(status);
        }
        if !self.consent.dry_run {
            self.refuse_while_callers_wait(&site, console).await?;
        }
        if let Some(status) = self.consent.refused(console)? {
            return Ok(status);
        }
        site.carry_out(steps, console).await?;
        if complete {
            site.records.remove()?;
        }
        console.line(match status {
            Status::Done => "\nTaken down. The settings in .env were left as they are.",
            _ => "\nTaken down, except for what is marked ! above.",
        });
        Ok(status)
    }

    async fn refuse_while_callers_wait(
        &self,
        site: &Site<'_>,
        console: &mut Console<'_>,
    ) -> Result<(), Error> {
        let client = &self.api.client;
        let (inventory, record) = (&site.inventory, &site.record);
        let workspace = &inventory.workspace.sid;
        let doing = "count the waiting tasks";
        let mut waiting = Vec::new();
        for queue in inventory.task_queues.values() {
            let tasks = client.pending_tasks(workspace, &queue.sid).await;
            let tasks = tasks.doing(doing)?;
            let tasks = tasks.items.len() + tasks.unreadable;
            if tasks > 0 {
                waiting.push(format!("{tasks} in task queue {}", queue.friendly_name));
            }
        }
        // Their tasks keep the way to the placeholder that they were created with.
        for workflow in record.iter().flat_map(|r| r.extended_workflows.keys()) {
            let tasks = client.waiting_tasks(workspace, workflow).await;
            let tasks = tasks.doing(doing)?;
            if tasks > 0 {
                waiting.push(format!("{tasks} of workflow {workflow}"));
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let waiting = waiting.join(", ");
        if self.force {
            console.line(format_args!("! tasks wait: {waiting}; going on by --force"));
            return Ok(());
        }
        Err(Error::Waiting(format!(
            "tasks wait: {waiting}\n  \
             Nothing was changed: their callers would be left waiting. Try again when they are \
             through, or go on by --force."
        )))
    }
}
