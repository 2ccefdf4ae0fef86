//! What is set up at Twilio: one set of definitions, read by `terraform/` too.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

const RESOURCES: &str = include_str!("../definitions/resources.json");
const WORKFLOW: &str = include_str!("../definitions/workflow.json");
const STUDIO_FLOW: &str = include_str!("../definitions/studio_flow.json");

/// The definitions, as embedded.
pub(crate) static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(|| {
    // A test checks the file.
    serde_json::from_str(RESOURCES).unwrap_or_else(|error| unreachable!("{error}"))
});

/// Names and expressions of the resources.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Definitions {
    pub(crate) prefix: String,
    pub(crate) workspace: String,
    task_queues: BTreeMap<Role, TaskQueueDefinition>,
    workflow: String,
    /// In seconds.
    pub(crate) task_reservation_timeout: u32,
    studio_flow: String,
    event_stream: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskQueueDefinition {
    pub(crate) name: String,
    pub(crate) target_workers: String,
}

/// One of the task queues, in the order in which callers pass through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Sales,
    Support,
    Everyone,
    Placeholder,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [
        Self::Sales,
        Self::Support,
        Self::Everyone,
        Self::Placeholder,
    ];

    pub(crate) fn definition(self) -> &'static TaskQueueDefinition {
        // A test checks the file.
        &DEFINITIONS.task_queues[&self]
    }

    /// What the workflow's template calls its SID.
    fn variable(self) -> &'static str {
        match self {
            Self::Sales => "sales_sid",
            Self::Support => "support_sid",
            Self::Everyone => "everyone_sid",
            Self::Placeholder => "placeholder_sid",
        }
    }
}

/// The friendly names, each with the prefix that tells ours from others'.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn full(&self, name: &str) -> String {
        format!("{} {name}", self.prefix)
    }

    pub(crate) fn task_queue(&self, role: Role) -> String {
        self.full(&role.definition().name)
    }

    pub(crate) fn workflow(&self) -> String {
        self.full(&DEFINITIONS.workflow)
    }

    pub(crate) fn studio_flow(&self) -> String {
        self.full(&DEFINITIONS.studio_flow)
    }

    /// The description of sink and subscription.
    pub(crate) fn event_stream(&self) -> String {
        self.full(&DEFINITIONS.event_stream)
    }
}

/// The configuration of our workflow, with the task queues' SIDs.
pub(crate) fn workflow(sid_of: impl Fn(Role) -> String) -> Value {
    let values = Role::ALL.map(|role| (role.variable(), sid_of(role)));
    fill(WORKFLOW, &values)
}

/// The definition of our Studio flow.
pub(crate) fn studio_flow(workflow_sid: String, voice_channel_sid: String) -> Value {
    let voice_channel = ("voice_channel_sid", voice_channel_sid);
    fill(
        STUDIO_FLOW,
        &[("workflow_sid", workflow_sid), voice_channel],
    )
}

/// Fills a template in as Terraform's `templatefile` does. Values are SIDs and names of ours, which
/// JSON strings can hold as they are.
fn fill(template: &str, values: &[(&str, String)]) -> Value {
    let mut filled = template.to_owned();
    for (name, value) in values {
        filled = filled.replace(&format!("${{{name}}}"), value);
    }
    // A test checks the files.
    serde_json::from_str(&filled).unwrap_or_else(|error| unreachable!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_json_with_nothing_left_to_fill_in() {
        let workflow = workflow(|role| role.variable().to_uppercase());
        let flow = studio_flow("WW".into(), "TC".into());
        for filled in [&workflow, &flow] {
            assert!(!filled.to_string().contains("${"), "{filled}");
        }
        let targets = &workflow["task_routing"]["filters"][0]["targets"];
        assert_eq!(targets[3], serde_json::json!({"queue": "PLACEHOLDER_SID"}));
        assert_eq!(flow["states"][1]["properties"]["workflow"], "WW");
    }

    #[test]
    fn every_name_carries_the_prefix() {
        let names = Names::new(DEFINITIONS.prefix.clone());
        let mut all: Vec<_> = Role::ALL.map(|role| names.task_queue(role)).to_vec();
        all.extend([names.workflow(), names.studio_flow(), names.event_stream()]);
        for name in all {
            assert!(name.starts_with("[TR Call Redirection] "), "{name}");
        }
    }
}
