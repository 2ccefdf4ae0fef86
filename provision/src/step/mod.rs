//! The steps of setup and teardown. A step is decided once: what is shown of it is what it does.

mod apply;

use std::collections::BTreeMap;

use serde_json::Value;
use twilio::SinkSid;
use twilio::rest::{Flow, IncomingNumber, TaskQueue, VoiceWebhook, Workflow, Workspace};

pub(crate) use self::apply::Work;
use crate::callback::{EventsFilter, shown};
use crate::diff;
use crate::dotenv::Dotenv;
use crate::inventory::Stream;
use crate::record::{ReplacedCallback, ReplacedRouting, ReplacedVoice};
use crate::routing::Routing;

/// One thing to be done. SIDs that don't exist yet stand in it as [`yet_to_be_made`].
pub(crate) enum Step {
    /// Nothing: this is left as it is.
    Keep(String),
    /// Nothing: what can't be done, or what else the operator should know.
    Note(String),
    /// A task queue of ours is made, or set right.
    TaskQueue {
        found: Option<TaskQueue>,
        name: String,
        target_workers: String,
    },
    /// Our workflow is made, or set right.
    Workflow {
        found: Option<Workflow>,
        name: String,
        configuration: Routing,
    },
    /// A workflow of the user's gets another configuration.
    Route {
        found: Workflow,
        configuration: String,
        /// What teardown is to know; `None` where this puts back what was before.
        replaced: Option<ReplacedRouting>,
        notes: Vec<String>,
    },
    /// Our Studio flow is made, or set right.
    Flow {
        found: Option<Flow>,
        name: String,
        definition: Value,
    },
    /// A sink of ours is made.
    Sink {
        name: String,
        destination: String,
    },
    /// A sink of ours, that one or the new one, gets its subscription.
    Subscription {
        name: String,
        sink: Option<SinkSid>,
    },
    /// The workspace's event callback and its filter.
    Callback {
        found: Workspace,
        url: String,
        filter: String,
        /// What teardown is to know; `None` where this puts back what was before.
        replaced: Option<ReplacedCallback>,
    },
    /// Where calls to a phone number go.
    Number {
        found: IncomingNumber,
        voice: VoiceWebhook,
        /// What teardown is to know; `None` where this puts back what was before.
        replaced: Option<ReplacedVoice>,
    },
    /// Lines of the file of settings.
    Settings {
        file: Dotenv,
        values: Vec<(&'static str, String)>,
    },
    DeleteStream(Stream),
    DeleteFlow(Flow),
    DeleteWorkflow(Workflow),
    DeleteTaskQueue(TaskQueue),
}

/// A step as it is shown.
pub(crate) struct Line {
    /// `+` is made, `~` changed, `-` deleted, `=` left as it is, `!` to be known.
    pub(crate) sign: char,
    pub(crate) text: String,
    pub(crate) details: Vec<String>,
}

impl Step {
    /// What it does.
    pub(crate) fn describe(&self) -> Line {
        match self {
            Self::Keep(text) => Line::new('=', text),
            Self::Note(text) => Line::new('!', text),
            Self::TaskQueue {
                found: None, name, ..
            } => Line::new('+', format_args!("task queue {name}")),
            Self::TaskQueue {
                found: Some(found),
                name,
                target_workers,
            } => {
                let mut line = Line::found(format_args!("task queue {name} ({})", found.sid));
                line.field("name", &found.friendly_name, name);
                line.field("target workers", &found.target_workers, target_workers);
                line
            }
            Self::Workflow {
                found: None, name, ..
            } => Line::new('+', format_args!("workflow {name}")),
            Self::Workflow {
                found: Some(found),
                name,
                configuration,
            } => {
                let mut line = Line::found(format_args!("workflow {name} ({})", found.sid));
                line.changes(routing_changes(&found.configuration, Some(configuration)));
                line
            }
            Self::Route {
                found,
                configuration,
                notes,
                ..
            } => {
                let (name, sid) = (&found.friendly_name, found.sid);
                let mut line = Line::found(format_args!("workflow {name} ({sid})"));
                let wanted = Routing::parse(configuration).ok();
                line.changes(routing_changes(&found.configuration, wanted.as_ref()));
                line.details.extend(notes.iter().cloned());
                line
            }
            Self::Flow {
                found: None, name, ..
            } => Line::new('+', format_args!("Studio flow {name}")),
            Self::Flow {
                found: Some(found),
                name,
                definition,
            } => {
                let mut line = Line::found(format_args!("Studio flow {name} ({})", found.sid));
                line.field("name", &found.friendly_name, name);
                line.field("status", &found.status, "published");
                line.changes(diff::json(&found.definition, definition));
                line
            }
            Self::Sink { name, destination } => {
                let mut line = Line::new('+', format_args!("Event Streams sink {name}"));
                line.details
                    .push(format!("destination: {}", shown(destination)));
                line
            }
            Self::Subscription { name, sink } => {
                let of = sink.map(|sid| format!(" of sink {sid}"));
                let of = of.unwrap_or_default();
                Line::new('+', format_args!("Event Streams subscription {name}{of}"))
            }
            Self::Callback {
                found,
                url,
                filter,
                replaced,
            } => {
                let back = match replaced {
                    Some(_) => "",
                    None => ", put back",
                };
                let mut line = Line::found(format_args!("event callback of the workspace{back}"));
                line.field("URL", &shown(&found.event_callback_url), &shown(url));
                let events = |filter: &str| EventsFilter::parse(filter).shown();
                line.field("events", &events(&found.events_filter), &events(filter));
                line
            }
            Self::Number { found, voice, .. } => {
                let mut line = Line::found(format_args!("phone number {}", found.sid));
                line.field("voice URL", &shown(&found.voice.url), &shown(&voice.url));
                line
            }
            Self::Settings { file, values } => {
                let path = file.path().display();
                let mut line = Line::found(format_args!("settings in {path}"));
                let changes = file.changes(values);
                line.changes(changes.iter().map(ToString::to_string).collect());
                line
            }
            Self::DeleteStream(stream) => {
                let (name, sid) = (&stream.sink.description, stream.sink.sid);
                let text = format_args!("Event Streams sink and subscription {name} ({sid})");
                Line::new('-', text)
            }
            Self::DeleteFlow(flow) => {
                let (name, sid) = (&flow.friendly_name, flow.sid);
                Line::new('-', format_args!("Studio flow {name} ({sid})"))
            }
            Self::DeleteWorkflow(workflow) => {
                let (name, sid) = (&workflow.friendly_name, workflow.sid);
                Line::new('-', format_args!("workflow {name} ({sid})"))
            }
            Self::DeleteTaskQueue(queue) => {
                let (name, sid) = (&queue.friendly_name, queue.sid);
                Line::new('-', format_args!("task queue {name} ({sid})"))
            }
        }
    }

    /// Whether it does anything.
    pub(crate) fn is_change(&self) -> bool {
        !matches!(self.describe().sign, '=' | '!')
    }
}

fn routing_changes(found: &str, wanted: Option<&Routing>) -> Vec<String> {
    match (Routing::parse(found), wanted) {
        (Ok(found), Some(wanted)) if found == *wanted => Vec::new(),
        (Ok(found), Some(wanted)) => diff::lines(&found.pretty(), &wanted.pretty()),
        (Err(problem), _) => vec![format!("its configuration is replaced: {problem}")],
        (_, None) => vec!["its configuration is replaced".to_owned()],
    }
}

impl Line {
    fn new(sign: char, text: impl std::fmt::Display) -> Self {
        Self {
            sign,
            text: text.to_string(),
            details: Vec::new(),
        }
    }

    /// Something that is there already, to which nothing is to be done so far.
    fn found(text: std::fmt::Arguments<'_>) -> Self {
        Self::new('=', text)
    }

    fn field(&mut self, name: &str, old: &str, new: &str) {
        if old != new {
            self.changes(vec![diff::field(name, old, new)]);
        }
    }

    fn changes(&mut self, changes: Vec<String>) {
        if !changes.is_empty() {
            self.sign = '~';
            self.details.extend(changes);
        }
    }
}

/// What stands for the SID or address of a resource until it is made.
pub(crate) fn yet_to_be_made(name: &str) -> String {
    format!("(new) {name}")
}

/// What was made, by what stood for it.
#[derive(Debug, Default)]
struct Made(BTreeMap<String, String>);

impl Made {
    fn insert(&mut self, name: &str, value: impl ToString) {
        self.0.insert(yet_to_be_made(name), value.to_string());
    }

    /// A value, with what was made in place of what stood for it.
    fn fill_in(&self, value: &str) -> String {
        self.0.get(value).map_or(value, String::as_str).to_owned()
    }

    /// The same for all strings of a JSON text.
    fn fill_in_json(&self, json: &str) -> String {
        self.0.iter().fold(json.to_owned(), |json, (name, made)| {
            json.replace(&format!("\"{name}\""), &format!("\"{made}\""))
        })
    }
}
