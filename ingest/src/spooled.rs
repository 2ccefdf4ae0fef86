//! Who is in the spool, for those who watch: the spool itself is never read for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use clock::Clock;
use jiff::Timestamp;
use parking_lot::Mutex;
use queue::{Content, RedirectRequest};
use service::Plans;
use service::report::{MOST_LISTED, OnHold};
use twilio::EventSid;

/// The callers in the spool, as many as a list holds.
/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Spooled(Arc<Mutex<BTreeMap<(Timestamp, EventSid), RedirectRequest>>>);

impl Spooled {
    /// It is in the spool.
    pub(crate) fn add(&self, content: &Content) {
        if let Content::Redirect(request) = content {
            let mut spooled = self.0.lock();
            if spooled.len() < MOST_LISTED {
                spooled.insert(key(request), request.clone());
            }
        }
    }

    /// It is not.
    pub(crate) fn remove(&self, content: &Content) {
        if let Content::Redirect(request) = content {
            self.0.lock().remove(&key(request));
        }
    }

    /// Each caller, the longest first.
    pub(crate) fn list(&self, plans: &Plans, clock: &Clock) -> Vec<OnHold> {
        let now = clock.now();
        let spooled = self.0.lock();
        let on_hold = spooled.values().map(|request| OnHold {
            call_sid: request.call_sid,
            task_sid: request.task_sid,
            plan: plans
                .get(&request.task_queue_sid)
                .map(|plan| plan.name.clone()),
            since: request.entered_at.min(now),
        });
        on_hold.collect()
    }
}

fn key(request: &RedirectRequest) -> (Timestamp, EventSid) {
    (request.entered_at, request.event_sid)
}
