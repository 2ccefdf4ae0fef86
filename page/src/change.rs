//! Dead letters replayed or discarded: what was done of it, and what wasn't.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use queue::{DeadLetterId, DeadLetters, Filter, Patient, Queue, QueueError, Reason, Settlement};
use serde::Deserialize;

/// How long is tried to get at the dead letters while somebody else, perhaps who looks for what we
/// show, is at them.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a form asks for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    pub(crate) form_key: String,
    /// `replay` or `discard`:
    how: String,
    /// one letter,
    id: Option<String>,
    /// which died for this reason, or all that did
    reason: Option<String>,
    /// until they were looked at.
    seen: Option<Timestamp>,
}

/// A change that is or was made.
pub(crate) struct Change {
    pub(crate) how: Settlement,
    filter: Filter,
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
        // A form that names none must not choose all.
        let is_chosen = self.id.is_some() || (self.reason.is_some() && self.seen.is_some());
        let filter = is_chosen.then_some(Filter {
            ids: self.id.map(DeadLetterId).into_iter().collect(),
            reason: self.reason.map(|reason| Reason::from(reason.as_str())),
            died_by: self.seen,
            died_since: None,
        })?;
        Some(Arc::new(Change {
            how,
            filter,
            progress: Mutex::default(),
        }))
    }
}

impl Change {
    /// Makes it, and writes down each letter under the number of the session that had it made.
    pub(crate) async fn make(&self, queue: &dyn Queue, session: u64) {
        let done = self.name();
        let mut note = |id: DeadLetterId| {
            self.progress.lock().done += 1;
            tracing::info!(session, dead_letter = %id, "dead letter {done} by the page");
        };
        let letters = Patient::new(queue, PATIENCE);
        let failure = match letters.settle(&self.filter, self.how, &mut note).await {
            Ok(()) => None,
            Err(why) => {
                let left = letters.list(&self.filter).await;
                Some((why, left.ok().map(|left| left.len())))
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

    /// Why the letters had died, if it is about those of one reason.
    pub(crate) fn reason(&self) -> Option<&Reason> {
        self.filter.reason.as_ref()
    }
}
