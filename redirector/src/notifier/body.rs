//! What a receiver is told.

use queue::{CallerEnd, Outcome, OutcomeKind};
use serde::Serialize;
use twilio::E164;

/// The outcome's fields, and beside them what chat tools take.
#[derive(Serialize)]
struct Body<'a> {
    text: String,
    #[serde(flatten)]
    outcome: &'a Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_number: Option<&'a str>,
}

/// The JSON; with the caller's number, if it is given.
pub(super) fn body(outcome: &Outcome, number: Option<&E164>) -> String {
    let caller_number = number.map(E164::as_str);
    let body = Body {
        text: text(outcome, caller_number),
        outcome,
        caller_number,
    };
    // It consists of texts and numbers, so it can always be written.
    serde_json::to_string(&body).unwrap_or_default()
}

fn text(outcome: &Outcome, number: Option<&str>) -> String {
    let plan = &outcome.plan;
    let who = match number {
        Some(number) => format!("The caller {number} of plan {plan}"),
        None => format!("A caller of plan {plan}"),
    };
    let seconds = outcome.seconds.map(|seconds| format!("{seconds} s"));
    let what = match outcome.caller {
        Some(CallerEnd::Taken) => match seconds {
            Some(seconds) => format!("was taken, for {seconds}"),
            None => "was taken".to_owned(),
        },
        Some(CallerEnd::Recorded) => match seconds {
            Some(seconds) => format!("left a message of {seconds}"),
            None => "left a message".to_owned(),
        },
        Some(CallerEnd::Missed) | None => format!("was missed: {}", why(outcome.outcome)),
    };
    let step = outcome.step.as_ref();
    let step = step.map_or_else(String::new, |step| format!(" (step {step})"));
    let recording = outcome.recording_sid.as_ref();
    let recording = recording.map_or_else(String::new, |sid| format!(", recording {sid}"));
    format!("{who} {what}{step}. Call {}{recording}.", outcome.call_sid)
}

fn why(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Busy => "the number was busy",
        OutcomeKind::NoAnswer => "nobody answered",
        OutcomeKind::Failed => "the number could not be dialed",
        OutcomeKind::Canceled => "it stopped ringing before anybody answered",
        OutcomeKind::NotAccepted => "whoever answered did not take the call",
        OutcomeKind::HungUp => "they hung up before anybody had them",
        OutcomeKind::LastWords => "nobody was left to ring",
        OutcomeKind::Closed => "they called outside the hours",
        // Those have the caller.
        OutcomeKind::Answered | OutcomeKind::Voicemail => outcome.as_str(),
    }
}
