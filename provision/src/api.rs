//! Requests to Twilio with the patience that an operator's command should have.

use std::time::Duration;

use retry::Policy;
use tokio::time::{Instant, sleep};
use twilio::AccountSid;
use twilio::rest::{Client, RestError};

use crate::error::Error;

/// How long a request is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The waits between attempts.
    pub policy: Policy,
    /// The longest time that the waits of one request may take together.
    pub limit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let policy = Policy::new(Duration::from_millis(500), Duration::from_secs(8));
        Self {
            // A constant that satisfies it.
            policy: policy.unwrap_or_else(|_| unreachable!()),
            limit: Duration::from_secs(60),
        }
    }
}

/// Whether a request may be made again when it isn't known what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeatable {
    /// It reads, or a second time changes nothing more.
    Yes,
    /// A second time would make a second thing.
    No,
}

/// The account at Twilio.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) client: Client,
    pub(crate) account: AccountSid,
    pub(crate) patience: Patience,
}

impl Api {
    /// Makes a request, again while Twilio says that it is asked too often. `doing` completes "cannot".
    pub(crate) async fn ask<T, F: Future<Output = Result<T, RestError>>>(
        &self,
        doing: impl Into<String>,
        repeatable: Repeatable,
        request: impl FnMut() -> F,
    ) -> Result<T, Error> {
        self.try_ask(repeatable, request)
            .await
            .map_err(|error| Error::Twilio {
                doing: doing.into(),
                error,
            })
    }

    /// As [`Api::ask`], with Twilio's own error.
    pub(crate) async fn try_ask<T, F: Future<Output = Result<T, RestError>>>(
        &self,
        repeatable: Repeatable,
        mut request: impl FnMut() -> F,
    ) -> Result<T, RestError> {
        let deadline = Instant::now() + self.patience.limit;
        let mut delays = self.patience.policy.delays();
        loop {
            let error = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let asked_for = error.refusal().and_then(|refusal| refusal.retry_after);
            let wait = delays.next_delay().max(asked_for.unwrap_or_default());
            if !is_passing(&error, repeatable) || Instant::now() + wait > deadline {
                return Err(error);
            }
            tracing::info!(%error, ?wait, "trying again");
            sleep(wait).await;
        }
    }
}

fn is_passing(error: &RestError, repeatable: Repeatable) -> bool {
    match error {
        // A request that was refused so was never worked on.
        RestError::Refused(refusal) if refusal.status == 429 => true,
        RestError::Refused(refusal) => refusal.status >= 500 && repeatable == Repeatable::Yes,
        RestError::NotSent(_) => true,
        RestError::AnswerLost(_) => repeatable == Repeatable::Yes,
        RestError::Unreadable(_) => false,
    }
}
