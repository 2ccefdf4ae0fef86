//! Do TaskRouter's events come to ingest?

use twilio::rest::Workspace;
use twilio::{
    CONNECTION_OVERRIDES, EVENT_STREAM_PATH, EVENTS_PATH, EventType, PublicUrl, without_overrides,
};

use super::report::Report;
use crate::callback::{EventsFilter, repeats, shown};
use crate::inventory::Inventory;

pub(super) fn check(public_url: &PublicUrl, inventory: &Inventory, report: &mut Report) {
    let workspace = &inventory.workspace;
    let ours = public_url.join(EVENTS_PATH);
    let by_callback = without_overrides(&workspace.event_callback_url) == ours;
    if by_callback {
        check_callback(workspace, report);
    }
    let destination = public_url.join(EVENT_STREAM_PATH);
    let Some(stream) = inventory.stream_to(&destination) else {
        if !by_callback {
            let (current, ours) = (shown(&workspace.event_callback_url), shown(&ours));
            report.fail(
                "event callback",
                format!("the workspace's events go to {current}, not to {ours}"),
                "run `overflow setup`; with the callback in use by another, `--via event-streams`",
            );
        }
        return;
    };
    let sid = stream.sink.sid;
    if stream.subscriptions.is_empty() {
        return report.fail(
            "event stream",
            format!("sink {sid} has no subscription: no event comes"),
            "run `overflow setup --via event-streams`",
        );
    }
    let url = shown(&destination);
    report.ok("event stream", format!("sink {sid} posts to {url}"));
    if by_callback {
        report.warn(
            "event callback",
            "events come twice, by callback and by Event Streams: each call is still redirected \
             once",
            "run `overflow setup` with the way that you want",
        );
    }
}

fn check_callback(workspace: &Workspace, report: &mut Report) {
    let url = shown(&workspace.event_callback_url);
    let missing = EventsFilter::parse(&workspace.events_filter).missing();
    let names: Vec<_> = missing.iter().map(|event| event.as_str()).collect();
    let todo = "run `overflow setup`, which adds to the filter and takes nothing from it";
    if missing.contains(&EventType::TaskQueueEntered) {
        let name = EventType::TaskQueueEntered.as_str();
        report.fail("event callback", format!("{url} gets no {name}"), todo);
    } else if !missing.is_empty() {
        let names = names.join(", ");
        let found = format!("{url} gets no {names}: nobody is rescued");
        report.warn("event callback", found, todo);
    } else {
        report.ok("event callback", url);
    }
    if !repeats(&workspace.event_callback_url) {
        report.warn(
            "event callback",
            "has no connection overrides: Twilio does not repeat a callback that failed",
            format!("run `overflow setup`, which adds #{CONNECTION_OVERRIDES}"),
        );
    }
}
