//! What this process knows of calls: which it is at, and which tasks it has just done.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use twilio::{CallSid, TaskSid};

/// How many done tasks are remembered at most.
const MAX_DONE: usize = 100_000;

/// The calls that this process is at, and the tasks that it has done.
///
/// A task, not a call, is done: a caller who comes back from the outside number and is enqueued
/// again has a new task, and waits anew.
pub(crate) struct Calls {
    remember: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    at_work: HashMap<CallSid, Arc<tokio::sync::Mutex<()>>>,
    done: HashMap<TaskSid, Instant>,
    /// `done` by age.
    order: VecDeque<(Instant, TaskSid)>,
}

/// One call, held by one delivery at a time.
pub(crate) struct CallGuard {
    calls: Arc<Calls>,
    call: CallSid,
    held: Option<OwnedMutexGuard<()>>,
}

impl Calls {
    /// Remembers done tasks for `remember`.
    pub(crate) fn new(remember: Duration) -> Arc<Self> {
        Arc::new(Self {
            remember,
            state: Mutex::default(),
        })
    }

    /// Waits until no other delivery is at this call.
    pub(crate) async fn hold(self: &Arc<Self>, call: CallSid) -> CallGuard {
        let lock = Arc::clone(self.state.lock().at_work.entry(call).or_default());
        // Made first, so that the entry goes even if the wait is given up.
        let mut guard = CallGuard {
            calls: Arc::clone(self),
            call,
            held: None,
        };
        guard.held = Some(lock.lock_owned().await);
        guard
    }

    /// Whether a delivery of this process is at the call, or waits to be.
    pub(crate) fn is_at_work(&self, call: &CallSid) -> bool {
        self.state.lock().at_work.contains_key(call)
    }

    /// Whether this process has redirected the task's caller.
    pub(crate) fn is_done(&self, task: &TaskSid) -> bool {
        let mut state = self.state.lock();
        state.forget(self.remember);
        state.done.contains_key(task)
    }

    /// Remembers that the task's caller was redirected.
    pub(crate) fn done(&self, task: TaskSid) {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.forget(self.remember);
        if state.done.insert(task, now).is_none() {
            state.order.push_back((now, task));
        }
    }
}

impl State {
    fn forget(&mut self, after: Duration) {
        while let Some((at, task)) = self.order.front() {
            if self.order.len() <= MAX_DONE && at.elapsed() < after {
                break;
            }
            self.done.remove(task);
            self.order.pop_front();
        }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.held.take();
        let mut state = self.calls.state.lock();
        // Ours is the map's; any other is a delivery that waits for the call.
        if state
            .at_work
            .get(&self.call)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            state.at_work.remove(&self.call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn call(n: u32) -> CallSid {
        format!("CA{n:032x}").parse().unwrap()
    }

    fn task(n: u32) -> TaskSid {
        format!("WT{n:032x}").parse().unwrap()
    }

    #[tokio::test]
    async fn one_delivery_at_a_time_is_at_a_call() {
        let calls = Calls::new(MINUTE);
        let first = calls.hold(call(1)).await;
        let _other_call = calls.hold(call(2)).await;
        let second = tokio::spawn({
            let calls = Arc::clone(&calls);
            async move { calls.hold(call(1)).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        drop(second.await.unwrap());
        assert_eq!(
            calls.state.lock().at_work.len(),
            1,
            "only the other call is kept"
        );
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_nothing_behind() {
        let calls = Calls::new(MINUTE);
        let first = calls.hold(call(1)).await;
        let waiting = tokio::spawn({
            let calls = Arc::clone(&calls);
            async move { calls.hold(call(1)).await }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.is_err());
        drop(first);
        assert!(calls.state.lock().at_work.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn done_tasks_are_remembered_for_a_while() {
        let calls = Calls::new(MINUTE);
        calls.done(task(1));
        tokio::time::advance(MINUTE / 2).await;
        calls.done(task(2));
        assert!(calls.is_done(&task(1)));
        tokio::time::advance(MINUTE / 2).await;
        assert!(!calls.is_done(&task(1)));
        assert!(calls.is_done(&task(2)));
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let calls = Calls::new(MINUTE);
        for n in 0..(MAX_DONE as u32 + 10) {
            calls.done(task(n));
        }
        assert!(calls.state.lock().done.len() <= MAX_DONE + 1);
        assert!(calls.is_done(&task(MAX_DONE as u32)));
    }
}
