//! All cases, round by round.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rabbitmq::Node;

use crate::Args;
use crate::cases::Place;
use crate::client;
use crate::limits::{self, IN_FLIGHT};
use crate::report::Report;

/// How many requests there are to be sent over and over.
const POOL: u64 = 20_000;

/// At how many callers a second their wait is measured.
const RATE: u32 = 500;

/// How many callers wait on the queue before a redirector starts.
const BACKLOG: u64 = 5_000;

/// Measures them.
pub async fn all(args: &Args, time: Duration) -> anyhow::Result<Report> {
    let beside = std::env::current_exe()?;
    let beside = beside.parent().context("a folder")?.to_owned();
    let mut builds: Vec<(&'static str, PathBuf)> =
        vec![("ours", args.binaries.clone().unwrap_or(beside))];
    builds.extend(args.against.clone().map(|folder| ("before", folder)));
    let node = tokio::task::spawn_blocking(Node::shared).await?;
    let mut report = Report::default();
    let pools = limits::requests(POOL).map(|(name, pool)| (name, Arc::new(pool)));
    let wanted = |name: &str| name.contains(&args.only);
    let mut nth = 0;

    for _ in 0..args.rounds {
        let (mut bare, mut raw) = (f64::NAN, f64::NAN);
        if wanted("callback") {
            let (_running, address) = limits::bare().await?;
            let round = client::as_fast_as_answered(address, IN_FLIGHT, time, &pools[0].1).await?;
            bare = round.rate;
            raw = limits::publisher(&node.url(), time).await?.0;
            report.note("raw publisher", "/s", "ours", raw);
        }
        for queue in ["sqlite", "rabbitmq"] {
            for (kind, pool) in &pools {
                let name = format!("{kind} callback, {queue}");
                if !wanted(&name) {
                    continue;
                }
                for (whose, binaries) in &builds {
                    nth += 1;
                    let (round, cost) = within(node, binaries, queue, nth, async |place| {
                        place.answers(pool, time).await
                    })
                    .await?;
                    report.note(&name, "/s", whose, round.rate);
                    let cpu = cost.time.as_secs_f64() * 1e6 / (round.rate * time.as_secs_f64());
                    report.note(&format!("{name}: processor time"), "µs", whose, cpu);
                }
                let limit = match (*kind, queue) {
                    ("irrelevant", _) => bare,
                    (_, "sqlite") => limits::commits(time).await?,
                    _ => 1.0 / (1.0 / bare + 1.0 / raw),
                };
                report.note(&name, "/s", "limit", limit);
            }
            let name = format!("callback to update at {RATE}/s, {queue}");
            for (whose, binaries) in builds.iter().filter(|_| wanted(&name)) {
                nth += 1;
                let (round, costs) = within(node, binaries, queue, nth, async |place| {
                    place.redirects_at_a_rate(RATE, time).await
                })
                .await?;
                report.note(&format!("{name}: p50"), "ms", whose, round.percentile(50));
                report.note(&format!("{name}: p99"), "ms", whose, round.percentile(99));
                for (of, cost) in ["ingest", "redirector"].into_iter().zip(costs) {
                    let name = format!("peak memory of {of}, {queue}");
                    report.note(&name, "MiB", whose, cost.peak);
                }
            }
            let name = format!("redirects of a backlog, {queue}");
            for (whose, binaries) in builds.iter().filter(|_| wanted(&name)) {
                nth += 1;
                let (rate, requests) = within(node, binaries, queue, nth, async |place| {
                    place.redirects_of_a_backlog(BACKLOG, Duration::ZERO).await
                })
                .await?;
                report.note(&name, "/s", whose, rate);
                report.note(&format!("{name}: requests for each"), "", whose, requests);
            }
        }
    }
    Ok(report)
}

/// Does `work` with a queue and a folder of its own.
async fn within<T>(
    node: &Node,
    binaries: &Path,
    queue: &str,
    nth: usize,
    work: impl AsyncFnOnce(&Place<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    // Not in memory, as temporary folders may be.
    let folder = tempfile::tempdir_in(".")?;
    let url = match queue {
        "sqlite" => format!("sqlite:{}", folder.path().join("queue.db").display()),
        _ => node.url(),
    };
    let place = Place {
        binaries,
        queue: &url,
        prefix: &format!("bench-{nth}"),
        folder: folder.path(),
    };
    work(&place).await
}
