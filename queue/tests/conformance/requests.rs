//! Requests that can be told apart by a number.

use queue::{Delivery, Message, RedirectRequest, Source};

/// A request whose SIDs are made from `number`.
fn request(number: u32) -> RedirectRequest {
    fn sid<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str, number: u32) -> T {
        format!("{prefix}{number:032x}").parse().unwrap()
    }
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

/// The number that the delivered request was made from.
pub fn number(delivery: &Delivery) -> u32 {
    let event = delivery.message.request().unwrap().event_sid;
    u32::from_str_radix(&event.as_str()[2..], 16).unwrap()
}
