//! Dead letters replayed or discarded: what was done of it, and what wasn't.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use queue::{DeadLetterId, Filter, Queue, QueueError, Reason, Settlement};
use tokio::time::{Instant, sleep};

/// How long is tried to get at the dead letters while somebody else is at them.
const PATIENCE: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(200);

/// Which dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// This one.
    One(DeadLetterId),
    /// Each with that reason that had died when the page was made.
    All(Reason, Timestamp),
}

/// A change that is or was made.
pub(crate) struct Change {
    pub(crate) how: Settlement,
    pub(crate) which: Which,
    done: AtomicUsize,
    end: Mutex<Option<Result<(), NotDone>>>,
}

/// What wasn't done.
#[derive(Debug, Clone)]
pub(crate) struct NotDone {
    pub(crate) why: QueueError,
    /// How many are left, if that can be told.
    pub(crate) left: Option<usize>,
}

impl Which {
    fn filter(&self) -> Filter {
        match self {
            Self::One(id) => Filter {
                ids: vec![id.clone()],
                ..Filter::default()
            },
            Self::All(reason, seen) => Filter {
                reason: Some(reason.clone()),
                older_than: Timestamp::now().duration_since(*seen).try_into().ok(),
                ..Filter::default()
            },
        }
    }
}

impl Change {
    pub(crate) fn new(how: Settlement, which: Which) -> Arc<Self> {
        Arc::new(Self {
            how,
            which,
            done: AtomicUsize::new(0),
            end: Mutex::new(None),
        })
    }

    pub(crate) fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// How it ended, if it has.
    pub(crate) fn end(&self) -> Option<Result<(), NotDone>> {
        self.end.lock().clone()
    }

    /// Makes it, and writes down each letter under the number of the session that had it made.
    pub(crate) async fn make(&self, queue: &dyn Queue, session: u64) {
        let done = self.name();
        let settled = patiently(|| async {
            let mut note = |id: DeadLetterId| {
                self.done.fetch_add(1, Ordering::Relaxed);
                tracing::info!(session, dead_letter = %id, "dead letter {done} by the page");
            };
            queue
                .settle(&self.which.filter(), self.how, &mut note)
                .await
        });
        let end = match settled.await {
            Ok(()) => Ok(()),
            Err(why) => {
                let filter = self.which.filter();
                let left = patiently(|| queue.oldest(&filter, usize::MAX)).await;
                let left = left.ok().map(|listed| listed.letters.len());
                Err(NotDone { why, left })
            }
        };
        let count = self.done();
        match &end {
            Ok(()) => tracing::info!(session, count, "dead letters were {done} by the page"),
            Err(NotDone { why, left }) => {
                tracing::warn!(session, count, left, error = %why, "not all dead letters were {done}");
            }
        }
        *self.end.lock() = Some(end);
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.how {
            Settlement::Replay => "replayed",
            Settlement::Discard => "discarded",
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
