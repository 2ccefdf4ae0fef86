//! What an answer of Twilio's means: for the call, and for all calls.
//!
//! The error codes and what they ask for: <https://www.twilio.com/docs/api/errors>.

use std::time::Duration;

use queue::Reason;
use twilio::rest::RestError;

use crate::gate::Health;

/// "Call is not in-progress. Cannot redirect."
const NOT_IN_PROGRESS: u32 = 21220;
/// Credentials refused.
const AUTHENTICATE: u32 = 20003;

/// What to do about a failed request for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The call is over.
    CallEnded,
    /// Twilio knows no such call. Now and then it is wrong about that for a moment.
    NotFound,
    /// Try again.
    Retry {
        /// Whether Twilio may have done what was asked, so that it must be asked first.
        doubt: bool,
        /// How long Twilio asks to wait.
        retry_after: Option<Duration>,
        /// The reason of the dead letter, if the deadline passes.
        reason: Reason,
    },
    /// No repetition helps.
    Refused,
}

/// What `error` means for the call.
pub(crate) fn verdict(error: &RestError) -> Verdict {
    let retry = |doubt, retry_after, reason| Verdict::Retry {
        doubt,
        retry_after,
        reason,
    };
    match error {
        RestError::NotSent(_) => retry(false, None, Reason::Expired),
        RestError::AnswerLost(_) | RestError::Unreadable(_) => retry(true, None, Reason::Expired),
        RestError::Refused(refusal) => match (refusal.status, refusal.code) {
            (_, Some(NOT_IN_PROGRESS)) => Verdict::CallEnded,
            (401, _) | (_, Some(AUTHENTICATE)) => retry(false, None, Reason::Unauthorized),
            (404, _) => Verdict::NotFound,
            // "Never processed and always safe to retry."
            (429, _) => retry(false, refusal.retry_after, Reason::Expired),
            (408 | 500.., _) => retry(true, refusal.retry_after, Reason::Expired),
            _ => Verdict::Refused,
        },
    }
}

/// What the outcome of a request tells of Twilio as a whole.
pub(crate) fn health<T>(outcome: &Result<T, RestError>) -> Health {
    let Err(error) = outcome else {
        return Health::Sound;
    };
    match error {
        RestError::NotSent(_) | RestError::AnswerLost(_) => Health::Failing,
        RestError::Unreadable(_) => Health::Sound,
        RestError::Refused(refusal) => match (refusal.status, refusal.code) {
            (429, _) => Health::Refusing {
                retry_after: refusal.retry_after,
                too_many: true,
            },
            (401, _) | (_, Some(AUTHENTICATE)) => Health::Refusing {
                retry_after: None,
                too_many: false,
            },
            (500.., _) => Health::Failing,
            _ => Health::Sound,
        },
    }
}

#[cfg(test)]
mod tests {
    use twilio::rest::Refusal;

    use super::*;

    fn refused(status: u16, code: Option<u32>) -> RestError {
        RestError::Refused(Refusal {
            status,
            code,
            message: String::new(),
            retry_after: None,
            request_id: None,
        })
    }

    fn retry(doubt: bool, reason: Reason) -> Verdict {
        Verdict::Retry {
            doubt,
            retry_after: None,
            reason,
        }
    }

    #[test]
    fn each_answer_has_its_meaning_for_the_call() {
        for (error, wanted) in [
            (refused(400, Some(21220)), Verdict::CallEnded),
            (refused(404, Some(20404)), Verdict::NotFound),
            (
                refused(401, Some(20003)),
                retry(false, Reason::Unauthorized),
            ),
            (refused(429, Some(20429)), retry(false, Reason::Expired)),
            (refused(500, Some(20500)), retry(true, Reason::Expired)),
            (refused(503, None), retry(true, Reason::Expired)),
            (refused(400, Some(20001)), Verdict::Refused),
            (refused(400, Some(21205)), Verdict::Refused),
            (refused(403, None), Verdict::Refused),
            (
                RestError::NotSent("connection refused".into()),
                retry(false, Reason::Expired),
            ),
            (
                RestError::AnswerLost("timed out".into()),
                retry(true, Reason::Expired),
            ),
        ] {
            assert_eq!(verdict(&error), wanted, "{error}");
        }
    }

    #[test]
    fn an_answer_about_one_call_says_nothing_of_twilio() {
        for error in [refused(400, Some(21220)), refused(404, Some(20404))] {
            assert_eq!(health::<()>(&Err(error)), Health::Sound);
        }
        assert_eq!(health::<()>(&Err(refused(502, None))), Health::Failing);
        assert!(matches!(
            health::<()>(&Err(refused(429, None))),
            Health::Refusing { too_many: true, .. }
        ));
        assert!(matches!(
            health::<()>(&Err(refused(401, Some(20003)))),
            Health::Refusing {
                too_many: false,
                ..
            }
        ));
    }
}
