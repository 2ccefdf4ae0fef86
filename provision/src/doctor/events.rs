//! Do TaskRouter's events come to ingest?

use twilio::rest::{SinkStatus, Workspace};
use twilio::{
    CONNECTION_OVERRIDES, EVENT_STREAM_PATH, EVENTS_PATH, EventType, PublicUrl, SignedUrl,
    is_same_address,
};

use super::report::{Check, Report};
use crate::api::Api;
use crate::callback::{EventsFilter, repeats, shown};
use crate::error::Result;
use crate::inventory::{Inventory, unless_denied};
use crate::stream::Stream;

/// A way by which events are to come: the callback, or a sink.
struct Way {
    check: Check,
    /// What it is.
    name: String,
    /// What keeps the events from coming by it, each with what to do.
    stops: Vec<(String, String)>,
    /// What is wrong besides.
    flaws: Vec<(String, String)>,
}

pub(super) async fn check(
    api: &Api,
    public_url: &PublicUrl,
    inventory: &Inventory,
    report: &mut Report<'_>,
) {
    let workspace = &inventory.workspace;
    let ours = public_url.join(EVENTS_PATH);
    let mut ways = Vec::new();
    if is_same_address(&workspace.event_callback_url, &ours) {
        ways.push(callback(workspace, &ours));
    }
    let streams = streams(api, inventory, &public_url.join(EVENT_STREAM_PATH)).await;
    let streams = report.read("event stream", unless_denied(streams));
    let (streams, denied) = streams.unwrap_or_default();
    ways.extend(streams.into_iter().flatten());
    if ways.is_empty() {
        // A key or a region without Event Streams does without, but for this.
        if let Some(problem) = denied.as_ref().or(inventory.no_event_streams.as_ref()) {
            report.warn(
                "event stream",
                format!("{problem}: whether events come by one can't be told"),
                "see Console > Event Streams, or run doctor with the account's auth token",
            );
        }
        let ours = shown(&ours);
        let go = match workspace.event_callback_url.as_str() {
            "" => "nowhere".to_owned(),
            current => format!("to {}", shown(current)),
        };
        report.fail(
            "event callback",
            format!("the workspace's events go {go}, not to {ours}"),
            "run `overflow setup`; with the callback in use by another, `--via event-streams`",
        );
    }
    judge(ways, report);
}

/// What keeps one way from working matters less where another works.
fn judge(ways: Vec<Way>, report: &mut Report<'_>) {
    let working = ways.iter().filter(|way| way.stops.is_empty()).count();
    for way in ways {
        let name = &way.name;
        if way.stops.is_empty() && way.flaws.is_empty() {
            report.ok(way.check, name);
        }
        for (found, todo) in way.stops {
            let found = format!("{name} {found}");
            match working {
                0 => report.fail(way.check, found, todo),
                _ => report.warn(way.check, format!("{found}; another way works"), todo),
            }
        }
        for (found, todo) in way.flaws {
            report.warn(way.check, format!("{name} {found}"), todo);
        }
    }
    if working > 1 {
        report.warn(
            "event callback",
            "events come more than once, by callback and by Event Streams or by several sinks: \
             each call is still redirected once",
            "run `overflow setup` with the way that you want, and delete other sinks in Console > \
             Event Streams",
        );
    }
}

fn callback(workspace: &Workspace, ours: &str) -> Way {
    let current = &workspace.event_callback_url;
    let filter = EventsFilter::parse(&workspace.events_filter);
    let mut way = Way {
        check: "event callback",
        name: shown(current),
        stops: Vec::new(),
        flaws: Vec::new(),
    };
    let todo = "run `overflow setup`, which adds to the filter and takes nothing from it";
    way.lacks(&filter.missing(), todo);
    let todo = "run `overflow setup`, which writes it as PUBLIC_URL is written";
    way.is_spelt_like(current, ours, todo);
    if !repeats(current) {
        way.flaws.push((
            "has no connection overrides: Twilio does not repeat a callback that failed".to_owned(),
            format!("run `overflow setup`, which adds #{CONNECTION_OVERRIDES}"),
        ));
    }
    way
}

/// The sinks that post to us, whoever made them.
async fn streams(api: &Api, inventory: &Inventory, destination: &str) -> Result<Vec<Way>> {
    let mut ways = Vec::new();
    for stream in inventory.streams.iter().filter(|s| s.posts_to(destination)) {
        ways.push(way(api, stream, destination).await?);
    }
    Ok(ways)
}

async fn way(api: &Api, stream: &Stream, ours: &str) -> Result<Way> {
    let missing = stream.missing_events(&api.client).await?;
    let sink = &stream.sink;
    let current = sink.destination().unwrap_or_default();
    let mut way = Way {
        check: "event stream",
        name: format!("sink {} to {}", sink.sid, shown(current)),
        stops: Vec::new(),
        flaws: Vec::new(),
    };
    match sink.status {
        SinkStatus::Failed => way.stops.push((
            "has failed: Twilio sends nothing to it".to_owned(),
            "run `overflow setup --via event-streams`, which makes one in its place".to_owned(),
        )),
        SinkStatus::Initialized | SinkStatus::Validating => way.flaws.push((
            "is not active yet".to_owned(),
            "run doctor again in a minute".to_owned(),
        )),
        SinkStatus::Active | SinkStatus::Unknown => {}
    }
    let todo = "run `overflow setup --via event-streams`, which subscribes it to them";
    way.lacks(&missing, todo);
    // To make another sink would leave a gap.
    way.is_spelt_like(current, ours, "write PUBLIC_URL as it is written there");
    Ok(way)
}

impl Way {
    fn lacks(&mut self, missing: &[EventType], todo: &str) {
        let names: Vec<_> = missing.iter().map(|event| event.as_str()).collect();
        let names = names.join(", ");
        if missing.contains(&EventType::TaskQueueEntered) {
            self.stops
                .push((format!("gets no {names}"), todo.to_owned()));
        } else if !missing.is_empty() {
            let found = format!("gets no {names}: nobody is rescued");
            self.flaws.push((found, todo.to_owned()));
        }
    }

    fn is_spelt_like(&mut self, current: &str, ours: &str, todo: &str) {
        if !SignedUrl::new(ours).covers(current) && !SignedUrl::new(current).covers(ours) {
            let found = "is written in other letters than PUBLIC_URL: the signatures may be, too";
            self.flaws.push((found.to_owned(), todo.to_owned()));
        }
    }
}
