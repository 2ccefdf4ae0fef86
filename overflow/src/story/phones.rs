//! What is told of phones, and of what a caller hears on a ladder.

use simulator::{Callee, CalleeEnd, DialOutcome, Heard};
use twilio::E164;

/// What happened to somebody who was rung.
pub(super) fn callee(number: E164, mailbox: bool, what: &Callee) -> String {
    let what = match what {
        Callee::Rung => "rings".to_owned(),
        Callee::PickedUp if mailbox => "is picked up by a mailbox".to_owned(),
        Callee::PickedUp => "is picked up by somebody".to_owned(),
        Callee::Heard(text) => format!("hears “{text}”"),
        Callee::Pressed(key) => format!("presses {key}"),
        Callee::Connected => "has the caller".to_owned(),
        Callee::Ended(end) => ended(*end).to_owned(),
    };
    format!("{} {what}", number.as_str())
}

fn ended(end: CalleeEnd) -> &'static str {
    match end {
        CalleeEnd::Busy => "is busy",
        CalleeEnd::NoAnswer => "is picked up by nobody",
        CalleeEnd::Failed => "can't be called",
        CalleeEnd::Canceled => "is hung up: it isn't needed any more",
        CalleeEnd::Refused => "doesn't take the call, and is hung up",
        CalleeEnd::HungUp => "hangs up",
        CalleeEnd::TimeLimit => "is hung up: the time is over",
        CalleeEnd::CallerGone => "is left alone: the caller is gone",
    }
}

/// What came of a dialling in which nobody took the caller.
pub(super) fn outcome(outcome: DialOutcome) -> Option<&'static str> {
    match outcome {
        DialOutcome::Answered => None,
        DialOutcome::Busy => Some("busy"),
        DialOutcome::NoAnswer => Some("nobody answers"),
        DialOutcome::Failed => Some("it can't be called"),
        DialOutcome::Refused => Some("whoever picked up doesn't take the call"),
        DialOutcome::Canceled => Some("the caller is gone"),
    }
}

/// What the caller hears or says; nothing where the phones tell it.
pub(super) fn caller(heard: &Heard) -> Option<String> {
    match heard {
        Heard::Said { text } => Some(format!("hears “{text}”")),
        Heard::Played { url } => Some(format!("hears {url}")),
        Heard::Recorded { lasted } if lasted.is_zero() => Some("leaves no message".to_owned()),
        Heard::Recorded { lasted } => Some(format!("leaves a message of {} s", lasted.as_secs())),
        _ => None,
    }
}
