//! Is the queue there, with what we need in it?

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use queue::{DeadLetters, Filter, Health, Patient, Queue, QueueError, QueueUrl, Reason, Stats};
use service::policies::REMEDY;
use service::settings::QueueSettings;
use tokio::time::timeout;

use super::outcomes;
use super::report::Report;
use crate::wording::counted;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Dead letters that are no older say how it stands now.
const RECENT: Duration = Duration::from_secs(60 * 60);
/// More needn't be counted.
const MOST_LETTERS: usize = 1000;
const MADE_AT_START: &str = "it is made at the first start of the services";

pub(super) async fn check(settings: &QueueSettings, report: &mut Report<'_>) {
    let url = &settings.url;
    if let QueueUrl::Sqlite(path) = url
        && !path.exists()
    {
        return check_directory(path, report);
    }
    let todo = "see that it runs and that QUEUE_URL names it";
    match timeout(TIMEOUT, open(settings)).await {
        Ok(Ok(Found::Queue(queue, stats))) => {
            report.ok("queue", format!("{url}: {} waiting", stats.ready));
            check_redirectors(&stats, report);
            check_dead_letters(stats.dead, recent(&*queue).await, report);
            outcomes::check(&*queue, report).await;
            queue.close().await;
            check_policies(settings, report).await;
        }
        Ok(Ok(Found::Nothing(problem))) => {
            report.warn("queue", format!("{url}: {problem}"), MADE_AT_START);
        }
        Ok(Err(problem)) => report.fail("queue", format!("{url} can't be used: {problem}"), todo),
        Err(_) => report.fail(
            "queue",
            format!("{url} does not answer within {TIMEOUT:?}"),
            todo,
        ),
    }
}

fn check_directory(path: &Path, report: &mut Report<'_>) {
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

/// What is at the queue's URL.
enum Found {
    /// The queue, and how it stands.
    Queue(Arc<dyn Queue>, Stats),
    /// No queue, for this reason.
    Nothing(String),
}

async fn open(settings: &QueueSettings) -> Result<Found, String> {
    let queue = match settings.open_existing().await {
        Ok(queue) => queue,
        Err(QueueError::Missing(problem)) => return Ok(Found::Nothing(problem)),
        Err(error) => return Err(error.to_string()),
    };
    match queue.stats().await {
        Ok(stats) => Ok(Found::Queue(queue, stats)),
        Err(error) => {
            let health = queue.health();
            queue.close().await;
            Err(match health {
                Health::Up => error.to_string(),
                Health::Down(reason) | Health::Broken(reason) => reason,
            })
        }
    }
}

fn check_redirectors(stats: &Stats, report: &mut Report<'_>) {
    if stats.consumers == 0 {
        report.warn(
            "redirector",
            "none is at the queue: calls are redirected as soon as one is",
            "start it (`overflow run`)",
        );
    } else {
        report.ok("redirector", format!("{} at the queue", stats.consumers));
    }
}

/// Why requests and messages ended as dead letters lately.
async fn recent(queue: &dyn Queue) -> Result<Vec<Reason>, String> {
    let filter = Filter {
        died_since: Some(Timestamp::now() - RECENT),
        ..Filter::default()
    };
    // While somebody else is at them, they may not even be counted.
    let letters = Patient::new(queue, TIMEOUT);
    match timeout(TIMEOUT, letters.oldest(&filter, MOST_LETTERS)).await {
        Ok(Ok(listed)) => {
            let letters = listed.letters.into_iter();
            Ok(letters.map(|letter| letter.cause.reason).collect())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("looking through them took longer than {TIMEOUT:?}")),
    }
}

fn check_dead_letters(dead: u64, recent: Result<Vec<Reason>, String>, report: &mut Report<'_>) {
    let todo = "see `overflow dead-letters list`";
    let letters = |count| counted(count, "dead letter");
    let all = letters(usize::try_from(dead).unwrap_or(usize::MAX));
    match recent {
        Ok(recent) if !recent.is_empty() => {
            let mut reasons: Vec<_> = recent.iter().map(Reason::as_str).collect();
            reasons.sort_unstable();
            reasons.dedup();
            let (letters, reasons) = (letters(recent.len()), reasons.join(", "));
            report.fail(
                "dead letters",
                format!("{letters} within the past hour: {reasons}"),
                todo,
            );
        }
        _ if dead == 0 => report.ok("dead letters", "none"),
        Ok(_) => report.warn(
            "dead letters",
            format!("{all}, all more than an hour old"),
            todo,
        ),
        Err(error) => report.warn(
            "dead letters",
            format!("{all}; of when, is not known: {error}"),
            todo,
        ),
    }
}

/// A broker has them; a file has none.
async fn check_policies(settings: &QueueSettings, report: &mut Report<'_>) {
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
