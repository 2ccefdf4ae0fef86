//! `overflow doctor`: looks, without changing anything, for what would stop a redirect.

mod account;
mod clock;
mod dialing;
mod events;
mod ingest;
mod numbers;
mod queue;
mod report;
mod routing;

use service::plan::PlanArgs;
use service::settings::{QueueArgs, QueueSettings, TwilioArgs, TwilioSettings};
use service::{Plans, Problems};
use twilio::PublicUrl;
use twilio::rest::Patience;

use crate::api::Api;
use crate::args::{self, Place, PlaceArgs};
use crate::console::{Console, Status};
use crate::inventory::Inventory;
use crate::record::RecordFile;
use crate::workspace;

use self::report::Report;

/// Checks everything that a redirect depends on, and says what to do about what is wrong.
///
/// Changes nothing. The exit code is 1 if something would stop a redirect.
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorArgs {
    /// The URL by which Twilio reaches ingest  [required]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,

    /// Write the findings as JSON
    #[arg(long)]
    json: bool,

    // Last: what follows them would stand under their headings.
    #[command(flatten)]
    twilio: TwilioArgs,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    queue: QueueArgs,
}

/// What is to be checked; what the settings don't say can't be.
struct Doctor {
    twilio: Option<(TwilioSettings, Api)>,
    place: Option<Place>,
    plans: Option<Plans>,
    queue: Option<QueueSettings>,
    public_url: Option<PublicUrl>,
}

impl DoctorArgs {
    /// Does it. With `patience`, requests are tried again while Twilio is asked too often.
    pub async fn run(self, console: &mut Console<'_>, patience: Patience) -> Status {
        let json = self.json;
        let mut report = Report::default();
        let doctor = self.resolve(patience, &mut report);
        doctor.examine(&mut report).await;
        match json {
            true => report.show_json(console),
            false => report.show(console),
        }
        match report.is_good() {
            true => Status::Done,
            false => Status::Failed,
        }
    }

    /// A setting that is wrong is a finding, and keeps only what depends on it from being checked.
    fn resolve(self, patience: Patience, report: &mut Report) -> Doctor {
        let example = "https://overflow.example.com";
        let (twilio, public_url) = (self.twilio, self.public_url);
        Doctor {
            twilio: settings(report, |problems| {
                let twilio = twilio.resolve(problems)?;
                let api = args::api(&twilio, patience, problems)?;
                Some((twilio, api))
            }),
            place: settings(report, |problems| self.place.resolve(problems)),
            plans: settings(report, |problems| self.plan.resolve(problems)),
            queue: settings(report, |problems| self.queue.resolve(problems)),
            public_url: settings(report, |problems| {
                problems.required("PUBLIC_URL", public_url, example)
            }),
        }
    }
}

fn settings<T>(report: &mut Report, resolve: impl FnOnce(&mut Problems) -> Option<T>) -> Option<T> {
    let mut problems = Problems::default();
    let resolved = resolve(&mut problems);
    for warning in problems.take_warnings() {
        report.warn(
            "settings",
            warning,
            "if it is right, nothing needs to be done",
        );
    }
    match problems.finish(resolved) {
        Ok(resolved) => Some(resolved),
        Err(invalid) => {
            for problem in invalid.to_string().lines() {
                report.fail("settings", problem, "set it in .env or the environment");
            }
            None
        }
    }
}

impl Doctor {
    async fn examine(&self, report: &mut Report) {
        if let Some((twilio, api)) = &self.twilio {
            account::check(twilio, api, report).await;
            self.examine_workspace(api, report).await;
            if let Some(plans) = &self.plans {
                dialing::check(api, plans, report).await;
            }
            if let Some(public_url) = &self.public_url {
                ingest::check(twilio, public_url, report).await;
            }
        }
        if let Some(queue) = &self.queue {
            queue::check(queue, report).await;
        }
    }

    async fn examine_workspace(&self, api: &Api, report: &mut Report) {
        let Some(place) = &self.place else { return };
        let workspace = workspace::find(api, place.workspace).await;
        let Some(workspace) = report.read("workspace", workspace) else {
            return;
        };
        report.ok(
            "workspace",
            format!("{:?} ({})", workspace.friendly_name, workspace.sid),
        );
        let records = RecordFile::new(place.state_file.clone(), api.account, workspace.sid);
        // Whose it is matters to setup and teardown only.
        let record = records.read().ok().flatten();
        let inventory = Inventory::read(api, workspace, &place.names, record.as_ref()).await;
        let Some(inventory) = report.read("workspace", inventory) else {
            return;
        };
        if let Some(plans) = &self.plans {
            routing::check(api, plans, &inventory, report).await;
        }
        if let Some(public_url) = &self.public_url {
            events::check(public_url, &inventory, report);
        }
        numbers::check(api, &inventory, report).await;
    }
}
