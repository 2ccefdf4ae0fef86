//! Workflows, and the routes that tasks take through them.

use std::sync::Arc;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use twilio::{TaskQueueSid, WorkflowSid, WorkspaceSid};

use crate::dates::Dates;
use crate::expression::matches;

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
    #[serde(default)]
    skip_if: Option<String>,
}

impl Target {
    /// Whether tasks don't stop here. There are no simulated workers to be available.
    fn is_skipped(&self) -> bool {
        let nobody = || json!({ "workers": { "available": 0, "unavailable": 0 } });
        let skip_if = self.skip_if.as_ref();
        skip_if.is_some_and(|expression| matches(expression, &nobody()))
    }
}

fn some_targets<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[Target]>, D::Error> {
    let targets = Vec::<Target>::deserialize(from)?;
    if targets.is_empty() {
        return Err(D::Error::custom("a filter has no targets"));
    }
    Ok(targets.into())
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let seconds = number_or_text(from)?;
    let seconds = seconds.map(u32::try_from).transpose();
    let seconds = seconds.map_err(D::Error::custom)?;
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.into())))
}

/// Twilio's console writes some numbers as strings, its documentation as numbers.
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

/// The configuration of a workflow without filters.
pub(crate) fn default_configuration(queue: TaskQueueSid) -> String {
    let default = json!({ "queue": queue });
    json!({ "task_routing": { "filters": [], "default_filter": default } }).to_string()
}

impl TaskRouting {
    /// Parses a configuration: filters with their targets, and the default.
    pub(crate) fn parse(configuration: &str) -> serde_json::Result<Self> {
        serde_json::from_str(configuration).map(|read: Configuration| read.task_routing)
    }

    /// The route of a task with these attributes; `None` if no filter matches and there is no
    /// default. A task that skips all targets of a filter goes on as if that had not matched.
    pub(crate) fn route(&self, attributes: &Value) -> Option<Arc<[Target]>> {
        let mut matching = self.filters.iter();
        while let Some(filter) = matching.find(|filter| matches(&filter.expression, attributes)) {
            let targets = &filter.targets;
            if !targets.iter().any(Target::is_skipped) {
                return Some(targets.clone());
            }
            let left = targets.iter().filter(|target| !target.is_skipped());
            let left: Arc<[_]> = left.cloned().collect();
            if !left.is_empty() {
                return Some(left);
            }
        }
        Some([self.default_filter.clone()?].into())
    }

    /// The task queues through which a task with these attributes passes that nobody takes. It stays
    /// in the last, unless it falls off the end of its route.
    pub(crate) fn way(&self, attributes: &Value) -> Vec<TaskQueueSid> {
        let Some(route) = self.route(attributes) else {
            return Vec::new();
        };
        let stays = route.iter().position(|target| target.timeout.is_none());
        let passed = stays.map_or(route.len(), |at| at + 1);
        route[..passed].iter().map(|target| target.queue).collect()
    }

    pub(crate) fn queues(&self) -> impl Iterator<Item = TaskQueueSid> {
        self.filters
            .iter()
            .flat_map(|filter| filter.targets.iter())
            .chain(&self.default_filter)
            .map(|target| target.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_skips_all_targets_of_a_filter_goes_on_to_the_next() {
        let queue = |number: u32| format!("WQ{number:032x}");
        let routing = json!({ "task_routing": { "filters": [
            { "expression": "1==1", "targets": [
                { "queue": queue(1), "skip_if": "workers.available == 0", "timeout": "20" }] },
            { "expression": "1==1", "targets": [{ "queue": queue(2) }] },
        ] } });
        let routing = TaskRouting::parse(&routing.to_string()).unwrap();
        let way = routing.way(&Value::Null);
        assert_eq!(
            way.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [queue(2)]
        );
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
