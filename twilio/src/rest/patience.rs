//! Retries while Twilio is busy, for commands that can wait.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Request};
use retry::Policy;
use tokio::time::{Instant, sleep};

use super::{Client, RestError, retry_after};
use crate::sid::Sid;

/// How often, and for how long, a request is retried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The waits between attempts.
    pub policy: Policy,
    /// The longest time that one request may take, waits included.
    pub limit: Duration,
}

const POLICY: Policy = match Policy::new(Duration::from_millis(500), Duration::from_secs(8)) {
    Ok(policy) => policy,
    Err(_) => unreachable!(),
};

impl Default for Patience {
    fn default() -> Self {
        Self {
            policy: POLICY,
            limit: Duration::from_secs(60),
        }
    }
}

impl Client {
    /// Makes each request again, within the limit, as long as that can't do anything twice: always
    /// where Twilio did no work on it, and after any failure where it reads, deletes, or puts a
    /// resource of the set-up into a state that it names.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        let once = self.clone();
        self.carried_by(Arc::new(move |request| {
            let once = once.clone();
            Box::pin(async move { once.exchange_patiently(request, patience).await })
        }))
    }

    async fn exchange_patiently(
        &self,
        mut request: Request,
        patience: Patience,
    ) -> Result<reqwest::Response, RestError> {
        let repeatable = is_repeatable(request.method(), request.url().path());
        let deadline = Instant::now() + patience.limit;
        let mut delays = patience.policy.delays();
        loop {
            // Forms can be cloned; only streams can't.
            let next = request.try_clone();
            let answer = self.exchange(request).await;
            let passing = match &answer {
                Ok(answer) => match answer.status().as_u16() {
                    429 => true,
                    status => status >= 500 && repeatable,
                },
                Err(RestError::NotSent(_)) => true,
                Err(RestError::AnswerLost(_)) => repeatable,
                Err(RestError::Refused(_) | RestError::Unreadable(_)) => false,
            };
            let asked_for = answer.as_ref().ok().and_then(retry_after);
            let wait = delays.next_delay().max(asked_for.unwrap_or_default());
            let Some(next) = next.filter(|_| passing && Instant::now() + wait <= deadline) else {
                return answer;
            };
            tracing::info!(?wait, "Twilio asked for patience: trying again");
            sleep(wait).await;
            request = next;
        }
    }
}

/// Whether repeating a request changes nothing more. Repeating an update of a call or a task may, as
/// they move on by themselves; a new resource would be created twice.
fn is_repeatable(method: &Method, path: &str) -> bool {
    if *method == Method::GET || *method == Method::DELETE {
        return true;
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let last = last.strip_suffix(".json").unwrap_or(last);
    last == "Validate"
        || ["WS", "WQ", "WW", "FW", "PN"]
            .iter()
            .any(|prefix| Sid::parse(last, prefix).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_deletes_or_sets_a_state_is_repeated_and_all_else_is_not() {
        let sid = "0123456789abcdef0123456789abcdef";
        for (method, path, repeatable) in [
            (Method::GET, "/v1/Workspaces".to_owned(), true),
            (Method::DELETE, format!("/v2/Flows/FW{sid}"), true),
            (Method::POST, format!("/v1/Workspaces/WS{sid}"), true),
            (
                Method::POST,
                format!("/v1/Workspaces/WS{sid}/Workflows/WW{sid}"),
                true,
            ),
            (Method::POST, "/v2/Flows/Validate".to_owned(), true),
            (
                Method::POST,
                format!("/2010-04-01/Accounts/AC{sid}/IncomingPhoneNumbers/PN{sid}.json"),
                true,
            ),
            (Method::POST, "/v2/Flows".to_owned(), false),
            (
                Method::POST,
                format!("/v1/Workspaces/WS{sid}/Workflows"),
                false,
            ),
            (Method::POST, "/v1/Subscriptions".to_owned(), false),
            (
                Method::POST,
                format!("/2010-04-01/Accounts/AC{sid}/Calls/CA{sid}.json"),
                false,
            ),
            (
                Method::POST,
                format!("/v1/Workspaces/WS{sid}/Tasks/WT{sid}"),
                false,
            ),
        ] {
            assert_eq!(is_repeatable(&method, &path), repeatable, "{method} {path}");
        }
    }
}
