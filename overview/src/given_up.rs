//! What was given up lately, by what it was: a caller, a notification, or nobody knows.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use queue::Reason;

use crate::words::counted;
use crate::{DeadLetter, DeadLetters, NotWell};

const LATELY: SignedDuration = SignedDuration::from_hours(1);

/// What isn't well about the dead letters of the hour before `now`.
pub(crate) fn given_up(dead: &DeadLetters, now: Timestamp) -> Vec<NotWell> {
    let (mut reasons, mut not_notified, mut undecodable) = (BTreeSet::new(), 0, 0);
    let is_recent = |letter: &&DeadLetter| now.duration_since(letter.died_at) <= LATELY;
    for letter in dead.shown.iter().filter(is_recent) {
        match Reason::from(letter.reason.as_str()) {
            Reason::NotNotified => not_notified += 1,
            Reason::Undecodable => undecodable += 1,
            _ => drop(reasons.insert(letter.reason.as_str())),
        }
    }
    // The newest may not be among those that are shown.
    let reasons = match reasons.is_empty() {
        true => String::new(),
        false => format!(": {}", Vec::from_iter(reasons).join(", ")),
    };
    let [calls, notifications, messages] = [
        (dead.within_the_hour, "call"),
        (not_notified, "notification"),
        (undecodable, "message"),
    ]
    .map(|(count, what)| (count > 0).then(|| counted(count, what)));
    let calls = calls.map(|calls| NotWell {
        what: format!("{calls} could not be redirected within the past hour{reasons}"),
        to_do: "see `overflow dead-letters list` and, for each reason, RUNBOOK.md, \
                OverflowCallersGivenUp"
            .to_owned(),
    });
    let notifications = notifications.map(|notifications| NotWell {
        what: format!("{notifications} of what became of callers not taken within the past hour"),
        to_do:
            "see whether the receiver that `notify` names works; `overflow dead-letters` has them"
                .to_owned(),
    });
    let messages = messages.map(|messages| NotWell {
        what: format!("{messages} on the queue not understood within the past hour"),
        to_do:
            "`overflow dead-letters` has them: see who publishes there, or is of another version"
                .to_owned(),
    });
    calls
        .into_iter()
        .chain(messages)
        .chain(notifications)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(reason: Reason, died_at: Timestamp) -> DeadLetter {
        DeadLetter {
            id: "EV".to_owned(),
            reason: reason.to_string(),
            why: String::new(),
            attempts: 1,
            last_error: None,
            died_at,
            call_sid: None,
        }
    }

    #[test]
    fn what_was_given_up_is_told_by_what_it_was_and_not_for_ever() {
        let now: Timestamp = "2026-03-04T05:30:00Z".parse().unwrap();
        let (lately, long_ago) = (now - SignedDuration::from_mins(5), now - 2 * LATELY);
        let dead = DeadLetters {
            within_the_hour: 2,
            shown: vec![
                letter(Reason::Refused, long_ago),
                letter(Reason::NotNotified, long_ago),
                letter(Reason::Expired, lately),
                letter(Reason::Expired, lately),
                letter(Reason::NotNotified, lately),
                letter(Reason::Undecodable, lately),
            ],
            ..DeadLetters::default()
        };
        let told: Vec<_> = given_up(&dead, now)
            .into_iter()
            .map(|found| found.what)
            .collect();
        let expected = [
            "2 calls could not be redirected within the past hour: expired",
            "1 message on the queue not understood within the past hour",
            "1 notification of what became of callers not taken within the past hour",
        ];
        assert_eq!(told, expected);
    }
}
