//! `overflow teardown`: takes away what setup made, and puts back what it replaced.

mod plan;

use service::Problems;
use service::settings::{Setting, TwilioArgs};
use twilio::rest::{IncomingNumber, Patience};
use twilio::{EVENT_STREAM_PATH, EVENTS_PATH, PublicUrl};

use crate::api::Api;
use crate::args::{self, ConsentArgs, Place, PlaceArgs};
use crate::console::{Console, Status};
use crate::error::{Doing, Error, Result};
use crate::record;
use crate::site::Site;
use crate::step;

use self::plan::Planner;

/// Removes what setup made at Twilio, and restores what it replaced.
///
/// Shows the list first and asks. Only resources under our names, or recorded by setup as its own,
/// are removed. Without the record of setup it says what it can't restore.
#[derive(Debug, Clone, clap::Args)]
pub struct TeardownArgs {
    /// The URL of ingest, to recognize our event callback if setup's record is lost
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", default_value = "")]
    public_url: Setting<Option<PublicUrl>>,

    /// Only restore what setup replaced, and keep task queues, workflow and Studio flow, for example
    /// because Terraform manages them
    #[arg(long)]
    keep_resources: bool,

    /// Go on even if callers are waiting; they are left waiting
    #[arg(long)]
    force: bool,

    /// Let callers who wait already start again in the workflows that are restored
    #[arg(long)]
    re_evaluate_tasks: bool,

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
    re_evaluate_tasks: bool,
    consent: ConsentArgs,
}

impl TeardownArgs {
    pub(crate) async fn run(self, console: &mut Console<'_>, patience: Patience) -> Result<Status> {
        let mut problems = Problems::default();
        let teardown = self.resolve(patience, &mut problems);
        problems.finish(teardown)?.run(console).await
    }

    fn resolve(self, patience: Patience, problems: &mut Problems) -> Option<Teardown> {
        let account = args::account(self.twilio, patience, problems);
        let place = self.place.resolve(problems);
        let public_url = problems.take(self.public_url);
        let (_, api) = account?;
        Some(Teardown {
            api,
            place: place?,
            public_url,
            keep_resources: self.keep_resources,
            force: self.force,
            re_evaluate_tasks: self.re_evaluate_tasks,
            consent: self.consent,
        })
    }
}

impl Teardown {
    async fn run(&self, console: &mut Console<'_>) -> Result<Status> {
        let mut site = Site::open(&self.api, &self.place).await?;
        if !site.state_file.exists() {
            console.line(format_args!(
                "! {} is not there: what setup replaced can't be restored; what has the prefix {:?} \
                 can be removed.",
                site.state_file.display(),
                site.names.prefix()
            ));
        }
        let numbers = self.numbers(&site).await?;
        let receiver = |path| self.public_url.as_ref().map(|url| url.join(path));
        let (receiver, stream_receiver) = (receiver(EVENTS_PATH), receiver(EVENT_STREAM_PATH));
        let planner = Planner {
            site: &site,
            numbers: &numbers,
            receiver: receiver.as_deref(),
            stream_receiver: stream_receiver.as_deref(),
            re_evaluates: self.re_evaluate_tasks,
            keep_resources: self.keep_resources,
        };
        let (steps, complete) = planner.steps();
        let (status, said) = match complete {
            true => (
                Status::Done,
                "Taken down. The settings in .env were left as they are.",
            ),
            false => (
                Status::Failed,
                "Taken down, except for what is marked ! above.",
            ),
        };
        if !step::show(&steps, &site, console) {
            if !complete {
                console.line(format_args!("\n{said}"));
                return Ok(status);
            }
            console.line("\nNothing of ours is left.");
            record::remove(&site.state_file)?;
            return Ok(status);
        }
        if !self.consent.dry_run {
            self.refuse_while_callers_wait(&site, console).await?;
        }
        if let Some(status) = self.consent.refused(console).await? {
            return Ok(status);
        }
        let keeps_record = site.state_file.exists();
        step::carry_out(steps, &mut site, keeps_record, console).await?;
        if complete {
            record::remove(&site.state_file)?;
        }
        console.line(format_args!("\n{said}"));
        Ok(status)
    }

    /// The account's numbers, if any may lead to a flow of ours.
    async fn numbers(&self, site: &Site) -> Result<Vec<IncomingNumber>> {
        if site.record.numbers.is_empty() && site.inventory.flow.is_none() {
            return Ok(Vec::new());
        }
        let numbers = self.api.client.incoming_numbers(&self.api.account, None);
        numbers.await.doing("list the phone numbers")
    }

    async fn refuse_while_callers_wait(
        &self,
        site: &Site,
        console: &mut Console<'_>,
    ) -> Result<()> {
        let client = &self.api.client;
        let (inventory, record) = (&site.inventory, &site.record);
        let workspace = &inventory.workspace.sid;
        let doing = "count the waiting tasks";
        let mut waiting = Vec::new();
        for queue in inventory.task_queues.values().chain(&inventory.adopted) {
            let tasks = client.pending_tasks(workspace, &queue.sid).await;
            let tasks = tasks.doing(doing)?;
            let tasks = tasks.items.len() + tasks.unreadable;
            if tasks > 0 {
                waiting.push(format!("{tasks} in task queue {}", queue.friendly_name));
            }
        }
        // Their tasks keep the route to the placeholder that they were created with, unless asked not to.
        let kept = record.extended_workflows.keys();
        for workflow in kept.filter(|_| !self.re_evaluate_tasks) {
            let tasks = client.waiting_tasks(workspace, workflow).await;
            let tasks = tasks.doing(doing)?;
            let tasks = tasks.items.len() + tasks.unreadable;
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
