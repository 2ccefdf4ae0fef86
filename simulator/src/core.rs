//! What all parts of a running simulator share.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use twilio::AuthToken;

use crate::config::{Account, Speed};
use crate::delivery::Sender;
use crate::faults::Faults;
use crate::line::Line;
use crate::state::{Effect, State};
use crate::story::Moment;

pub(crate) struct Core {
    state: Mutex<State>,
    pub(crate) started: Instant,
    pub(crate) speed: Speed,
    pub(crate) changes: watch::Sender<()>,
    pub(crate) story: broadcast::Sender<Moment>,
    pub(crate) faults: Faults,
    pub(crate) sender: Sender,
    pub(crate) account: Account,
    pub(crate) signing_token: AuthToken,
    /// The `Authorization` header for each pair of credentials.
    authorizations: Vec<String>,
    /// The API requests under way.
    pub(crate) in_flight: TaskTracker,
    concurrency_limit: Option<usize>,
    pub(crate) ended: CancellationToken,
    pub(crate) running: TaskTracker,
    runtime: Handle,
}

impl Core {
    pub(crate) fn new(state: State, faults: Faults, runtime: Handle) -> Self {
        let account = state.account.clone();
        let basic = |user: &str, password: &str| {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        };
        Self {
            changes: watch::Sender::new(()),
            story: broadcast::Sender::new(state.config.story_backlog),
            faults,
            sender: Sender::new(&state.config),
            signing_token: AuthToken::new(&account.auth_token),
            authorizations: [
                (account.sid.as_str(), Some(&account.auth_token)),
                (account.sid.as_str(), account.secondary_auth_token.as_ref()),
                (account.api_key.as_str(), Some(&account.api_key_secret)),
            ]
            .into_iter()
            .filter_map(|(user, password)| Some(basic(user, password?)))
            .collect(),
            account,
            started: state.started,
            speed: state.config.speed,
            in_flight: TaskTracker::new(),
            concurrency_limit: state.config.concurrency_limit,
            state: Mutex::new(state),
            ended: CancellationToken::new(),
            running: TaskTracker::new(),
            runtime,
        }
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.lock())
    }

    /// Changes the state, starts the effects, and wakes those who wait for a change.
    pub(crate) fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, effects) = {
            let mut state = self.state.lock();
            let result = change(&mut state);
            (result, state.take_effects())
        };
        self.changes.send_replace(());
        for effect in effects {
            self.start_effect(effect);
        }
        result
    }

    /// The time since the simulator's start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn start_effect(self: &Arc<Self>, effect: Effect) {
        let core = self.clone();
        match effect {
            Effect::Tell(moment) => {
                // It fails if nobody watches.
                let _ = self.story.send(moment);
            }
            Effect::Send(webhook) => {
                self.spawn(async move {
                    core.send_with_faults(webhook).await;
                });
            }
            Effect::Later { after, change } => {
                self.spawn(async move {
                    tokio::time::sleep(after).await;
                    core.change(change);
                });
            }
            Effect::Follow(follow) => {
                let mut followed = Box::pin(Line::follow(core, follow));
                let _context = self.runtime.enter();
                // What takes no time has happened when the change is over.
                if followed.as_mut().now_or_never().is_none() {
                    self.spawn(followed);
                }
            }
        }
    }

    /// Runs `work` until it is done or the simulator ends; in that case it brings `None`.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        let work = self.ended.clone().run_until_cancelled_owned(work);
        self.running.spawn_on(work, &self.runtime)
    }

    /// Whether these are the account's credentials.
    pub(crate) fn authenticates(&self, authorization: Option<&str>) -> bool {
        authorization.is_some_and(|sent| self.authorizations.iter().any(|known| known == sent))
    }

    pub(crate) fn is_too_many(&self, concurrent: usize) -> bool {
        self.concurrency_limit
            .is_some_and(|limit| concurrent > limit)
    }
}
