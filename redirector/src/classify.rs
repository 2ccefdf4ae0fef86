//! What an answer of Twilio's means: for the call, and for the API.
//!
//! The error codes and what they ask for: <https://www.twilio.com/docs/api/errors>.

use std::time::Duration;

use queue::Reason;
use twilio::rest::{Refusal, RestError};

/// "Call is not in-progress. Cannot redirect."
const NOT_IN_PROGRESS: u32 = 21220;
/// Credentials refused.
const AUTHENTICATE: u32 = 20003;
/// After Twilio answered an update with a failure: what the update did shows by then.
const SHOWS_AFTER: Duration = Duration::from_secs(2);

/// What a failed update leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aftermath {
    /// Nothing: it was never sent, or refused without being carried out.
    None,
    /// It is over, and what it did shows after this long.
    Over(Duration),
    /// It may still be carried out.
    Open,
}

/// What to do after a failed update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Try again.
    Retry {
        /// What Twilio asks to wait.
        retry_after: Option<Duration>,
        /// The reason of the dead letter, if the deadline passes.
        reason: Reason,
    },
    /// Twilio says that no such call is in progress. It is asked what became of the call.
    Look,
    /// No repetition helps.
    Refused,
}

/// What a failed update leaves open, and what is done next.
pub(crate) fn failed_update(error: &RestError) -> (Aftermath, Advice) {
    let retry = |retry_after, reason| Advice::Retry {
        retry_after,
        reason,
    };
    let again = retry(None, Reason::Expired);
    match error {
        RestError::NotSent(_) => (Aftermath::None, again),
        RestError::AnswerLost(_) | RestError::Unreadable(_) => (Aftermath::Open, again),
        RestError::Refused(refusal) => match (refusal.status, refusal.code) {
            (_, Some(NOT_IN_PROGRESS)) | (404, _) => (Aftermath::None, Advice::Look),
            _ if concerns_account(refusal) => (Aftermath::None, retry(None, Reason::Unauthorized)),
            // "Never processed and always safe to retry."
            (429, _) => (Aftermath::None, retry(refusal.retry_after, Reason::Expired)),
            (500 | 503, _) => (
                Aftermath::Over(SHOWS_AFTER),
                retry(refusal.retry_after, Reason::Expired),
            ),
            // A gateway in between answered, and doesn't know what happened to the request.
            (408 | 501.., _) => (Aftermath::Open, retry(refusal.retry_after, Reason::Expired)),
            _ => (Aftermath::None, Advice::Refused),
        },
    }
}

/// Whether a refusal is of the account or its credentials, not of the one call. Somebody mends
/// that, and the callers wait.
fn concerns_account(refusal: &Refusal) -> bool {
    matches!(refusal.status, 401 | 403) || refusal.code == Some(AUTHENTICATE)
}

/// How an API took a request, as far as it tells of the API rather than of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiHealth {
    /// It did its work, whatever the answer was.
    Sound,
    /// It failed, or could not be reached.
    Failing,
    /// It will not serve us for now: too many requests, or credentials refused.
    Refusing {
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
        /// Whether fewer requests at a time would help.
        too_many: bool,
    },
    /// It tells nothing.
    Unknown,
}

impl ApiHealth {
    /// What the outcome of a request tells. A call that has failed before (`again`) and fails once
    /// more is a sick call: a few of them must not hold back everybody else.
    pub(crate) fn of<T>(outcome: Result<T, &RestError>, again: bool) -> Self {
        let Err(error) = outcome else {
            return Self::Sound;
        };
        match error {
            RestError::NotSent(_) => Self::Failing,
            RestError::AnswerLost(_) if again => Self::Unknown,
            RestError::AnswerLost(_) => Self::Failing,
            RestError::Unreadable(_) => Self::Sound,
            RestError::Refused(refusal) if refusal.status == 429 => Self::Refusing {
                retry_after: refusal.retry_after,
                too_many: true,
            },
            RestError::Refused(refusal) if concerns_account(refusal) => Self::Refusing {
                retry_after: None,
                too_many: false,
            },
            RestError::Refused(refusal) => match refusal.status {
                500.. if again => Self::Unknown,
                500.. => Self::Failing,
                _ => Self::Sound,
            },
        }
    }
}

impl ApiHealth {
    /// What a request tells for which nobody waits: whether callers can be redirected is for theirs to
    /// say. Too many requests are too many, whosever they are.
    pub(crate) fn of_what_can_wait<T>(outcome: Result<T, &RestError>) -> Self {
        match Self::of(outcome, true) {
            Self::Refusing {
                too_many: false, ..
            }
            | Self::Failing => Self::Unknown,
            told => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: Option<u32>) -> RestError {
        RestError::Refused(Refusal {
            status,
            code,
            message: String::new(),
            retry_after: None,
            request_id: None,
            is_local: false,
        })
    }

    #[test]
    fn each_answer_has_its_meaning_for_the_call() {
        let retry = |reason| Advice::Retry {
            retry_after: None,
            reason,
        };
        let expired = || retry(Reason::Expired);
        let over = Aftermath::Over(SHOWS_AFTER);
        for (error, trace, next) in [
            (refused(400, Some(21220)), Aftermath::None, Advice::Look),
            (refused(404, Some(20404)), Aftermath::None, Advice::Look),
            (
                refused(401, Some(20003)),
                Aftermath::None,
                retry(Reason::Unauthorized),
            ),
            (
                refused(403, Some(20403)),
                Aftermath::None,
                retry(Reason::Unauthorized),
            ),
            (refused(429, Some(20429)), Aftermath::None, expired()),
            (refused(500, Some(20500)), over, expired()),
            (refused(503, None), over, expired()),
            (refused(502, None), Aftermath::Open, expired()),
            (refused(504, None), Aftermath::Open, expired()),
            (refused(408, None), Aftermath::Open, expired()),
            (refused(400, Some(20001)), Aftermath::None, Advice::Refused),
            (
                RestError::NotSent("refused".into()),
                Aftermath::None,
                expired(),
            ),
            (
                RestError::AnswerLost("timed out".into()),
                Aftermath::Open,
                expired(),
            ),
        ] {
            assert_eq!(failed_update(&error), (trace, next), "{error}");
        }
    }

    #[test]
    fn an_answer_about_one_call_says_nothing_of_the_api() {
        let health = |error: RestError, again| ApiHealth::of::<()>(Err(&error), again);
        for error in [refused(400, Some(21220)), refused(404, Some(20404))] {
            assert_eq!(health(error, false), ApiHealth::Sound);
        }
        assert_eq!(health(refused(502, None), false), ApiHealth::Failing);
        assert_eq!(health(refused(502, None), true), ApiHealth::Unknown);
        assert!(matches!(
            health(refused(429, None), true),
            ApiHealth::Refusing { too_many: true, .. }
        ));
        assert!(matches!(
            health(refused(401, Some(20003)), true),
            ApiHealth::Refusing {
                too_many: false,
                ..
            }
        ));
    }
}
