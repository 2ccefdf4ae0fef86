//! What a simulated account looks like and how it behaves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use futures::future::BoxFuture;
use twilio::{AccountSid, ApiKeySid, E164};

use crate::journal::CallbackOutcome;
use crate::phone::Phone;
use crate::readings::Readings;

/// How a [`Simulator`](crate::Simulator) is set up. Each field has a default that behaves as
/// Twilio does.
#[derive(Clone)]
pub struct Config {
    /// The seed of everything random: SIDs of calls, tasks and events, numbers, faults. `None` draws
    /// one.
    pub seed: Option<u64>,
    /// The account and its secrets; `None` makes them up. The SIDs of its workspace, task queues
    /// and workflow follow from the account SID, so that settings stay valid across restarts.
    pub account: Option<Account>,
    /// Whether there is a placeholder already, and a workflow that ends in it. Otherwise the account
    /// is a new one of Flex: its one workflow leads to Everyone, for good.
    pub is_set_up: bool,
    /// The workspace's `EventCallbackUrl` at the start, connection overrides in its fragment
    /// included.
    pub callback_url: Option<String>,
    /// The workspace's `EventsFilter` at the start; `None` sends every event.
    pub events_filter: Option<String>,
    /// How much faster than in real life the steps of a workflow time out, phones ring and people
    /// speak.
    pub speed: Speed,
    /// What becomes of calls to these numbers, instead of [`Phone::default`].
    pub phones: Vec<(E164, Phone)>,
    /// How Twilio does what its documentation doesn't say of calls.
    pub readings: Readings,
    /// What becomes of a task when its call is redirected out of the voice queue.
    pub task_after_redirect: TaskAfterRedirect,
    /// How long a task lives before it is cancelled with "Task TTL Exceeded". Real time.
    pub task_ttl: Duration,
    /// How long an ended task can still be read. Real time.
    pub task_retention: Duration,
    /// Whether lists of tasks show their attributes. Twilio does, though its specification says
    /// that they are null there.
    pub attributes_in_lists: bool,
    /// How many API requests may be under way before the next one is answered 429; `None` for no
    /// limit.
    pub concurrency_limit: Option<usize>,
    /// How many callbacks may be under way at a time, however they are sent.
    pub callback_concurrency: usize,
    /// How many API requests, and how many callbacks, the journal keeps.
    pub journal_limit: usize,
    /// How many moments a watcher of the story may lag behind.
    pub story_backlog: usize,
    /// The time of day.
    pub clock: Clock,
    /// Carries callbacks in place of the network.
    pub carrier: Option<Carrier>,
}

/// Carries callbacks to their receivers, and the answers back.
pub type Carrier = Arc<
    dyn Fn(reqwest::Request) -> BoxFuture<'static, Result<reqwest::Response, CallbackOutcome>>
        + Send
        + Sync,
>;

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: None,
            account: None,
            is_set_up: true,
            callback_url: None,
            events_filter: None,
            speed: Speed::REAL,
            phones: Vec::new(),
            readings: Readings::default(),
            task_after_redirect: TaskAfterRedirect::Canceled,
            task_ttl: Duration::from_secs(24 * 60 * 60),
            task_retention: Duration::from_secs(5 * 60),
            attributes_in_lists: true,
            concurrency_limit: None,
            callback_concurrency: 256,
            journal_limit: 500_000,
            story_backlog: 16_384,
            clock: Clock::system(),
            carrier: None,
        }
    }
}

/// An account, its auth token and an API key.
#[derive(Clone)]
pub struct Account {
    /// The account.
    pub sid: AccountSid,
    /// Authenticates REST requests and signs callbacks.
    pub auth_token: String,
    /// Authenticates REST requests, and signs nothing before it is promoted.
    pub secondary_auth_token: Option<String>,
    /// Authenticates REST requests only.
    pub api_key: ApiKeySid,
    /// The API key's secret.
    pub api_key_secret: String,
}

impl Account {
    /// An account whose API key has the same digits as its SID, and the auth token as its secret.
    pub fn new(sid: AccountSid, auth_token: String) -> Self {
        Self {
            api_key: format!("SK{}", &sid.as_str()[2..])
                .parse()
                .unwrap_or_else(|_| unreachable!()),
            api_key_secret: auth_token.clone(),
            sid,
            auth_token,
            secondary_auth_token: None,
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("sid", &self.sid)
            .field("api_key", &self.api_key)
            .finish_non_exhaustive()
    }
}

/// What becomes of a task when its call is redirected. Twilio's documentation doesn't say; its own Flex
/// template has seen the task cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskAfterRedirect {
    /// It stays pending until somebody closes it.
    Stays,
    /// Twilio cancels it.
    Canceled,
}

/// A positive factor by which waits are shortened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(f64);

/// A string or number that is no [`Speed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a factor greater than 0, for example 10")]
pub struct InvalidSpeed;

impl Speed {
    /// As in real life.
    pub const REAL: Self = Self(1.0);

    /// A speed of this factor.
    ///
    /// # Errors
    /// The factor is not finite, or not greater than 0.
    pub fn new(factor: f64) -> Result<Self, InvalidSpeed> {
        let valid = factor.is_finite() && factor > 0.0;
        valid.then_some(Self(factor)).ok_or(InvalidSpeed)
    }

    /// What would have taken `passed` at this speed.
    pub(crate) fn lengthen(self, passed: Duration) -> Duration {
        Duration::try_from_secs_f64(passed.as_secs_f64() * self.0).unwrap_or(Duration::MAX)
    }

    /// How long `real` takes at this speed.
    pub fn shorten(self, real: Duration) -> Duration {
        Duration::try_from_secs_f64(real.as_secs_f64() / self.0).unwrap_or(Duration::MAX)
    }
}

impl FromStr for Speed {
    type Err = InvalidSpeed;

    fn from_str(text: &str) -> Result<Self, InvalidSpeed> {
        Self::new(text.parse().map_err(|_| InvalidSpeed)?)
    }
}
