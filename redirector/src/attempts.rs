//! The attempts made for one delivery, and what their failures lead to.

use std::time::Duration;

use queue::{Cause, Reason};
use retry::Delays;
use twilio::rest::RestError;

use crate::classify::{Verdict, verdict};
use crate::end::End;

/// What follows a failed attempt.
#[derive(Debug)]
pub(crate) enum Next {
    /// That is how it ends.
    End(End),
    /// Another attempt, after this long.
    Retry(Duration),
}

/// The attempts made for one delivery.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// How many times Twilio was asked to redirect the caller.
    pub(crate) made: u32,
    /// Whether the caller may be waiting no more, so that Twilio must be asked first.
    pub(crate) doubt: bool,
    delays: Delays,
    not_found: bool,
    last_error: Option<String>,
    /// Why it is a dead letter, if the deadline passes now.
    reason: Reason,
}

impl Attempts {
    /// None so far.
    pub(crate) fn new(delays: Delays) -> Self {
        Self {
            made: 0,
            doubt: false,
            delays,
            not_found: false,
            last_error: None,
            reason: Reason::Expired,
        }
    }

    /// Takes in a failure.
    pub(crate) fn failed(&mut self, error: &RestError) -> Next {
        self.last_error = Some(error.to_string());
        let retry_after = match verdict(error) {
            Verdict::CallEnded => return Next::End(End::CallEnded),
            Verdict::NotFound if self.not_found => return Next::End(End::CallEnded),
            Verdict::Refused => {
                self.reason = Reason::Refused;
                return Next::End(self.expire());
            }
            Verdict::NotFound => {
                self.not_found = true;
                None
            }
            Verdict::Retry {
                doubt,
                retry_after,
                reason,
            } => {
                self.doubt |= doubt;
                self.reason = reason;
                retry_after
            }
        };
        Next::Retry(
            self.delays
                .next_delay()
                .max(retry_after.unwrap_or_default()),
        )
    }

    /// The end of a delivery whose deadline has passed.
    pub(crate) fn expire(&self) -> End {
        End::Dead(Cause {
            reason: self.reason.clone(),
            attempts: self.made,
            last_error: self.last_error.clone(),
        })
    }

    /// The end of a delivery that can't be done.
    pub(crate) fn give_up(&self, reason: Reason, problem: String) -> End {
        End::Dead(Cause {
            reason,
            attempts: self.made,
            last_error: Some(problem),
        })
    }
}
