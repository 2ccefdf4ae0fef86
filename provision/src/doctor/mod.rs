//! `overflow doctor`: looks, without changing anything, for what would stop a redirect.

mod account;
mod channels;
mod clock;
mod dialing;
mod events;
mod ingest;
mod numbers;
mod queue;
mod report;
mod routing;

use service::plan::PlanArgs;
use service::settings::{QueueArgs, Setting, TwilioArgs};
use service::{Plans, Problems};
use twilio::PublicUrl;
use twilio::rest::Patience;

use crate::api::Api;
use crate::args::{self, Place, PlaceArgs};
use crate::console::{Console, Status};
use crate::inventory::Inventory;
use crate::record::Record;
use crate::workspace;

use self::report::Report;

/// Checks everything that a redirect depends on, and says what to do about what is wrong.
///
/// Changes nothing. The exit code is 1 if something would stop a redirect.
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorArgs {
    /// The URL by which Twilio reaches ingest  [required]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", default_value = "")]
    public_url: Setting<Option<PublicUrl>>,

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

impl DoctorArgs {
    pub(crate) async fn run(self, console: &mut Console<'_>, patience: Patience) -> Status {
        let json = self.json;
        let mut report = Report::default();
        self.examine(patience, &mut report).await;
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
    async fn examine(self, patience: Patience, report: &mut Report) {
        let account = settings(report, |p| args::account(self.twilio, patience, p));
        let place = settings(report, |p| self.place.resolve(p));
        let plans = settings(report, |p| self.plan.resolve(p));
        let queue = settings(report, |p| self.queue.resolve(p));
        let public_url = settings(report, |p| p.required(self.public_url));
        if let Some((twilio, api)) = &account {
            account::check(twilio, api, report).await;
            if let Some(place) = &place {
                let (plans, public_url) = (plans.as_ref(), public_url.as_ref());
                examine_workspace(api, place, plans, public_url, report).await;
            }
            if let Some(plans) = &plans {
                dialing::check(api, plans, report).await;
            }
            if let Some(public_url) = &public_url {
                ingest::check(twilio, public_url, report).await;
            }
        }
        if let Some(queue) = &queue {
            queue::check(queue, report).await;
        }
    }
}

fn settings<T>(report: &mut Report, resolve: impl FnOnce(&mut Problems) -> Option<T>) -> Option<T> {
    let mut problems = Problems::default();
    let resolved = resolve(&mut problems);
    for warning in problems.take_warnings() {
        let todo = "if it is right, nothing needs to be done";
        report.warn("settings", warning, todo);
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

async fn examine_workspace(
    api: &Api,
    place: &Place,
    plans: Option<&Plans>,
    public_url: Option<&PublicUrl>,
    report: &mut Report,
) {
    let workspace = workspace::find(api, place.workspace).await;
    let Some(workspace) = report.read("workspace", workspace) else {
        return;
    };
    let (account, sid, name) = (api.account, workspace.sid, &workspace.friendly_name);
    report.ok("workspace", format!("{name:?} ({sid})"));
    // A record of another account concerns only setup and teardown.
    let record = Record::read(&place.state_file, account, sid);
    let record = record.unwrap_or_else(|_| Record::new(account, sid));
    let inventory = Inventory::read(api, workspace, &place.names, &record).await;
    let Some(inventory) = report.read("workspace", inventory) else {
        return;
    };
    if let Some(plans) = plans {
        routing::check(api, plans, &inventory, report).await;
    }
    if let Some(public_url) = public_url {
        events::check(public_url, &inventory, report);
    }
    numbers::check(api, &inventory, report).await;
}
