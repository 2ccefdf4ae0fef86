//! `overflow teardown`: takes away what setup made, and puts back what it replaced.

mod plan;

use service::Problems;
use service::settings::{InvalidSettings, TwilioArgs};
use twilio::rest::Patience;
use twilio::{EVENTS_PATH, PublicUrl};

use crate::api::Api;
use crate::args::{self, Place, PlaceArgs};
use crate::console::{Console, Status};
use crate::definitions::Names;
use crate::error::{Doing, Error};
use crate::inventory::Inventory;
use crate::record::{Record, RecordFile};
use crate::step::Work;
use crate::workspace;

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

/// What teardown is to do.
#[derive(Debug)]
pub(crate) struct Teardown {
    api: Api,
    place: Place,
    names: Names,
    public_url: Option<PublicUrl>,
    keep_resources: bool,
    force: bool,
    yes: bool,
    dry_run: bool,
}

impl TeardownArgs {
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
            Ok(teardown) => match teardown.run(console).await {
                Ok(status) => status,
                Err(error) => {
                    console.line(format_args!("✗ {error}"));
                    Status::Failed
                }
            },
        }
    }

    fn resolve(self) -> Result<Teardown, InvalidSettings> {
        let mut problems = Problems::default();
        let api = self
            .twilio
            .resolve(&mut problems)
            .and_then(|twilio| args::api(&twilio, self.patience, &mut problems));
        let place = self.place.resolve(&mut problems);
        let public_url = problems.optional(
            "PUBLIC_URL",
            self.public_url,
            "https://overflow.example.com",
        );
        let teardown = api.zip(place).map(|(api, place)| Teardown {
            api,
            names: Names::new(&place.prefix),
            place,
            public_url,
            keep_resources: self.keep_resources,
            force: self.force,
            yes: self.yes,
            dry_run: self.dry_run,
        });
        problems.finish(teardown)
    }
}

impl Teardown {
    async fn run(&self, console: &mut Console<'_>) -> Result<Status, Error> {
        let workspace = workspace::find(&self.api, self.place.workspace).await?;
        let records = RecordFile::new(
            self.place.state_file.clone(),
            self.api.account,
            workspace.sid,
        );
        let record = records.read()?;
        if record.is_none() {
            console.line(format_args!(
                "! {} is not there: what setup replaced can't be restored; what carries the prefix \
                 {:?} can be removed.",
                records.path().display(),
                self.names.prefix()
            ));
        }
        let inventory = Inventory::read(&self.api, workspace, &self.names, record.as_ref()).await?;
        let numbers = self.api.client.incoming_numbers(&self.api.account, None);
        let numbers = numbers.await.doing("list the phone numbers")?;
        let receiver = self.public_url.as_ref().map(|url| url.join(EVENTS_PATH));
        let (plan, complete) = Planner {
            inventory: &inventory,
            record: record.as_ref(),
            numbers: &numbers,
            receiver: receiver.as_deref(),
            keep_resources: self.keep_resources,
        }
        .plan();
        let status = match complete {
            true => Status::Done,
            false => Status::Failed,
        };
        console.line(format_args!(
            "Workspace {:?} ({}) of account {}:\n",
            inventory.workspace.friendly_name, inventory.workspace.sid, self.api.account
        ));
        plan.show(console);
        if plan.is_empty() {
            console.line("\nNothing of ours is left.");
            records.remove()?;
            return Ok(status);
        }
        if self.dry_run {
            console.line("\nA dry run: nothing was changed.");
            return Ok(Status::Done);
        }
        self.refuse_while_callers_wait(&inventory, record.as_ref(), console)
            .await?;
        if !self.yes && !console.confirm("\nDo this?")? {
            console.line("Nothing was changed.");
            return Ok(Status::Failed);
        }
        console.line("");
        let sid = inventory.workspace.sid;
        let work = Work::new(&self.api, sid, &records, record, &mut *console);
        plan.carry_out(work).await?;
        if complete {
            records.remove()?;
        }
        console.line(match status {
            Status::Done => "\nTaken down. The settings in .env were left as they are.",
            _ => "\nTaken down, except for what is marked ! above.",
        });
        Ok(status)
    }

    async fn refuse_while_callers_wait(
        &self,
        inventory: &Inventory,
        record: Option<&Record>,
        console: &mut Console<'_>,
    ) -> Result<(), Error> {
        let client = &self.api.client;
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
        for workflow in record.into_iter().flat_map(|r| r.extended_workflows.keys()) {
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
