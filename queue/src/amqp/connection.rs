//! A connection that comes back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use retry::Policy;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::channels::{Borrowed, Channels, Role};
use super::fault::ANSWER_WITHIN;
use super::link::{Link, Target};
use crate::{Health, QueueError};

/// Many clients that lost the same broker don't all come back at the same moment, but soon after it is
/// there again, for callers are on hold meanwhile.
pub(super) const RECONNECT: Policy =
    match Policy::new(Duration::from_millis(100), Duration::from_secs(1)) {
        Ok(policy) => policy,
        Err(_) => unreachable!(),
    };

/// A link that lived this long was a good one: after its loss, the first attempts come fast again.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Where a connection stands.
enum State {
    /// The first attempt is under way.
    Connecting,
    Up(Arc<Link>),
    /// Between attempts, which go on.
    Down(QueueError),
    /// For good.
    Closed,
}

/// A connection that is made again, in the background, whenever it is lost.
pub(super) struct Connection {
    state: watch::Sender<State>,
    task: AbortHandle,
}

impl Connection {
    pub(super) fn start(target: Target) -> Arc<Self> {
        let state = watch::Sender::new(State::Connecting);
        let runtime = target.runtime.clone();
        let task = runtime.spawn(keep_connected(target, state.clone()));
        Arc::new(Self {
            state,
            task: task.abort_handle(),
        })
    }

    /// Waits until the first attempt has come to something, or until `deadline`.
    ///
    /// # Errors
    /// It failed in a way that no waiting mends, or was refused and that is not waited out.
    pub(super) async fn settled(
        &self,
        deadline: Instant,
        waits_for_access: bool,
    ) -> Result<(), QueueError> {
        let mut state = self.state.subscribe();
        let first = state.wait_for(|state| !matches!(state, State::Connecting));
        match tokio::time::timeout_at(deadline.into(), first).await {
            Ok(Ok(state)) => match &*state {
                State::Down(error @ QueueError::AccessRefused(_)) if !waits_for_access => {
                    Err(error.clone())
                }
                State::Down(error) if !error.is_transient() => Err(error.clone()),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The link, if there is one now.
    pub(super) fn link(&self) -> Result<Arc<Link>, QueueError> {
        match &*self.state.borrow() {
            State::Up(link) if link.is_up() => Ok(link.clone()),
            State::Up(_) => Err(QueueError::Unavailable("just lost".to_owned())),
            State::Connecting => Err(QueueError::Unavailable("still connecting".to_owned())),
            State::Down(error) => Err(error.clone()),
            State::Closed => Err(closed()),
        }
    }

    /// The link, waiting for one.
    ///
    /// # Errors
    /// Only what no waiting mends.
    pub(super) async fn connected(&self) -> Result<Arc<Link>, QueueError> {
        let mut state = self.state.subscribe();
        let ready = state.wait_for(|state| match state {
            State::Connecting => false,
            State::Up(link) => link.is_up(),
            State::Down(error) => !error.is_transient(),
            State::Closed => true,
        });
        match ready.await.as_deref() {
            Ok(State::Up(link)) => Ok(link.clone()),
            Ok(State::Down(error)) => Err(error.clone()),
            _ => Err(closed()),
        }
    }

    /// A channel of the link that there is now, within a bounded time.
    pub(super) async fn channel(&self) -> Result<Borrowed, QueueError> {
        let link = self.link()?;
        match tokio::time::timeout(ANSWER_WITHIN, Channels::borrow(&link)).await {
            Ok(borrowed) => Ok(borrowed?),
            Err(_) => Err(QueueError::Unavailable(
                "all channels are in use".to_owned(),
            )),
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.link() {
            Ok(link) => link.blocked().map_or(Health::Up, Health::Down),
            Err(error) if error.is_transient() => Health::Down(error.to_string()),
            Err(error) => Health::Broken(error.to_string()),
        }
    }

    /// Disconnects for good, within a bounded time.
    pub(super) async fn close(&self) {
        self.task.abort();
        if let State::Up(link) = self.state.send_replace(State::Closed) {
            link.close().await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn closed() -> QueueError {
    QueueError::Unavailable("the queue was closed".to_owned())
}

async fn keep_connected(mut target: Target, state: watch::Sender<State>) {
    let mut delays = RECONNECT.delays();
    let mut reported = HashSet::new();
    // Since there was a link, or since all nodes were tried.
    let mut tried = 0;
    loop {
        target.address.refresh();
        let (outage, was_up) = match Link::establish(&target).await {
            Ok(link) => {
                reported.clear();
                tracing::info!(role = ?target.role, "connected to the broker");
                advance(&state, State::Up(link.clone()));
                let since = Instant::now();
                let outage = link.tend(&target.topology).await;
                link.cut();
                if since.elapsed() >= GOOD_AFTER {
                    delays.reset();
                }
                (outage, true)
            }
            Err(outage) => (outage, false),
        };
        report(&outage, target.role, &mut reported);
        target.address.turn();
        tried = if was_up { 0 } else { tried + 1 };
        let all_tried = tried >= target.address.count();
        // While others are still to be tried, the first attempt is under way.
        if was_up || all_tried || !matches!(outage, QueueError::Unavailable(_)) {
            advance(&state, State::Down(outage));
        }
        if was_up || all_tried {
            tried = 0;
            tokio::time::sleep(delays.next_delay()).await;
        }
    }
}

/// Says each outage once.
fn report(outage: &QueueError, role: Role, reported: &mut HashSet<String>) {
    let reason = outage.to_string();
    if !reported.insert(reason.clone()) {
        return;
    }
    match outage {
        QueueError::AccessRefused(_) => {
            tracing::error!(?role, reason, "not let in by the broker");
        }
        _ => tracing::warn!(?role, reason, "not connected to the broker"),
    }
}

/// A closed connection stays closed, also where it is closed at this very moment.
fn advance(state: &watch::Sender<State>, next: State) {
    state.send_if_modified(|state| {
        let is_open = !matches!(state, State::Closed);
        if is_open {
            *state = next;
        }
        is_open
    });
}
