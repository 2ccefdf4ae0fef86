//! Dead letters replayed or discarded: what was done of it, and what wasn't.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use queue::{DeadLetterId, Filter, Queue, QueueError, Reason, Settlement};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

/// How long is tried to get at the dead letters while somebody else is at them.
const PATIENCE: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(200);

/// What a form asks for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    pub(crate) form_key: String,
    /// `replay` or `discard`:
    how: String,
    /// one letter,
    id: Option<String>,
    /// or all that had died for this reason
    reason: Option<String>,
    /// when the page was made.
    seen: Option<Timestamp>,
}

/// A change that is or was made.
pub(crate) struct Change {
    pub(crate) how: Settlement,
    filter: Filter,
    begun: Instant,
    progress: Mutex<Progress>,
}

/// How far a change is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) done: usize,
    /// Whether there is nothing more to come.
    pub(crate) ended: bool,
    /// Why no more was done, and how much is left, if that can be told.
    pub(crate) failure: Option<(QueueError, Option<usize>)>,
}

impl Wanted {
    /// The change; none if the form doesn't say what to do with which letters.
    pub(crate) fn change(self) -> Option<Arc<Change>> {
        let how = match self.how.as_str() {
            "replay" => Settlement::Replay,
            "discard" => Settlement::Discard,
            _ => return None,
        };
        let filter = match (self.id, self.reason, self.seen) {
            (Some(id), None, _) => Filter {
                ids: vec![DeadLetterId(id)],
                ..Filter::default()
            },
            (None, Some(reason), Some(seen)) => Filter {
                reason: Some(Reason::from(reason.as_str())),
                older_than: Timestamp::now().duration_since(seen).try_into().ok(),
                ..Filter::default()
            },
            _ => return None,
        };
        Some(Arc::new(Change {
            how,
            filter,
            begun: Instant::now(),
            progress: Mutex::default(),
        }))
    }
}

impl Change {
    /// Makes it, and writes down each letter under the number of the session that had it made.
    pub(crate) async fn make(&self, queue: &dyn Queue, session: u64) {
        let done = self.name();
        let settled = patiently(|| async {
            let mut note = |id: DeadLetterId| {
                self.progress.lock().done += 1;
                tracing::info!(session, dead_letter = %id, "dead letter {done} by the page");
            };
            queue.settle(&self.filter(), self.how, &mut note).await
        });
        let failure = match settled.await {
            Ok(()) => None,
            Err(why) => {
                let listed = patiently(|| async { queue.list(&self.filter()).await }).await;
                Some((why, listed.ok().map(|letters| letters.len())))
            }
        };
        let mut progress = self.progress.lock();
        (progress.ended, progress.failure) = (true, failure);
        let count = progress.done;
        match &progress.failure {
            None => tracing::info!(session, count, "dead letters were {done} by the page"),
            Some((why, left)) => {
                tracing::warn!(session, count, left, error = %why, "not all dead letters were {done}");
            }
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.lock().clone()
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.how {
            Settlement::Replay => "replayed",
            Settlement::Discard => "discarded",
        }
    }

    /// What it is about. Letters grow older meanwhile.
    fn filter(&self) -> Filter {
        let older_than = self.filter.older_than;
        Filter {
            older_than: older_than.map(|age| age + self.begun.elapsed()),
            ..self.filter.clone()
        }
    }
}

/// Tries again while somebody else, perhaps who looks for what we show, is at the dead letters.
async fn patiently<T, F: Future<Output = Result<T, QueueError>>>(
    mut ask: impl FnMut() -> F,
) -> Result<T, QueueError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Err(QueueError::Busy(_)) if Instant::now() < until => sleep(PAUSE).await,
            answer => return answer,
        }
    }
}
