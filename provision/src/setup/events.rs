//! How TaskRouter's events come to ingest: the event callback, or Event Streams.

use twilio::{EVENT_STREAM_PATH, EVENTS_PATH};

use super::Via;
use super::plan::Planner;
use crate::callback::{EventsFilter, before_setup, is_ours, shown};
use crate::error::Error;
use crate::record::{PreviousCallback, ReplacedCallback};
use crate::step::Step;

impl Planner<'_> {
    pub(super) fn events(&self) -> Result<Vec<Step>, Error> {
        let setup = self.setup;
        let destination = setup.public_url.join(EVENT_STREAM_PATH);
        let mut steps = Vec::new();
        let mut kept = None;
        if setup.via == Via::EventStreams {
            // A sink's destination can't be changed, so one with another is replaced.
            let streams = &self.inventory.streams;
            kept = streams
                .iter()
                .find(|stream| stream.sink.destination() == Some(&destination));
            let name = setup.names.event_stream();
            match kept {
                Some(stream) if !stream.subscriptions.is_empty() => {
                    let sid = stream.sink.sid;
                    let text = format!("Event Streams sink and subscription {name} ({sid})");
                    steps.push(Step::Keep(text));
                }
                _ => {
                    if kept.is_none() {
                        steps.push(Step::Sink {
                            name: name.clone(),
                            destination,
                        });
                    }
                    steps.push(Step::Subscription {
                        name,
                        sink: kept.map(|stream| stream.sink.sid),
                    });
                }
            }
        }
        steps.push(self.callback()?);
        let kept = kept.map(|stream| stream.sink.sid);
        let superfluous = self.inventory.streams.iter();
        steps.extend(
            superfluous
                .filter(|stream| Some(stream.sink.sid) != kept)
                .map(|stream| Step::DeleteStream(stream.clone())),
        );
        Ok(steps)
    }

    fn callback(&self) -> Result<Step, Error> {
        let setup = self.setup;
        let workspace = &self.inventory.workspace;
        let known = self.record.and_then(|record| record.callback.as_ref());
        let receiver = setup.public_url.join(EVENTS_PATH);
        let current = &workspace.event_callback_url;
        let ours = is_ours(workspace, known, Some(&receiver));
        if setup.via == Via::EventStreams {
            return Ok(match before_setup(workspace, known, Some(&receiver)) {
                Some(restoration) => Step::Callback {
                    found: workspace.clone(),
                    url: restoration.url,
                    filter: restoration.filter,
                    replaced: None,
                },
                None => {
                    let url = shown(current);
                    Step::Keep(format!("event callback: {url}, left to whoever uses it"))
                }
            });
        }
        if !ours && !current.is_empty() && !setup.replace_callback {
            return Err(Error::ForeignCallback(shown(current)));
        }
        let url = setup.public_url.event_callback();
        let filter = EventsFilter::parse(&workspace.events_filter).with_ours();
        let previous = match ours {
            true => known.and_then(|known| known.previous.clone()),
            false => Some(PreviousCallback {
                url: current.clone(),
                filter: workspace.events_filter.clone(),
            }),
        };
        Ok(Step::Callback {
            replaced: Some(ReplacedCallback {
                installed_url: url.clone(),
                installed_filter: filter.to_text(),
                previous,
            }),
            found: workspace.clone(),
            url,
            filter: filter.to_text(),
        })
    }
}
