//! `overflow run`: ingest and redirector in one process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use ingest::{Ingest, IngestArgs, IngestSettings};
use queue::QueueUrl;
use redirector::{Redirector, RedirectorArgs, RedirectorSettings};
use service::admin::{AdminArgs, AdminSettings};
use service::plan::PlanArgs;
use service::process::bind;
use service::settings::{QueueArgs, QueueSettings, TwilioArgs, TwilioSettings};
use service::telemetry::LogArgs;
use service::{Host, Plans, Problems, ending};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use twilio::SignatureVerifier;

/// Where the admin listener is unless it is told otherwise.
pub(crate) const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// Ingest and redirector in one process.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) twilio: TwilioArgs,
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    #[command(flatten)]
    pub(crate) queue: QueueArgs,
    #[command(flatten)]
    pub(crate) ingest: IngestArgs,
    #[command(flatten)]
    pub(crate) redirector: RedirectorArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// The settings of both.
pub(crate) struct PairSettings {
    twilio: TwilioSettings,
    verifier: SignatureVerifier,
    plans: Plans,
    queue: QueueSettings,
    ingest: IngestSettings,
    redirector: RedirectorSettings,
    admin: AdminSettings,
}

impl RunArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<PairSettings> {
        let twilio = self.twilio.resolve(problems);
        let verifier = twilio.as_ref().and_then(|twilio| twilio.verifier(problems));
        let plans = self.plan.resolve(problems);
        let queue = self.queue.resolve(problems);
        let ingest = self.ingest.resolve(problems);
        let redirector = self.redirector.resolve(problems);
        let admin = self.admin.resolve(problems, ADMIN_LISTEN);
        Some(PairSettings {
            twilio: twilio?,
            verifier: verifier?,
            plans: plans?,
            queue: queue?,
            ingest: ingest?,
            redirector: redirector?,
            admin,
        })
    }
}

impl PairSettings {
    /// What it takes to reach the queue, where that is on a broker.
    pub(crate) fn broker(&self) -> Option<(Vec<url::Url>, queue::Options)> {
        match &self.queue.url {
            QueueUrl::Amqp(nodes) => Some((nodes.clone(), self.queue.options.clone())),
            QueueUrl::Sqlite(_) => None,
        }
    }
}

/// Runs both until `stop` is cancelled.
pub(crate) async fn run(settings: PairSettings, stop: CancellationToken) -> anyhow::Result<()> {
    let listener = bind("LISTEN", settings.ingest.listen).await?;
    run_on(listener, settings, stop).await
}

/// Runs both, ingest on `listener`.
pub(crate) async fn run_on(
    listener: TcpListener,
    mut settings: PairSettings,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // Without a spool, no callback could be taken meanwhile.
    settings.queue.options.waits_for_access = settings.ingest.spool.is_some();
    settings.queue.options.publish_timeout = settings.ingest.publish_timeout;
    let mut host = Host::open(&settings.queue, stop).await?;
    let client = settings.twilio.client()?;
    let verifier = Some(settings.verifier.clone());
    settings.twilio.follow_files(Some(client.clone()), verifier);
    let ingest = Ingest::new(
        &mut host,
        &settings.ingest,
        &settings.twilio,
        settings.verifier,
        settings.plans.clone(),
    )
    .await?;
    let redirector = Redirector::new(&mut host, settings.redirector, client, settings.plans);
    let (timeouts, stop) = (settings.admin.limits.timeouts, host.stop.clone());
    let work = async {
        // Whichever fails takes the other down in order, for a caller needs both.
        let (served, redirected) = tokio::join!(
            ending(&stop, ingest.serve(listener, timeouts, stop.clone())),
            ending(&stop, redirector.run()),
        );
        served.context("LISTEN failed")?;
        redirected.context("the queue can be used no more")
    };
    host.run(settings.admin, work).await
}
