//! `overflow page`: the page for a browser, in a process of its own or beside the pair.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use ::page::{Page, PageArgs, PageSettings};
use overview::Watcher;
use service::admin::{AdminArgs, AdminSettings};
use service::http::Timeouts;
use service::process::bind;
use service::settings::{QueueArgs, QueueSettings};
use service::telemetry::LogArgs;
use service::{Host, Plans, Problems};
use tokio_util::sync::CancellationToken;

use crate::plans::GivenPlans;

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8090);

const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9092);

/// Serves a page that shows in a browser how everything stands: who waits and where, the last
/// redirects and what came of them, dead letters, plans.
///
/// Works from any machine that reaches the queue, and asks nothing of Twilio. `overflow run` has the
/// same page if PAGE_LISTEN is set.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServePageArgs {
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    queue: QueueArgs,
    #[command(flatten)]
    plans: GivenPlans,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// The page by itself.
pub(crate) struct ServePage {
    page: PageSettings,
    queue: QueueSettings,
    plans: Option<Plans>,
    admin: AdminSettings,
}

impl ServePageArgs {
    /// How the running process is, if that is all that is wanted.
    pub(crate) fn health(&self) -> Option<ExitCode> {
        self.admin.health(ADMIN_LISTEN)
    }

    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<ServePage> {
        let page = self.page.resolve(problems, Some(LISTEN));
        let plans = self.plans.resolve_if_any(problems);
        let admin = self.admin.resolve(problems, ADMIN_LISTEN);
        let mut queue = self.queue.resolve(problems)?;
        queue.options.existing_only = true;
        Some(ServePage {
            page: page?,
            queue,
            plans,
            admin,
        })
    }
}

/// Serves the page until `stop` is cancelled.
pub(crate) async fn run(command: ServePage, stop: CancellationToken) -> anyhow::Result<()> {
    let mut host = Host::open(&command.queue, stop).await?;
    host.check_queue();
    let timeouts = command.admin.limits.timeouts;
    let page = open(&command.page, command.plans, &host, timeouts).await?;
    let serve = async {
        page.await;
        Ok(())
    };
    host.run(command.admin, serve).await
}

/// The page in this process: it is served for as long as that is polled, until the host stops.
///
/// # Errors
/// The address can't be listened on.
pub(crate) async fn open(
    settings: &PageSettings,
    plans: Option<Plans>,
    host: &Host,
    timeouts: Timeouts,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let listener = bind("PAGE_LISTEN", settings.listen).await?;
    let watcher = Watcher::new(Arc::clone(&host.queue), plans, host.clock.clone());
    let page = Page::new(settings, Arc::new(watcher), Arc::clone(&host.queue));
    Ok(page.serve(
        listener,
        timeouts,
        host.connections.of("page"),
        host.stop.clone(),
    ))
}
