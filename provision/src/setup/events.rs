//! How TaskRouter's events come to ingest: the event callback, or Event Streams.

use twilio::rest::EventSchema;
use twilio::{CLOUD_EVENT_PREFIX, EventType, SinkSid};

use super::{Setup, Via};
use crate::callback::{
    self, EventsFilter, Restoration, callback_url, is_ours, receiver, shown, stream_url,
};
use crate::diff;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::record::{PreviousCallback, Record};

/// The version that has all that we read, and is known to be served for each of our types.
const SCHEMA_VERSION: u32 = 1;

/// What becomes of the event callback and of our sinks.
#[derive(Debug)]
pub(super) struct EventsPlan {
    pub(super) callback: CallbackPlan,
    /// By their place among the streams found.
    pub(super) superfluous: Vec<usize>,
    pub(super) stream: StreamPlan,
}

/// What becomes of the workspace's event callback.
pub(super) enum CallbackPlan {
    /// It is as it should be, or none of our business.
    Leave(String),
    Set {
        url: String,
        filter: String,
        /// What it replaces; `None` where ours stands there already.
        replaced: Option<PreviousCallback>,
        changes: Vec<String>,
    },
    /// Ours until now; events come by Event Streams from now on.
    GiveBack(Restoration, Vec<String>),
}

impl std::fmt::Debug for CallbackPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // URLs may hold credentials.
        f.write_str(match self {
            Self::Leave(_) => "Leave",
            Self::Set { .. } => "Set",
            Self::GiveBack(..) => "GiveBack",
        })
    }
}

/// What becomes of our sink.
#[derive(Debug)]
pub(super) enum StreamPlan {
    NotWanted,
    Keep(SinkSid),
    /// The sink is there, the subscription isn't.
    Subscribe(SinkSid),
    Create,
}

impl EventsPlan {
    pub(super) fn make(
        setup: &Setup,
        inventory: &Inventory,
        record: Option<&Record>,
    ) -> Result<Self, Error> {
        let destination = stream_url(&setup.public_url);
        // A sink's destination can't be changed, so one with another is replaced.
        let fitting = inventory
            .streams
            .iter()
            .position(|stream| stream.sink.destination() == Some(&destination));
        let stream = match (setup.via, fitting) {
            (Via::Callback, _) => StreamPlan::NotWanted,
            (Via::EventStreams, None) => StreamPlan::Create,
            (Via::EventStreams, Some(index)) => {
                let stream = &inventory.streams[index];
                match stream.subscriptions.is_empty() {
                    true => StreamPlan::Subscribe(stream.sink.sid),
                    false => StreamPlan::Keep(stream.sink.sid),
                }
            }
        };
        let kept = match setup.via {
            Via::Callback => None,
            Via::EventStreams => fitting,
        };
        Ok(Self {
            callback: callback_plan(setup, inventory, record)?,
            superfluous: (0..inventory.streams.len())
                .filter(|index| Some(*index) != kept)
                .collect(),
            stream,
        })
    }

    /// Sign, text and details of each line.
    pub(super) fn lines(&self, setup: &Setup) -> Vec<(char, String, Vec<String>)> {
        let name = setup.names.event_stream();
        let mut lines = vec![match &self.callback {
            CallbackPlan::Leave(why) => ('=', format!("event callback: {why}"), Vec::new()),
            CallbackPlan::Set { changes, .. } => (
                '~',
                "event callback of the workspace".into(),
                changes.clone(),
            ),
            CallbackPlan::GiveBack(_, changes) => (
                '~',
                "event callback of the workspace, given back".into(),
                changes.clone(),
            ),
        }];
        match self.stream {
            StreamPlan::NotWanted => {}
            StreamPlan::Keep(sid) => lines.push((
                '=',
                format!("Event Streams sink and subscription {name} ({sid})"),
                Vec::new(),
            )),
            StreamPlan::Subscribe(sid) => lines.push((
                '+',
                format!("Event Streams subscription {name} of sink {sid}"),
                Vec::new(),
            )),
            StreamPlan::Create => lines.push((
                '+',
                format!("Event Streams sink and subscription {name}"),
                vec![format!(
                    "destination: {}",
                    shown(&stream_url(&setup.public_url))
                )],
            )),
        }
        for _ in &self.superfluous {
            let text = format!("Event Streams sink and subscription {name}, no longer needed");
            lines.push(('-', text, Vec::new()));
        }
        lines
    }
}

/// What to subscribe to.
pub(super) fn event_types() -> Vec<EventSchema> {
    EventType::ALL
        .into_iter()
        .map(|event| EventSchema {
            event_type: format!("{CLOUD_EVENT_PREFIX}{}", event.as_str()),
            schema_version: SCHEMA_VERSION,
        })
        .collect()
}

fn callback_plan(
    setup: &Setup,
    inventory: &Inventory,
    record: Option<&Record>,
) -> Result<CallbackPlan, Error> {
    let workspace = &inventory.workspace;
    let replaced = record.and_then(|record| record.callback.as_ref());
    let receiver = receiver(&setup.public_url);
    let current = &workspace.event_callback_url;
    let ours = is_ours(workspace, replaced, Some(&receiver));

    if setup.via == Via::EventStreams {
        let Some(restoration) = callback::before_setup(workspace, replaced, Some(&receiver)) else {
            return Ok(CallbackPlan::Leave(format!(
                "{}, left to whoever uses it",
                shown(current)
            )));
        };
        let changes = changes(
            (current, &workspace.events_filter),
            (&restoration.url, &restoration.filter),
        );
        return Ok(CallbackPlan::GiveBack(restoration, changes));
    }

    if !ours && !current.is_empty() && !setup.replace_callback {
        return Err(Error::ForeignCallback(shown(current)));
    }
    let url = callback_url(&setup.public_url);
    let filter = EventsFilter::parse(&workspace.events_filter).with_ours();
    let changes = changes(
        (current, &workspace.events_filter),
        (&url, &filter.to_text()),
    );
    if changes.is_empty() {
        return Ok(CallbackPlan::Leave(shown(&url)));
    }
    Ok(CallbackPlan::Set {
        url,
        filter: filter.to_text(),
        replaced: (!ours).then(|| PreviousCallback {
            url: current.clone(),
            filter: workspace.events_filter.clone(),
        }),
        changes,
    })
}

/// What changes from one URL and filter to another, as it is shown.
pub(crate) fn changes(old: (&str, &str), new: (&str, &str)) -> Vec<String> {
    let mut changes = Vec::new();
    if old.0 != new.0 {
        changes.push(diff::field("URL", &shown(old.0), &shown(new.0)));
    }
    let (before, after) = (EventsFilter::parse(old.1), EventsFilter::parse(new.1));
    if before != after {
        changes.push(diff::field("events", &before.shown(), &after.shown()));
    }
    changes
}
