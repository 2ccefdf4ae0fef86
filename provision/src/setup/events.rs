//! How TaskRouter's events come to ingest: the event callback, or Event Streams.

use twilio::{EVENT_STREAM_PATH, EVENTS_PATH, EventType, is_same_address};

use super::plan::Planner;
use crate::callback::{EventsFilter, before_setup, is_ours, shown};
use crate::error::{Error, Result};
use crate::record::{PreviousCallback, ReplacedCallback, Via};
use crate::step::Step;
use crate::stream::Stream;

impl Planner<'_> {
    /// As it is said, or as it is already.
    pub(super) fn via(&self) -> Via {
        let (record, inventory) = (&self.site.record, &self.site.inventory);
        let recorded = record.via.or(record.sink.map(|_| Via::EventStreams));
        let by_callback = || {
            let receiver = self.setup.public_url.join(EVENTS_PATH);
            is_ours(
                &inventory.workspace,
                record.callback.as_ref(),
                Some(&receiver),
            )
        };
        let by_stream = || {
            let stream = inventory.stream_to(&self.destination());
            stream.is_some_and(|stream| !stream.subscriptions.is_empty()) && !by_callback()
        };
        let known = self.setup.via.or(recorded);
        known.unwrap_or_else(|| match by_stream() {
            true => Via::EventStreams,
            false => Via::Callback,
        })
    }

    fn destination(&self) -> String {
        self.setup.public_url.join(EVENT_STREAM_PATH)
    }

    pub(super) async fn events(&self) -> Result<Vec<Step>> {
        let (inventory, destination) = (&self.site.inventory, self.destination());
        let mut steps = Vec::new();
        let mut kept = None;
        if self.via() == Via::EventStreams {
            if let Some(problem) = inventory.no_event_streams.clone() {
                let needed = "setup needs Event Streams, as --via says now or said before";
                return Err(Error::Denied { needed, problem });
            }
            // A sink's destination can't be changed, nor can one that has failed be mended: it is
            // replaced.
            let found = inventory.stream_to(&destination);
            let found = found.filter(|stream| !stream.has_failed());
            kept = found.map(|stream| stream.sink.sid);
            steps.extend(self.stream(found, destination.clone()).await?);
        } else if let (Some(sid), Some(problem)) =
            (self.site.record.sink, &inventory.no_event_streams)
        {
            steps.push(Step::note(format!(
                "sink {sid} of setup's may be left: {problem}"
            )));
        }
        steps.push(self.callback()?);
        let others = inventory
            .streams
            .iter()
            .filter(|s| Some(s.sink.sid) != kept);
        let (ours, others): (Vec<_>, Vec<_>) = others.partition(|stream| stream.is_ours);
        steps.extend(ours.into_iter().map(Step::delete_stream));
        for stream in &others {
            steps.extend(Step::delete_subscriptions(stream));
        }
        let others = others
            .into_iter()
            .filter(|stream| stream.posts_to(&destination) && stream.is_used_by_others());
        steps.extend(others.map(|stream| {
            let (sid, name) = (stream.sink.sid, &stream.sink.description);
            Step::note(match stream.has_failed() {
                true => format!(
                    "Event Streams sink {name} ({sid}) has failed, and setup did not make it: delete \
                     it in the console"
                ),
                false => format!(
                    "Event Streams sink {name} ({sid}) posts to ingest as well: events come twice, \
                     and callers are still redirected once. Delete it in the console, or say --via \
                     event-streams"
                ),
            })
        }));
        Ok(steps)
    }

    async fn stream(&self, found: Option<&Stream>, destination: String) -> Result<Vec<Step>> {
        let Some(stream) = found else {
            let all = EventType::ALL.to_vec();
            return Ok(vec![self.sink(destination), self.subscription(None, all)]);
        };
        let sid = stream.sink.sid;
        let missing = stream.missing_events(&self.setup.api.client).await?;
        if missing.is_empty() {
            let kind = "Event Streams sink and subscription";
            return Ok(vec![Step::resource(
                kind,
                &stream.sink.description,
                Some(sid),
            )]);
        }
        Ok(vec![self.subscription(Some(stream), missing)])
    }

    fn callback(&self) -> Result<Step> {
        let setup = self.setup;
        let workspace = &self.site.inventory.workspace;
        let recorded = self.site.record.callback.as_ref();
        let receiver = setup.public_url.join(EVENTS_PATH);
        let current = &workspace.event_callback_url;
        if self.via() == Via::EventStreams {
            let Some(before) = before_setup(workspace, recorded, Some(&receiver)) else {
                let url = shown(current);
                return Ok(Step::keep(format!(
                    "event callback: {url}, left to whoever uses it"
                )));
            };
            let previous = recorded.and_then(|recorded| recorded.previous.clone());
            let previous = previous.unwrap_or_else(|| self.unrecorded_callback());
            let mut ours = [&receiver, current].into_iter();
            if !ours.any(|ours| is_same_address(&previous.url, ours)) {
                return Ok(Step::callback(workspace, before.url, before.filter, None));
            }
            // Beside Event Streams it would say everything twice.
            let emptied = ReplacedCallback {
                installed_url: String::new(),
                installed_filter: before.filter.clone(),
                previous: Some(previous),
            };
            let nowhere = String::new();
            return Ok(Step::callback(
                workspace,
                nowhere,
                before.filter,
                Some(emptied),
            ));
        }
        let ours = is_ours(workspace, recorded, Some(&receiver));
        if !ours && !current.is_empty() && !setup.replace_callback {
            return Err(Error::ForeignCallback(shown(current)));
        }
        let replaced = self.wanted_callback();
        let (url, filter) = (
            replaced.installed_url.clone(),
            replaced.installed_filter.clone(),
        );
        Ok(Step::callback(workspace, url, filter, Some(replaced)))
    }

    /// What is there. Where what carries our name says that a record was lost, our callback is ours,
    /// and what was there before it isn't known.
    fn unrecorded_callback(&self) -> PreviousCallback {
        let (inventory, record) = (&self.site.inventory, &self.site.record);
        let workspace = &inventory.workspace;
        let receiver = self.setup.public_url.join(EVENTS_PATH);
        let is_lost = record.is_new() && !inventory.task_queues.is_empty();
        let url = match is_lost && is_ours(workspace, None, Some(&receiver)) {
            true => String::new(),
            false => workspace.event_callback_url.clone(),
        };
        PreviousCallback {
            url,
            filter: workspace.events_filter.clone(),
        }
    }

    /// Our callback, and what it replaces.
    fn wanted_callback(&self) -> ReplacedCallback {
        let workspace = &self.site.inventory.workspace;
        let recorded = self.site.record.callback.as_ref();
        let receiver = self.setup.public_url.join(EVENTS_PATH);
        let current = &workspace.event_callback_url;
        let is_known = |recorded: &&ReplacedCallback| {
            is_ours(workspace, Some(recorded), Some(&receiver)) || recorded.emptied(current)
        };
        let previous = match recorded.filter(is_known) {
            Some(recorded) => recorded.previous.clone(),
            None => Some(self.unrecorded_callback()),
        };
        let filter = EventsFilter::parse(&workspace.events_filter).with_ours();
        ReplacedCallback {
            installed_url: self.setup.public_url.event_callback(),
            installed_filter: filter.to_text(),
            previous,
        }
    }

    /// Our callback, if somebody made it by hand just as setup would.
    pub(super) fn callback_by_hand(&self) -> Option<ReplacedCallback> {
        let is_needed = self.via() == Via::Callback && self.site.record.callback.is_none();
        let wanted = is_needed.then(|| self.wanted_callback())?;
        let current = &self.site.inventory.workspace.event_callback_url;
        (*current == wanted.installed_url).then_some(wanted)
    }
}
