//! Messages that can be told apart by a number.

use queue::{
    CallerEnd, Content, Delivery, Message, Outcome, OutcomeKind, RedirectRequest, Redirected,
    Source,
};

fn sid<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str, number: u32) -> T {
    format!("{prefix}{number:032x}").parse().unwrap()
}

/// A request whose SIDs are made from `number`.
fn request(number: u32) -> RedirectRequest {
    RedirectRequest {
        event_sid: sid("EV", number),
        account_sid: sid("AC", 1),
        workspace_sid: sid("WS", 1),
        task_sid: sid("WT", number),
        call_sid: sid("CA", number),
        task_queue_sid: sid("WQ", 1),
        workflow_sid: Some(sid("WW", 1)),
        entered_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        task_created_at: None,
        source: Source::Callback,
        verify: false,
        requeued_at: None,
        caller: twilio::Caller::default(),
    }
}

/// The message with the request made from `number`.
pub fn message(number: u32) -> Message {
    request(number).into()
}

/// An outcome whose SIDs are made from `number`.
pub fn outcome(number: u32) -> Content {
    Content::Outcome(Outcome {
        id: format!("CA{number:024x}0000000d"),
        at: "2026-01-02T03:05:05.678Z".parse().unwrap(),
        account_sid: sid("AC", 1),
        call_sid: sid("CA", number),
        task_sid: None,
        plan: "default".to_owned(),
        step: Some("2.1".to_owned()),
        outcome: OutcomeKind::NoAnswer,
        caller: Some(CallerEnd::Missed),
        dialed_call_sid: format!("CA{number:024x}0000000d").parse().ok(),
        recording_sid: None,
        seconds: Some(7),
    })
}

/// That a caller was redirected whose SIDs are made from `number`.
pub fn redirected(number: u32) -> Content {
    Content::from(Redirected {
        account_sid: sid("AC", 1),
        call_sid: sid("CA", number),
        task_sid: sid("WT", number),
        plan: "default".to_owned(),
        entered_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        in_doubt: false,
        was_over: false,
        redirected_at: "2026-01-02T03:04:06Z".parse().unwrap(),
    })
}

/// The number that the delivered request was made from.
pub fn number(delivery: &Delivery) -> u32 {
    let event = delivery.message.request().unwrap().event_sid;
    u32::from_str_radix(&event.as_str()[2..], 16).unwrap()
}
