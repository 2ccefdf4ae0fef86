//! The workspace's one event callback: its URL, its filter, and whose it is.

use twilio::rest::Workspace;
use twilio::{EventType, is_same_address};
use url::Url;

use crate::record::{PreviousCallback, ReplacedCallback};
use crate::unmade::is_yet_to_be_made;

/// Whether the URL carries connection overrides that repeat a failed callback.
pub(crate) fn repeats(url: &str) -> bool {
    url.split_once('#').is_some_and(|(_, overrides)| {
        overrides
            .split('&')
            .any(|part| part.strip_prefix("rc=").is_some_and(|count| count != "0"))
    })
}

/// What events pass a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventsFilter(Vec<String>);

impl EventsFilter {
    /// Reads it as Twilio gives it, with or without spaces.
    pub(crate) fn parse(text: &str) -> Self {
        let mut events: Vec<String> = Vec::new();
        for event in text.split(',').map(str::trim) {
            if !event.is_empty() && !events.iter().any(|known| known == event) {
                events.push(event.to_owned());
            }
        }
        Self(events)
    }

    /// Whether every event passes.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// The events that we need and that don't pass.
    pub(crate) fn missing(&self) -> Vec<EventType> {
        match self.is_open() {
            true => Vec::new(),
            false => self.unnamed().collect(),
        }
    }

    /// This filter, with the events that we need.
    pub(crate) fn with_ours(&self) -> Self {
        let ours = self.unnamed().map(|event| event.as_str().to_owned());
        Self(self.0.iter().cloned().chain(ours).collect())
    }

    fn unnamed(&self) -> impl Iterator<Item = EventType> {
        let is_named = |event: &EventType| self.0.iter().any(|known| known == event.as_str());
        EventType::ALL.into_iter().filter(move |e| !is_named(e))
    }

    /// This filter without the events that `added` has and `before` has not.
    pub(crate) fn without_added(&self, before: &Self, added: &Self) -> Self {
        let ours = |event: &String| added.0.contains(event) && !before.0.contains(event);
        Self(self.0.iter().filter(|e| !ours(e)).cloned().collect())
    }

    /// As Twilio takes it.
    pub(crate) fn to_text(&self) -> String {
        self.0.join(",")
    }

    /// As a person reads it.
    pub(crate) fn shown(&self) -> String {
        match self.is_open() {
            true => "every event".to_owned(),
            false => self.0.join(", "),
        }
    }
}

/// Whether the workspace's events go to us: to what setup installed, or to `receiver`.
pub(crate) fn is_ours(
    workspace: &Workspace,
    replaced: Option<&ReplacedCallback>,
    receiver: Option<&str>,
) -> bool {
    let current = &workspace.event_callback_url;
    let installed = replaced.map(|replaced| replaced.installed_url.as_str());
    !current.is_empty()
        && [installed, receiver]
            .into_iter()
            .flatten()
            .any(|ours| is_same_address(current, ours))
}

/// The callback as it was before setup; `None` if the current one isn't ours. If nobody knows what was
/// there before, it is to be emptied, and its filter stays.
pub(crate) fn before_setup(
    workspace: &Workspace,
    replaced: Option<&ReplacedCallback>,
    receiver: Option<&str>,
) -> Option<PreviousCallback> {
    if !is_ours(workspace, replaced, receiver) {
        return None;
    }
    let Some(replaced) = replaced else {
        return Some(PreviousCallback {
            url: String::new(),
            filter: workspace.events_filter.clone(),
        });
    };
    let mut before = replaced.previous.clone();
    let current = EventsFilter::parse(&workspace.events_filter);
    let installed = EventsFilter::parse(&replaced.installed_filter);
    if current != installed {
        // Somebody else has changed it since. Their events stay.
        let filter = EventsFilter::parse(&before.filter);
        before.filter = current.without_added(&filter, &installed).to_text();
    }
    Some(before)
}

/// A URL as it may be shown: without user information and query, which may hold secrets.
pub(crate) fn shown(url: &str) -> String {
    if url.is_empty() {
        return "none".to_owned();
    }
    if is_yet_to_be_made(url) {
        return url.to_owned();
    }
    let Ok(mut parsed) = Url::parse(url) else {
        return "a URL that can't be read".to_owned();
    };
    let hidden = parsed.query().is_some();
    // They fail only on URLs that have no host, which hold no user information either.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    if hidden {
        parsed.set_query(Some("…"));
    }
    parsed.to_string().replace("%E2%80%A6", "…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_merged_whatever_its_spaces() {
        let filter = EventsFilter::parse("task.created, task.canceled ,worker.activity.update,");
        assert_eq!(
            filter.with_ours().to_text(),
            "task.created,task.canceled,worker.activity.update,task-queue.entered,workflow.timeout"
        );
        assert_eq!(
            filter.missing(),
            [EventType::TaskQueueEntered, EventType::WorkflowTimeout]
        );
        assert!(filter.with_ours().missing().is_empty());
        let restored = filter
            .with_ours()
            .without_added(&filter, &filter.with_ours());
        assert_eq!(restored, filter);
    }

    #[test]
    fn an_empty_filter_lets_everything_pass() {
        let filter = EventsFilter::parse(" ");
        assert!(filter.is_open() && filter.missing().is_empty());
    }

    #[test]
    fn overrides_make_no_other_receiver_of_a_url() {
        let url: twilio::PublicUrl = "https://overflow.example.com".parse().unwrap();
        let callback = url.event_callback();
        assert!(is_same_address(&callback, &url.join("/taskrouter/events")));
        assert!(repeats(&callback));
        assert!(!repeats("https://example.com/#rc=0"));
    }

    #[test]
    fn secrets_in_a_url_are_not_shown() {
        assert_eq!(
            shown("https://user:hush@example.com/hook?token=hush#rc=2"),
            "https://example.com/hook?…#rc=2"
        );
        assert_eq!(shown(""), "none");
    }
}
