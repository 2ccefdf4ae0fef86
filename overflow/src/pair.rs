//! `overflow run`: ingest and redirector in one process, and the page, if that is wanted.

use std::net::SocketAddr;

use ::page::{PageArgs, PageSettings};
use anyhow::Context;
use ingest::{Ingest, IngestArgs};
use queue::Options;
use redirector::{Redirector, RedirectorArgs};
use service::process::bind;
use service::role::{Role, Settings};
use service::settings::TwilioSettings;
use service::{Host, Problems, ending};
use tokio::net::TcpListener;
use twilio::PublicUrl;

use crate::page;

/// Ingest and redirector in one process.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Pair {
    #[command(flatten)]
    pub(crate) ingest: IngestArgs,
    #[command(flatten)]
    pub(crate) redirector: RedirectorArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

impl Role for Pair {
    type Settings = (
        <IngestArgs as Role>::Settings,
        <RedirectorArgs as Role>::Settings,
        Option<PageSettings>,
    );

    const ADMIN_LISTEN: SocketAddr = IngestArgs::ADMIN_LISTEN;

    const NEEDS_PUBLIC_URL: bool = true;

    fn resolve(
        self,
        twilio: Option<&TwilioSettings>,
        public_url: Option<&PublicUrl>,
        problems: &mut Problems,
    ) -> Option<Self::Settings> {
        let ingest = Role::resolve(self.ingest, twilio, public_url, problems);
        let redirector = Role::resolve(self.redirector, twilio, public_url, problems);
        let page = self.page.resolve(problems, None);
        Some((ingest?, redirector?, page))
    }

    fn adjust((ingest, ..): &Self::Settings, queue: &mut Options) {
        IngestArgs::adjust(ingest, queue);
    }

    async fn run(settings: Settings<Self>, host: Host) -> anyhow::Result<()> {
        let ((ingest, _), ..) = &settings.role;
        let listener = bind("LISTEN", ingest.listen).await?;
        run_on(listener, settings, host).await
    }
}

/// Runs both, with ingest on `listener`.
pub(crate) async fn run_on(
    listener: TcpListener,
    settings: Settings<Pair>,
    mut host: Host,
) -> anyhow::Result<()> {
    let ((ingest, verifier), redirector, page) = settings.role;
    let (twilio, plans) = (&settings.twilio, settings.plans);
    let client = twilio.client()?;
    twilio.follow_files(Some(client.clone()), Some(verifier.clone()));
    let ingest = Ingest::new(&mut host, &ingest, twilio, verifier, plans.clone()).await?;
    let redirector = Redirector::new(&mut host, redirector, client, plans.clone());
    let (timeouts, stop) = (settings.admin.limits.timeouts, host.stop.clone());
    let page = match page {
        Some(page) => Some(page::open(&page, Some(plans), &host, timeouts).await?),
        None => None,
    };
    let work = async {
        // If one fails, the other stops in order: a caller needs both.
        let (served, redirected, ()) = tokio::join!(
            ending(&stop, ingest.serve(listener, timeouts, stop.clone())),
            ending(&stop, redirector.run()),
            async {
                if let Some(page) = page {
                    page.await;
                }
            },
        );
        served.context("LISTEN failed")?;
        redirected.context("the queue is no longer usable")
    };
    host.run(settings.admin, work).await
}
