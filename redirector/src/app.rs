//! The process: its command line, and how its parts are put together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use service::admin::{AdminArgs, AdminSettings};
use service::plan::PlanArgs;
use service::process::Process;
use service::settings::{QueueArgs, QueueSettings, TwilioArgs, TwilioSettings};
use service::telemetry::LogArgs;
use service::{Host, Plans, Problems};
use tokio_util::sync::CancellationToken;

use crate::{Redirector, RedirectorArgs, RedirectorSettings};

/// Takes redirect requests off the queue and updates the calls.
///
/// Every setting is a flag or an environment variable; `.env` is read if there is one.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct App {
    #[command(flatten)]
    twilio: TwilioArgs,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    queue: QueueArgs,
    #[command(flatten)]
    redirector: RedirectorArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// The settings of the process.
#[derive(Debug)]
pub struct Settings {
    twilio: TwilioSettings,
    plans: Plans,
    queue: QueueSettings,
    redirector: RedirectorSettings,
    admin: AdminSettings,
}

impl Process for App {
    type Settings = Settings;

    const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9091);

    fn admin(&self) -> &AdminArgs {
        &self.admin
    }

    fn logs(&self) -> LogArgs {
        self.log.clone()
    }

    fn resolve(self, problems: &mut Problems) -> Option<Settings> {
        let twilio = self.twilio.resolve(problems);
        let plans = self.plan.resolve(problems);
        let queue = self.queue.resolve(problems);
        let redirector = self.redirector.resolve(problems);
        let admin = self.admin.resolve(problems, Self::ADMIN_LISTEN);
        Some(Settings {
            twilio: twilio?,
            plans: plans?,
            queue: queue?,
            redirector: redirector?,
            admin,
        })
    }

    async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
        let mut host = Host::open(&settings.queue, stop).await?;
        let client = settings.twilio.client()?;
        settings.twilio.follow_files(Some(client.clone()), None);
        let redirector = Redirector::new(&mut host, settings.redirector, client, settings.plans);
        let work = async {
            redirector
                .run()
                .await
                .context("the queue can be used no more")
        };
        host.run(settings.admin, work).await
    }
}
