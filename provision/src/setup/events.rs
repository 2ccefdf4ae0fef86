//! How TaskRouter's events come to ingest: the event callback, or Event Streams.

use twilio::{EVENT_STREAM_PATH, EVENTS_PATH};

use super::args::Via;
use super::plan::Planner;
use crate::callback::{EventsFilter, before_setup, is_ours, shown};
use crate::error::{Error, Result};
use crate::record::{PreviousCallback, ReplacedCallback};
use crate::step::Step;

impl Planner<'_> {
    pub(super) fn events(&self) -> Result<Vec<Step>> {
        let destination = self.setup.public_url.join(EVENT_STREAM_PATH);
        let streams = &self.site.inventory.streams;
        let mut steps = Vec::new();
        let mut kept = None;
        if self.setup.via == Via::EventStreams {
            // A sink's destination can't be changed, so one with another is replaced.
            let found = self.site.inventory.stream_to(&destination);
            kept = found.map(|stream| stream.sink.sid);
            let name = self.site.names.event_stream();
            if let Some(stream) = found.filter(|stream| !stream.subscriptions.is_empty()) {
                let sid = Some(stream.sink.sid);
                let kind = "Event Streams sink and subscription";
                steps.push(Step::resource(kind, &name, sid));
            } else {
                if kept.is_none() {
                    steps.push(self.sink(destination));
                }
                steps.push(self.subscription(kept));
            }
        }
        steps.push(self.callback()?);
        let superfluous = streams.iter().filter(|s| Some(s.sink.sid) != kept);
        steps.extend(superfluous.map(Step::delete_stream));
        Ok(steps)
    }

    fn callback(&self) -> Result<Step> {
        let setup = self.setup;
        let workspace = &self.site.inventory.workspace;
        let recorded = self.site.record.callback.as_ref();
        let receiver = setup.public_url.join(EVENTS_PATH);
        let current = &workspace.event_callback_url;
        if setup.via == Via::EventStreams {
            return Ok(match before_setup(workspace, recorded, Some(&receiver)) {
                Some(before) => Step::callback(workspace, before.url, before.filter, None),
                None => {
                    let url = shown(current);
                    Step::keep(format!("event callback: {url}, left to whoever uses it"))
                }
            });
        }
        let ours = is_ours(workspace, recorded, Some(&receiver));
        if !ours && !current.is_empty() && !setup.replace_callback {
            return Err(Error::ForeignCallback(shown(current)));
        }
        let url = setup.public_url.event_callback();
        let filter = EventsFilter::parse(&workspace.events_filter).with_ours();
        let previous = match ours {
            true => recorded.and_then(|recorded| recorded.previous.clone()),
            false => Some(PreviousCallback {
                url: current.clone(),
                filter: workspace.events_filter.clone(),
            }),
        };
        let replaced = ReplacedCallback {
            installed_url: url.clone(),
            installed_filter: filter.to_text(),
            previous,
        };
        let filter = filter.to_text();
        Ok(Step::callback(workspace, url, filter, Some(replaced)))
    }
}
