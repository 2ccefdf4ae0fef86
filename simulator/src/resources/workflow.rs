//! Workflows, and the routes that tasks take through them.

use std::sync::Arc;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use twilio::{TaskQueueSid, WorkflowSid, WorkspaceSid};

use crate::dates::Dates;

/// A workflow.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Workflow {
    pub(crate) sid: WorkflowSid,
    pub(crate) workspace_sid: WorkspaceSid,
    pub(crate) friendly_name: String,
    /// As it was set: Twilio returns it unchanged.
    pub(crate) configuration: String,
    #[serde(skip)]
    pub(crate) routing: TaskRouting,
    pub(crate) assignment_callback_url: Option<String>,
    pub(crate) fallback_assignment_callback_url: Option<String>,
    pub(crate) task_reservation_timeout: u32,
    #[serde(flatten)]
    pub(crate) dates: Dates,
}

#[derive(Deserialize)]
struct Configuration {
    task_routing: TaskRouting,
}

/// A workflow's configuration, parsed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TaskRouting {
    #[serde(default)]
    filters: Vec<Filter>,
    default_filter: Option<Target>,
}

#[derive(Debug, Clone, Deserialize)]
struct Filter {
    expression: String,
    #[serde(deserialize_with = "some_targets")]
    targets: Arc<[Target]>,
}

/// A step of a route: a task queue, and how long a task stays there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Target {
    pub(crate) queue: TaskQueueSid,
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) timeout: Option<Duration>,
    #[serde(default, deserialize_with = "number_or_text")]
    pub(crate) priority: Option<i64>,
}

fn some_targets<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[Target]>, D::Error> {
    let targets = Vec::<Target>::deserialize(from)?;
    if targets.is_empty() {
        return Err(D::Error::custom("a filter has no targets"));
    }
    Ok(targets.into())
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let seconds = Option::<u32>::deserialize(from)?;
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.into())))
}

/// Twilio's console writes priorities as strings, its documentation as numbers.
fn number_or_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::String(text) => text.parse().map(Some).map_err(D::Error::custom),
        number => i64::deserialize(number).map(Some).map_err(D::Error::custom),
    }
}

/// The configuration of a workflow that sends every task through `steps`.
pub(crate) fn sequential_configuration(steps: &[(TaskQueueSid, Option<u32>)]) -> String {
    let target = |&(queue, timeout): &(TaskQueueSid, Option<u32>)| match timeout {
        Some(timeout) => json!({ "queue": queue, "timeout": timeout }),
        None => json!({ "queue": queue }),
    };
    let targets: Vec<_> = steps.iter().map(target).collect();
    let last = steps.last().map(|(queue, _)| json!({ "queue": queue }));
    let filter = json!({ "expression": "1==1", "targets": targets });
    json!({ "task_routing": { "filters": [filter], "default_filter": last } }).to_string()
}

impl TaskRouting {
    /// Parses a configuration: filters with their targets, and the default.
    pub(crate) fn parse(configuration: &str) -> serde_json::Result<Self> {
        serde_json::from_str(configuration).map(|read: Configuration| read.task_routing)
    }

    /// The route of a task with these attributes; `None` if no filter matches and there is no
    /// default.
    pub(crate) fn route(&self, attributes: &Value) -> Option<Arc<[Target]>> {
        let matching = |filter: &&Filter| matches(&filter.expression, attributes);
        match self.filters.iter().find(matching) {
            Some(filter) => Some(filter.targets.clone()),
            None => Some([self.default_filter.clone()?].into()),
        }
    }

    pub(crate) fn queues(&self) -> impl Iterator<Item = TaskQueueSid> {
        self.filters
            .iter()
            .flat_map(|filter| filter.targets.iter())
            .chain(&self.default_filter)
            .map(|target| target.queue)
    }
}

/// Whether attributes match an expression. Only a single comparison is understood, `a == b` or
/// `a != b`; everything else counts as a match.
fn matches(expression: &str, attributes: &Value) -> bool {
    let value = |operand: &str| {
        let operand = operand.trim();
        match operand.trim_matches(['"', '\'']) {
            literal if literal != operand => literal.to_owned(),
            name => match attributes.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => name.to_owned(),
            },
        }
    };
    let compare = |operator: &str| {
        let (left, right) = expression.split_once(operator)?;
        let simple = !right.contains(['=', '<', '>']) && !expression.contains(" AND ");
        simple.then(|| value(left) == value(right))
    };
    if expression.contains("!=") {
        compare("!=").is_none_or(|equal| !equal)
    } else {
        compare("==").or_else(|| compare("=")).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_compares_attributes_and_literals() {
        let attributes = serde_json::json!({"direction": "inbound", "score": 7});
        for (expression, expected) in [
            ("1==1", true),
            ("1 == 1", true),
            ("1==2", false),
            ("1=0", false),
            ("direction == \"inbound\"", true),
            ("direction == 'outbound'", false),
            ("direction != 'outbound'", true),
            ("score == 7", true),
            ("score > 3", true),
        ] {
            assert_eq!(matches(expression, &attributes), expected, "{expression}");
        }
    }

    #[test]
    fn a_priority_may_be_a_number_or_a_string() {
        let queue = format!("WQ{:032x}", 1);
        for priority in ["5", "\"5\""] {
            let json = format!(
                r#"{{"task_routing":{{"filters":[{{"filter_friendly_name":"all",
                "expression":"1==1","targets":[{{"queue":"{queue}","priority":{priority}}}]}}]}}}}"#
            );
            let routing = TaskRouting::parse(&json).unwrap();
            let route = routing.route(&Value::Null).unwrap();
            assert_eq!(route[0].priority, Some(5));
        }
    }
}
