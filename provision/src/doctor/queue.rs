//! Is the queue there, with what we need in it?

use std::path::Path;
use std::time::Duration;

use queue::{Health, QueueError, QueueUrl};
use service::policies::REMEDY;
use service::settings::QueueSettings;

use super::report::Report;

const TIMEOUT: Duration = Duration::from_secs(10);
const MADE_AT_START: &str = "it is made at the first start of the services";

pub(super) async fn check(settings: &QueueSettings, report: &mut Report) {
    let url = &settings.url;
    if let QueueUrl::Sqlite(path) = url
        && !path.exists()
    {
        return check_directory(path, report);
    }
    let problem = match tokio::time::timeout(TIMEOUT, look(settings, report)).await {
        Ok(Ok(true)) => return check_policies(settings, report).await,
        Ok(Ok(false)) => return,
        Ok(Err(problem)) => format!("{url} can't be used: {problem}"),
        Err(_) => format!("{url} does not answer within {TIMEOUT:?}"),
    };
    let todo = "see that it runs and that QUEUE_URL names it";
    report.fail("queue", problem, todo);
}

fn check_directory(path: &Path, report: &mut Report) {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let path = path.display();
    match directory.is_dir() {
        true => report.warn("queue", format!("{path} is not there yet"), MADE_AT_START),
        false => report.fail(
            "queue",
            format!("{path} can't be made: its directory doesn't exist"),
            "make the directory, or correct QUEUE_URL",
        ),
    }
}

/// Whether there is a queue.
async fn look(settings: &QueueSettings, report: &mut Report) -> Result<bool, String> {
    let url = &settings.url;
    let queue = match settings.open_existing().await {
        Ok(queue) => queue,
        Err(QueueError::Missing(problem)) => {
            report.warn("queue", format!("{url}: {problem}"), MADE_AT_START);
            return Ok(false);
        }
        Err(error) => return Err(error.to_string()),
    };
    let stats = queue.stats().await;
    let health = queue.health();
    queue.close().await;
    let stats = stats.map_err(|error| match health {
        Health::Up => error.to_string(),
        Health::Down(reason) | Health::Broken(reason) => reason,
    })?;
    report.ok("queue", format!("{url}: {} waiting", stats.ready));
    if stats.consumers == 0 {
        report.warn(
            "redirector",
            "none is at the queue: calls are redirected as soon as one is",
            "start it (`overflow run`)",
        );
    } else {
        report.ok("redirector", format!("{} at the queue", stats.consumers));
    }
    if stats.dead > 0 {
        report.warn(
            "dead letters",
            format!("{} call(s) could not be redirected", stats.dead),
            "see `overflow dead-letters list`",
        );
    }
    Ok(true)
}

/// A broker has them; a file has none.
async fn check_policies(settings: &QueueSettings, report: &mut Report) {
    if let QueueUrl::Sqlite(_) = settings.url {
        return;
    }
    match settings.harmful_policies().await {
        Ok(policies) => {
            if policies.is_empty() {
                report.ok("policies", "none of the broker's policies lets messages vanish");
            }
            for policy in policies {
                report.warn("policies", policy.to_string(), REMEDY);
            }
        }
        Err(reason) => report.warn(
            "policies",
            format!("whether a policy lets messages vanish is not known: {reason}"),
            "turn the plugin rabbitmq_management on, give the user the tag `management`, or name the \
             API in QUEUE_MANAGEMENT_URL",
        ),
    }
}
