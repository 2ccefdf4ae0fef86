//! Workflows, and the routes that tasks take through them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twilio::{TaskQueueSid, WorkflowSid, WorkspaceSid};

/// A workflow.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    pub(crate) sid: WorkflowSid,
    pub(crate) workspace: WorkspaceSid,
    pub(crate) friendly_name: String,
    /// As it was set, for Twilio returns it unchanged.
    pub(crate) configuration: String,
    pub(crate) routing: Routing,
    pub(crate) assignment_callback_url: Option<String>,
    pub(crate) fallback_assignment_callback_url: Option<String>,
    pub(crate) task_reservation_timeout: u32,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// A workflow's configuration, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Routing {
    filters: Vec<(String, Arc<[Target]>)>,
    default: Option<Arc<[Target]>>,
}

/// A step of a route: a task queue, and how long a task stays there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) queue: TaskQueueSid,
    pub(crate) timeout: Option<Duration>,
    pub(crate) priority: Option<i64>,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[error("Configuration is not valid: {0}")]
pub(crate) struct InvalidConfiguration(String);

#[derive(Serialize, Deserialize)]
struct Configuration {
    task_routing: TaskRouting,
}

#[derive(Serialize, Deserialize)]
struct TaskRouting {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_filter: Option<RawTarget>,
}

#[derive(Serialize, Deserialize)]
struct Filter {
    expression: String,
    targets: Vec<RawTarget>,
}

#[derive(Serialize, Deserialize)]
struct RawTarget {
    queue: TaskQueueSid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number")]
    priority: Option<i64>,
}

/// Twilio's console writes priorities as strings, its documentation as numbers.
mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Number(i64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(number: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
        number.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
        match Option::<Number>::deserialize(from)? {
            None => Ok(None),
            Some(Number::Number(number)) => Ok(Some(number)),
            Some(Number::Text(text)) => text.parse().map(Some).map_err(de::Error::custom),
        }
    }
}

/// Parses a configuration: filters with their targets, and the default.
pub(crate) fn parse_configuration(json: &str) -> Result<Routing, InvalidConfiguration> {
    let read: Configuration =
        serde_json::from_str(json).map_err(|e| InvalidConfiguration(e.to_string()))?;
    let mut filters = Vec::new();
    for filter in read.task_routing.filters {
        if filter.targets.is_empty() {
            return Err(InvalidConfiguration("a filter has no targets".into()));
        }
        let targets = filter.targets.iter().map(RawTarget::target).collect();
        filters.push((filter.expression, targets));
    }
    Ok(Routing {
        filters,
        default: read
            .task_routing
            .default_filter
            .map(|raw| Arc::from([raw.target()])),
    })
}

/// The configuration of a workflow that sends every task through `steps`.
pub(crate) fn sequential_configuration(steps: &[(TaskQueueSid, Option<u32>)]) -> String {
    let target = |&(queue, timeout): &(TaskQueueSid, Option<u32>)| RawTarget {
        queue,
        timeout,
        priority: None,
    };
    let configuration = Configuration {
        task_routing: TaskRouting {
            filters: vec![Filter {
                expression: "1==1".into(),
                targets: steps.iter().map(target).collect(),
            }],
            default_filter: steps.last().map(|&(queue, _)| target(&(queue, None))),
        },
    };
    // Strings and numbers only.
    serde_json::to_string(&configuration).unwrap_or_else(|_| unreachable!())
}

impl RawTarget {
    fn target(&self) -> Target {
        Target {
            queue: self.queue,
            timeout: self.timeout.map(|s| Duration::from_secs(s.into())),
            priority: self.priority,
        }
    }
}

impl Routing {
    /// The route of a task with these attributes; `None` if no filter matches and there is no
    /// default.
    pub(crate) fn route(&self, attributes: &Map<String, Value>) -> Option<Arc<[Target]>> {
        self.filters
            .iter()
            .find(|(expression, _)| matches(expression, attributes))
            .map(|(_, targets)| targets)
            .or(self.default.as_ref())
            .cloned()
    }

    pub(crate) fn queues(&self) -> impl Iterator<Item = TaskQueueSid> {
        self.filters
            .iter()
            .flat_map(|(_, targets)| targets.iter())
            .chain(self.default.iter().flat_map(|targets| targets.iter()))
            .map(|target| target.queue)
    }
}

/// Whether attributes match an expression. Only a single comparison is understood, `a == b` or
/// `a != b`; everything else counts as a match.
fn matches(expression: &str, attributes: &Map<String, Value>) -> bool {
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
        let attributes = attributes.as_object().unwrap();
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
            assert_eq!(matches(expression, attributes), expected, "{expression}");
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
            let route = parse_configuration(&json)
                .unwrap()
                .route(&Map::new())
                .unwrap();
            assert_eq!(route[0].priority, Some(5));
        }
    }
}
