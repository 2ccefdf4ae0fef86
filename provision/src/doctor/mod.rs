//! `overflow doctor`: looks, without changing anything, for what keeps callers from being redirected.

mod account;
mod channels;
mod clock;
mod dialing;
mod events;
mod flows;
mod ingest;
mod ladders;
mod live;
mod numbers;
mod outcomes;
mod queue;
mod report;
mod routing;

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

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
/// Changes nothing. The exit code is 1 if callers are not redirected, or not all.
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorArgs {
    /// The URL by which Twilio reaches ingest  [required]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", default_value = "")]
    public_url: Setting<Option<PublicUrl>>,

    /// Write the findings as JSON
    #[arg(long)]
    json: bool,

    /// How long one check may take
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    check_timeout: Setting<Duration>,

    /// The file in which `overflow verify-live` keeps what it found out
    #[arg(long, value_name = "FILE", default_value = crate::live::FILE)]
    live_file: PathBuf,

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
        let mut show = |line: &dyn Display| console.line(line);
        let mut report = Report::new(&mut show, self.json);
        self.examine(patience, &mut report).await;
        match report.finish() {
            true => Status::Done,
            false => Status::Failed,
        }
    }

    /// A setting that is wrong is a finding, and keeps only what depends on it from being checked.
    async fn examine(self, patience: Patience, report: &mut Report<'_>) {
        let limit = settings(report, |p| Some(p.take(self.check_timeout.more_than_0())));
        let Some(limit) = limit else { return };
        // What Twilio says last is told, and not just that it took too long.
        let patience = Patience {
            limit: patience.limit.min(limit / 2),
            ..patience
        };
        let account = settings(report, |p| args::account(self.twilio, patience, p));
        let place = settings(report, |p| self.place.resolve(p));
        let queue = settings(report, |p| self.queue.resolve(p));
        let public_url = settings(report, |p| p.required(self.public_url));
        let plans = settings(report, |p| self.plan.resolve(public_url.as_ref(), p));
        if let Some((twilio, api)) = &account {
            let mut primary = None;
            let look = async |report: &mut Report<'_>| {
                primary = account::check(twilio, api, report).await;
            };
            report.within(limit, "credentials", look).await;
            if let Some(place) = &place {
                let (plans, public_url) = (plans.as_ref(), public_url.as_ref());
                let site = Site {
                    api,
                    plans,
                    public_url,
                    limit,
                };
                site.examine(place, report).await;
            }
            if let Some(plans) = &plans {
                let look = async |report: &mut Report<'_>| dialing::check(api, plans, report).await;
                report.within(limit, "geo permissions", look).await;
            }
            if let Some(public_url) = &public_url {
                let look = async |report: &mut Report<'_>| {
                    ingest::check(twilio, public_url, primary.as_ref(), report).await;
                };
                report.within(limit, "ingest", look).await;
                if let Some(plans) = &plans {
                    let look = async |report: &mut Report<'_>| {
                        let primary = primary.as_ref();
                        ladders::check_urls(twilio, plans, public_url, primary, report).await;
                        ladders::check_endings(twilio, plans, public_url, primary, report).await;
                    };
                    report.within(limit, "ladder", look).await;
                }
            }
        }
        if let Some((twilio, _)) = &account {
            live::show(&self.live_file, twilio.account_sid, report);
        }
        if let Some(queue) = &queue {
            let look = async |report: &mut Report<'_>| queue::check(queue, report).await;
            report.within(limit, "queue", look).await;
        }
    }
}

fn settings<T>(
    report: &mut Report<'_>,
    resolve: impl FnOnce(&mut Problems) -> Option<T>,
) -> Option<T> {
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

/// What the checks of the workspace need.
struct Site<'a> {
    api: &'a Api,
    plans: Option<&'a Plans>,
    public_url: Option<&'a PublicUrl>,
    limit: Duration,
}

impl Site<'_> {
    async fn examine(&self, place: &Place, report: &mut Report<'_>) {
        let (api, limit) = (self.api, self.limit);
        let mut inventory = None;
        let look = async |report: &mut Report<'_>| inventory = self.inventory(place, report).await;
        report.within(limit, "workspace", look).await;
        let Some(inventory) = inventory else { return };
        if let Some(plans) = self.plans {
            let look = async |report: &mut Report<'_>| {
                routing::check(api, plans, &inventory, report).await;
            };
            report.within(limit, "voice queue", look).await;
        }
        if let Some(public_url) = self.public_url {
            let look = async |report: &mut Report<'_>| {
                events::check(api, public_url, &inventory, report).await;
            };
            report.within(limit, "event callback", look).await;
        }
        let look = async |report: &mut Report<'_>| numbers::check(api, &inventory, report).await;
        report.within(limit, "number", look).await;
        if let Some(plans) = self.plans {
            let look = async |report: &mut Report<'_>| {
                flows::check(api, plans, &inventory, report).await;
            };
            report.within(limit, "Studio flow", look).await;
            let look = async |report: &mut Report<'_>| {
                ladders::check_numbers(api, plans, &inventory, report).await;
            };
            report.within(limit, "caller ID", look).await;
        }
    }

    async fn inventory(&self, place: &Place, report: &mut Report<'_>) -> Option<Inventory> {
        let api = self.api;
        let workspace = workspace::find(api, place.workspace).await;
        let workspace = report.read("workspace", workspace)?;
        let (account, sid, name) = (api.account, workspace.sid, &workspace.friendly_name);
        report.ok("workspace", format!("{name:?} ({sid})"));
        // A record of another account concerns only setup and teardown.
        let record = Record::read(&place.state_file, account, sid);
        let record = record.unwrap_or_else(|_| Record::new(account, sid));
        let inventory = Inventory::read(api, workspace, &place.names, &record).await;
        report.read("workspace", inventory)
    }
}
