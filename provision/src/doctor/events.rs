//! Do TaskRouter's events come to ingest?

use twilio::{CONNECTION_OVERRIDES, EVENT_STREAM_PATH, EVENTS_PATH, EventType, PublicUrl};

use super::report::Report;
use crate::callback::{EventsFilter, repeats, same_receiver, shown};
use crate::inventory::Inventory;

pub(super) fn check(public_url: &PublicUrl, inventory: &Inventory, report: &mut Report) {
    let workspace = &inventory.workspace;
    let url = &workspace.event_callback_url;
    let by_callback = same_receiver(url, &public_url.join(EVENTS_PATH));
    let destination = public_url.join(EVENT_STREAM_PATH);
    let stream = inventory
        .streams
        .iter()
        .find(|stream| stream.sink.destination() == Some(&destination));
    let by_stream = stream.is_some_and(|stream| !stream.subscriptions.is_empty());

    if by_callback {
        check_callback(url, &workspace.events_filter, report);
    }
    match stream {
        Some(stream) if by_stream => report.ok(
            "event stream",
            format!("sink {} posts to {}", stream.sink.sid, shown(&destination)),
        ),
        Some(stream) => report.fail(
            "event stream",
            format!(
                "sink {} has no subscription: no event comes",
                stream.sink.sid
            ),
            "run `overflow setup --via event-streams`",
        ),
        None => {}
    }
    if by_callback && by_stream {
        report.warn(
            "event callback",
            "events come twice, by callback and by Event Streams: each call is still redirected \
             once",
            "run `overflow setup` with the way that you want",
        );
    }
    if !by_callback && stream.is_none() {
        report.fail(
            "event callback",
            format!(
                "the workspace's events go to {}, not to {}",
                shown(url),
                shown(&public_url.join(EVENTS_PATH))
            ),
            "run `overflow setup`; with the callback in use by another, `--via event-streams`",
        );
    }
}

fn check_callback(url: &str, filter: &str, report: &mut Report) {
    let missing = EventsFilter::parse(filter).missing();
    let names: Vec<_> = missing.iter().map(|event| event.as_str()).collect();
    let todo = "run `overflow setup`, which adds to the filter and takes nothing from it";
    if missing.contains(&EventType::TaskQueueEntered) {
        report.fail(
            "event callback",
            format!(
                "{} gets no {}",
                shown(url),
                EventType::TaskQueueEntered.as_str()
            ),
            todo,
        );
    } else if !missing.is_empty() {
        report.warn(
            "event callback",
            format!(
                "{} gets no {}: nobody is rescued",
                shown(url),
                names.join(", ")
            ),
            todo,
        );
    } else {
        report.ok("event callback", shown(url));
    }
    if !repeats(url) {
        report.warn(
            "event callback",
            "has no connection overrides: Twilio does not repeat a callback that failed",
            format!("run `overflow setup`, which adds #{CONNECTION_OVERRIDES}"),
        );
    }
}
