//! The steps of setup and teardown. A step is decided once: what is shown of it is what it does.

mod apply;

use std::fmt::Display;

use serde_json::Value;
use twilio::rest::{IncomingNumber, VoiceWebhook, Workflow, Workspace};
use twilio::{FlowSid, PhoneNumberSid, SinkSid, TaskQueueSid, WorkflowSid};

pub(crate) use self::apply::Work;
use crate::callback::{EventsFilter, shown};
use crate::configuration::Configuration;
use crate::console::Console;
use crate::diff;
use crate::dotenv::{Dotenv, Setting};
use crate::inventory::Stream;
use crate::record::ReplacedCallback;

/// One thing that is done, or left as it is, with what is shown of it.
pub(crate) struct Step {
    /// `+` is made, `~` changed, `-` deleted, `=` left as it is, `!` to be known.
    sign: char,
    text: String,
    details: Vec<String>,
    change: Option<Change>,
}

/// What a step changes. What has no SID yet is made. SIDs that don't exist yet stand in the values as
/// [`yet_to_be_made`].
pub(crate) enum Change {
    /// A task queue of ours.
    TaskQueue {
        sid: Option<TaskQueueSid>,
        name: String,
        target_workers: String,
    },
    /// Our workflow.
    Workflow {
        sid: Option<WorkflowSid>,
        name: String,
        configuration: String,
    },
    /// The configuration of a workflow of the user's.
    Configuration {
        sid: WorkflowSid,
        name: String,
        configuration: String,
        /// What teardown is to restore; `None` where this restores it.
        previous: Option<String>,
    },
    /// Our Studio flow.
    Flow {
        sid: Option<FlowSid>,
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
        url: String,
        filter: String,
        /// What teardown is to know; `None` where this restores what was before.
        replaced: Option<ReplacedCallback>,
    },
    /// Where calls to a phone number go.
    Number {
        sid: PhoneNumberSid,
        voice: VoiceWebhook,
        /// What teardown is to restore; `None` where this restores it.
        previous: Option<VoiceWebhook>,
    },
    /// Lines of the file of settings.
    Settings {
        file: Dotenv,
        settings: Vec<Setting>,
    },
    DeleteStream(Stream),
    DeleteFlow(FlowSid),
    DeleteWorkflow(WorkflowSid),
    DeleteTaskQueue(TaskQueueSid),
}

impl Step {
    fn new(sign: char, text: impl Into<String>) -> Self {
        Self {
            sign,
            text: text.into(),
            details: Vec::new(),
            change: None,
        }
    }

    /// Nothing is done: this is left as it is.
    pub(crate) fn keep(text: impl Into<String>) -> Self {
        Self::new('=', text)
    }

    /// Nothing is done: what can't be done, or what else the operator should know.
    pub(crate) fn note(text: impl Into<String>) -> Self {
        Self::new('!', text)
    }

    /// Something is made.
    pub(crate) fn make(text: impl Into<String>, change: Change) -> Self {
        Self::new('+', text).with(change)
    }

    /// A resource of ours is made, or left as it is if it is there and nothing differs.
    pub(crate) fn resource(kind: &str, name: &str, sid: Option<impl Display>) -> Self {
        match sid {
            None => Self::new('+', format!("{kind} {name}")),
            Some(sid) => Self::keep(format!("{kind} {name} ({sid})")),
        }
    }

    /// A resource is deleted.
    pub(crate) fn delete(kind: &str, name: &str, sid: impl Display, change: Change) -> Self {
        Self::new('-', format!("{kind} {name} ({sid})")).with(change)
    }

    /// A sink is deleted, with its subscriptions.
    pub(crate) fn delete_stream(stream: &Stream) -> Self {
        let (name, sid) = (&stream.sink.description, stream.sink.sid);
        let kind = "Event Streams sink and subscription";
        Self::delete(kind, name, sid, Change::DeleteStream(stream.clone()))
    }

    /// The workspace's event callback is set, or restored where nothing is `replaced`.
    pub(crate) fn callback(
        found: &Workspace,
        url: String,
        filter: String,
        replaced: Option<ReplacedCallback>,
    ) -> Self {
        let back = match replaced {
            Some(_) => "",
            None => ", put back",
        };
        let mut step = Self::keep(format!("event callback of the workspace{back}"));
        step.field("URL", &shown(&found.event_callback_url), &shown(&url));
        let events = |filter: &str| EventsFilter::parse(filter).shown();
        step.field("events", &events(&found.events_filter), &events(&filter));
        step.with(Change::Callback {
            url,
            filter,
            replaced,
        })
    }

    /// Calls to a phone number go elsewhere, or where they went before if there is no `previous`.
    pub(crate) fn number(
        found: &IncomingNumber,
        voice: VoiceWebhook,
        previous: Option<VoiceWebhook>,
    ) -> Self {
        let sid = found.sid;
        let mut step = Self::keep(format!("phone number {sid}"));
        step.field("voice URL", &shown(&found.voice.url), &shown(&voice.url));
        step.with(Change::Number {
            sid,
            voice,
            previous,
        })
    }

    /// A workflow of the user's gets another configuration, or the one that it had if there is no
    /// `previous`.
    pub(crate) fn configuration(
        found: &Workflow,
        configuration: String,
        previous: Option<String>,
    ) -> Self {
        let (name, sid) = (found.friendly_name.clone(), found.sid);
        let mut step = Self::resource("workflow", &name, Some(sid));
        step.configuration_changes(found, &configuration);
        step.with(Change::Configuration {
            sid,
            name,
            configuration,
            previous,
        })
    }

    /// A field of something that is there already.
    pub(crate) fn field(&mut self, name: &str, old: &str, new: &str) {
        if old != new {
            self.changes(vec![diff::field(name, old, new)]);
        }
    }

    /// How a workflow's configuration changes.
    pub(crate) fn configuration_changes(&mut self, found: &Workflow, wanted: &str) {
        let old = Configuration::parse(&found.configuration);
        self.changes(match (old, Configuration::parse(wanted)) {
            (Ok(old), Ok(wanted)) => diff::json(old.value(), wanted.value()),
            (Err(problem), _) => vec![format!("its configuration is replaced: {problem}")],
            (_, Err(_)) => vec!["its configuration is replaced".to_owned()],
        });
    }

    /// What else differs, if anything does.
    pub(crate) fn changes(&mut self, changes: Vec<String>) {
        if !changes.is_empty() {
            self.sign = '~';
            self.details.extend(changes);
        }
    }

    /// What the operator should know beside.
    pub(crate) fn details(&mut self, details: impl IntoIterator<Item = String>) {
        self.details.extend(details);
    }

    /// What is done, unless nothing differs.
    pub(crate) fn with(mut self, change: Change) -> Self {
        if self.sign != '=' {
            self.change = Some(change);
        }
        self
    }

    /// Whether it does anything.
    pub(crate) fn is_change(&self) -> bool {
        self.change.is_some()
    }
}

/// Shows what is going to be done.
pub(crate) fn show(steps: &[Step], console: &mut Console<'_>) {
    for step in steps {
        console.line(format_args!("  {} {}", step.sign, step.text));
        for detail in &step.details {
            console.line(format_args!("      {detail}"));
        }
    }
    let count = |sign| steps.iter().filter(|step| step.sign == sign).count();
    console.line(format_args!(
        "\n{} to create, {} to change, {} to delete, {} as they should be.",
        count('+'),
        count('~'),
        count('-'),
        count('=')
    ));
}

/// What stands for the SID or address of a resource until it is made.
pub(crate) fn yet_to_be_made(name: &str) -> String {
    format!("(new) {name}")
}
