//! How things are said.

use std::time::Duration;

use jiff::Timestamp;
use queue::Reason;
use service::report::Stage;

use crate::Whereabouts;

/// A stretch of time in its largest units, short.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..10 => format!("{:.1} s", span.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

impl Whereabouts {
    /// Where that is, at the time `now`.
    pub fn in_words(&self, now: Timestamp) -> String {
        match self {
            Self::Queue => "on the queue".to_owned(),
            Self::AtRedirector { process, stage } => match stage {
                Stage::InLine => format!("in line for Twilio at {process}"),
                Stage::UnderWay => format!("being redirected by {process}"),
                Stage::Pausing => format!("looked after by {process}"),
            },
            Self::Retried {
                process,
                attempts,
                next_at,
                ..
            } => {
                let tried = match attempts {
                    0 => "not tried yet".to_owned(),
                    1 => "tried once".to_owned(),
                    attempts => format!("tried {attempts} times"),
                };
                let next = next_at.map(|at| {
                    let rest = Duration::try_from(at.duration_since(now));
                    format!(", again in {}", span(rest.unwrap_or_default()))
                });
                format!("{tried}{} by {process}", next.unwrap_or_default())
            }
            Self::Spool { process } => format!("in the spool of {process}"),
            Self::Nobody => "on hold at Twilio, and none of us has them".to_owned(),
            Self::GivenUp => "on hold at Twilio, and given up: a dead letter".to_owned(),
        }
    }

    /// What went wrong last.
    pub fn last_error(&self) -> Option<&str> {
        match self {
            Self::Retried { last_error, .. } => last_error.as_deref(),
            _ => None,
        }
    }
}

/// So many of them.
pub fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// Why a request is a dead letter.
pub(crate) fn why(reason: &Reason) -> &'static str {
    match reason {
        Reason::Expired => "it could not be done before its deadline",
        Reason::NoPlan => "no redirect plan is for its task queue",
        Reason::Refused => "Twilio refused the redirect for good",
        Reason::Unauthorized => "Twilio refused our credentials",
        Reason::Undecodable => "the message could not be understood",
        Reason::DeliveryLimit => "it was delivered again and again, and nothing came of it",
        Reason::Panicked => "redirectors panicked over it again and again",
        Reason::NotNotified => "whoever is told of callers did not take it",
        Reason::Other(_) => "something else put it there",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_largest_unit() {
        for (millis, said) in [
            (0, "0 ms"),
            (340, "340 ms"),
            (1_400, "1.4 s"),
            (45_000, "45 s"),
            (150_000, "2 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 days"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), said);
        }
    }
}
