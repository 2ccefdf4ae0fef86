//! The process: its command line, and how its parts are put together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use service::admin::{AdminArgs, AdminSettings};
use service::plan::PlanArgs;
use service::process::{Process, bind};
use service::settings::{QueueArgs, QueueSettings, TwilioArgs, TwilioSettings};
use service::telemetry::LogArgs;
use service::{Host, Plans, Problems};
use tokio_util::sync::CancellationToken;
use twilio::SignatureVerifier;

use crate::{Ingest, IngestArgs, IngestSettings};

/// Takes Twilio's event callbacks and puts redirect requests on the queue.
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
    ingest: IngestArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// The settings of the process.
#[derive(Debug)]
pub struct Settings {
    twilio: TwilioSettings,
    verifier: SignatureVerifier,
    plans: Plans,
    queue: QueueSettings,
    ingest: IngestSettings,
    admin: AdminSettings,
}

impl Process for App {
    type Settings = Settings;

    const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

    fn admin(&self) -> &AdminArgs {
        &self.admin
    }

    fn logs(&self) -> LogArgs {
        self.log.clone()
    }

    fn resolve(self, problems: &mut Problems) -> Option<Settings> {
        let twilio = self.twilio.resolve(problems);
        let verifier = twilio.as_ref().and_then(|twilio| twilio.verifier(problems));
        let plans = self.plan.resolve(problems);
        let queue = self.queue.resolve(problems);
        let ingest = self.ingest.resolve(problems);
        let admin = self.admin.resolve(problems, Self::ADMIN_LISTEN);
        Some(Settings {
            twilio: twilio?,
            verifier: verifier?,
            plans: plans?,
            queue: queue?,
            ingest: ingest?,
            admin,
        })
    }

    async fn run(mut settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
        // Without a spool, nothing could be taken meanwhile.
        settings.queue.options.waits_for_access = settings.ingest.spool.is_some();
        settings.queue.options.publish_timeout = settings.ingest.publish_timeout;
        let mut host = Host::open(&settings.queue, stop).await?;
        let verifier = settings.verifier.clone();
        settings.twilio.follow_files(None, Some(verifier));
        let listener = bind("LISTEN", settings.ingest.listen).await?;
        let ingest = Ingest::new(
            &mut host,
            &settings.ingest,
            &settings.twilio,
            settings.verifier,
            settings.plans,
        )
        .await?;
        let (timeouts, stop) = (settings.admin.limits.timeouts, host.stop.clone());
        let serve = async {
            let served = ingest.serve(listener, timeouts, stop).await;
            served.context("LISTEN failed")
        };
        host.run(settings.admin, serve).await
    }
}
