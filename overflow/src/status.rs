//! `overflow status`: how everything stands now.

mod screen;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clock::Clock;
use overview::Watcher;
use service::process::Interrupted;
use service::settings::{QueueArgs, QueueSettings};
use service::{Plans, Problems, out};
use tokio_util::sync::CancellationToken;

use crate::plans::GivenPlans;

/// How long a broker has to take notice that we leave.
const LEAVING: Duration = Duration::from_secs(1);

/// How everything stands now: who waits and where, what is retried, spooled or dead, the last
/// redirects, what isn't well and what to do.
///
/// Works from any machine that reaches the queue, changes nothing and asks nothing of Twilio. The
/// exit code is 0 when all is well, 1 when something isn't. It takes two seconds, in which the
/// processes say how they stand.
///
/// Examples: `overflow status`; `overflow status --json | jq .waiting`;
/// `QUEUE_URL=amqps://… overflow status || call-somebody`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StatusArgs {
    /// Print all of it as JSON
    #[arg(long)]
    json: bool,

    // Last: what follows them would stand under their headings.
    #[command(flatten)]
    queue: QueueArgs,
    #[command(flatten)]
    plans: GivenPlans,
}

/// What to show.
pub(crate) struct StatusCommand {
    queue: QueueSettings,
    plans: Option<Plans>,
    json: bool,
}

impl StatusArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<StatusCommand> {
        let plans = self.plans.resolve_if_any(problems);
        Some(StatusCommand {
            queue: self.queue.resolve(problems)?,
            plans,
            json: self.json,
        })
    }
}

/// Shows it, and says whether all is well.
pub(crate) async fn run(
    command: StatusCommand,
    stop: CancellationToken,
    is_well: &mut bool,
) -> anyhow::Result<()> {
    let look = async {
        let queue = command.queue.open_existing().await;
        let queue = queue.with_context(|| format!("cannot use the queue {}", command.queue.url))?;
        let watcher = Watcher::new(Arc::clone(&queue), command.plans, Clock::system());
        let overview = watcher.overview().await;
        drop(watcher);
        let _ = tokio::time::timeout(LEAVING, queue.close()).await;
        *is_well = overview.not_well.is_empty();
        anyhow::Ok(overview)
    };
    let overview = tokio::select! {
        looked = look => looked?,
        () = stop.cancelled() => return Err(Interrupted.into()),
    };
    match command.json {
        true => out::line(serde_json::to_string_pretty(&*overview)?),
        false => out::line(screen::text(&overview).trim_end()),
    }
    Ok(())
}
