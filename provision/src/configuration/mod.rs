//! A workflow's configuration as JSON: changed without touching what isn't ours, and checked for
//! what would keep a caller from the placeholder.

use serde_json::{Value, json};

use crate::record::ReplacedConfiguration;

/// What a configuration lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidConfiguration {
    #[error("it is no JSON object")]
    NotJson,
    #[error("it has no \"task_routing\" with \"filters\"")]
    NoFilters,
    #[error("filter {0} has no \"targets\"")]
    NoTargets(String),
}

/// A workflow's configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Configuration(Value);

/// Something about a filter that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter {filter} {problem}")]
pub(crate) struct Finding {
    /// The filter's name.
    pub(crate) filter: String,
    pub(crate) problem: Problem,
}

/// How a filter fails to lead to the placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// The placeholder is none of its targets.
    #[error("does not lead to the placeholder")]
    Missing,
    /// Targets come after the placeholder.
    #[error("has targets after the placeholder, which callers never reach")]
    NotLast,
    /// The placeholder has a timeout, after which Twilio deletes the task while the caller waits.
    #[error("gives the placeholder a timeout: then the task is deleted while its caller waits")]
    TimesOut,
    /// A target before the placeholder has no timeout, so no caller gets past it.
    #[error("has a target without timeout before the placeholder: no caller gets past it")]
    NeverReached,
}

impl Problem {
    /// What to do about it.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Missing => {
                "if its callers are to be redirected, run `overflow setup --workflow WW…`"
            }
            Self::NotLast => "make the placeholder the last target of the filter",
            Self::TimesOut => "run `overflow setup`, or remove that timeout in the console",
            Self::NeverReached => {
                "give each target before the placeholder a timeout, in the console or by \
                 `overflow setup --workflow WW… --target-timeout 20`"
            }
        }
    }
}

impl Configuration {
    pub(crate) fn parse(configuration: &str) -> Result<Self, InvalidConfiguration> {
        let value: Value =
            serde_json::from_str(configuration).map_err(|_| InvalidConfiguration::NotJson)?;
        match value["task_routing"]["filters"].is_array() {
            true => Ok(Self(value)),
            false => Err(InvalidConfiguration::NoFilters),
        }
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    /// As Twilio takes it.
    pub(crate) fn to_text(&self) -> String {
        self.0.to_string()
    }

    fn filters(&self) -> &[Value] {
        items(&self.0["task_routing"]["filters"])
    }

    fn filters_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        let filters = self.0.pointer_mut("/task_routing/filters");
        filters.and_then(Value::as_array_mut).into_iter().flatten()
    }

    /// Makes the placeholder the last target of every filter, without timeout, and the default
    /// where there is none. With `target_timeout`, targets before it that have no timeout get one,
    /// in seconds. All else stays as it is, its order included.
    pub(crate) fn extend(
        &mut self,
        placeholder: &str,
        target_timeout: Option<u32>,
    ) -> Result<(), InvalidConfiguration> {
        for (index, filter) in self.filters_mut().enumerate() {
            let name = filter_name(filter, index);
            let targets = filter
                .get_mut("targets")
                .and_then(Value::as_array_mut)
                .ok_or(InvalidConfiguration::NoTargets(name))?;
            match targets.last_mut().and_then(Value::as_object_mut) {
                Some(last) if last.get("queue").is_some_and(|queue| queue == placeholder) => {
                    last.shift_remove("timeout");
                }
                _ => targets.push(json!({ "queue": placeholder })),
            }
            let before = targets.len() - 1;
            let unlimited = targets.iter_mut().take(before).filter(|t| !has_timeout(t));
            for target in unlimited.filter_map(Value::as_object_mut) {
                if let Some(seconds) = target_timeout {
                    target.insert("timeout".to_owned(), seconds.into());
                }
            }
        }
        let default = &mut self.0["task_routing"]["default_filter"];
        if default.is_null() {
            *default = json!({ "queue": placeholder });
        }
        Ok(())
    }

    /// Takes the placeholder out again, for a workflow that was changed since it was extended. A
    /// default that leads to it goes, too.
    pub(crate) fn retract(&mut self, placeholder: &str) {
        for filter in self.filters_mut() {
            if let Some(targets) = filter.get_mut("targets").and_then(Value::as_array_mut) {
                targets.retain(|target| target["queue"] != placeholder);
            }
        }
        if self.default_queue() == Some(placeholder)
            && let Some(routing) = self.0["task_routing"].as_object_mut()
        {
            routing.shift_remove("default_filter");
        }
    }

    /// Whether any filter, or the default, leads to the task queue.
    pub(crate) fn leads_to(&self, queue: &str) -> bool {
        let filters = self.filters().iter();
        let mut targets = filters.flat_map(|filter| items(&filter["targets"]));
        targets.any(|target| target["queue"] == queue) || self.default_queue() == Some(queue)
    }

    /// The task queue of tasks that no filter takes.
    pub(crate) fn default_queue(&self) -> Option<&str> {
        self.0["task_routing"]["default_filter"]["queue"].as_str()
    }

    /// How many filters there are.
    pub(crate) fn filter_count(&self) -> usize {
        self.filters().len()
    }

    /// What keeps callers from the placeholder, filter by filter.
    pub(crate) fn findings(&self, placeholder: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (index, filter) in self.filters().iter().enumerate() {
            let mut find = |problem| {
                findings.push(Finding {
                    filter: filter_name(filter, index),
                    problem,
                });
            };
            let targets = items(&filter["targets"]);
            let mut queues = targets.iter().map(|target| &target["queue"]);
            let Some(at) = queues.position(|queue| queue == placeholder) else {
                find(Problem::Missing);
                continue;
            };
            if at + 1 < targets.len() {
                find(Problem::NotLast);
            }
            if has_timeout(&targets[at]) {
                find(Problem::TimesOut);
            }
            if !targets[..at].iter().all(has_timeout) {
                find(Problem::NeverReached);
            }
        }
        findings
    }
}

/// The configuration that a workflow had before setup extended it, with what others changed since;
/// `None` where it doesn't lead to the placeholder.
pub(crate) fn before_extension(
    current: &str,
    recorded: Option<&ReplacedConfiguration>,
    placeholder: &str,
) -> Option<String> {
    let mut configuration = Configuration::parse(current).ok()?;
    let is_untouched = |recorded: &&ReplacedConfiguration| {
        Configuration::parse(&recorded.installed).as_ref() == Ok(&configuration)
            && Configuration::parse(&recorded.previous).is_ok()
    };
    if let Some(recorded) = recorded.filter(is_untouched) {
        // By another prefix it may lead to another placeholder.
        return Some(recorded.previous.clone());
    }
    if !configuration.leads_to(placeholder) {
        return None;
    }
    configuration.retract(placeholder);
    Some(configuration.to_text())
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn has_timeout(target: &Value) -> bool {
    !target["timeout"].is_null()
}

fn filter_name(filter: &Value, index: usize) -> String {
    ["filter_friendly_name", "friendly_name"]
        .iter()
        .find_map(|key| filter[*key].as_str())
        .map_or_else(|| format!("{}", index + 1), |name| format!("{name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = r#"{"task_routing":{"filters":[{"targets":[{"queue":"WQa","timeout":20,"priority":"5","expression":"1==1"},{"timeout":30,"queue":"WQb"}],"filter_friendly_name":"VIP","expression":"vip == true"},{"filter_friendly_name":"Others","expression":"1==1","targets":[{"queue":"WQb"}]}],"default_filter":{"queue":"WQb"}},"x":1}"#;

    fn extended(timeout: Option<u32>) -> Configuration {
        let mut configuration = Configuration::parse(OWN).unwrap();
        configuration.extend("WQp", timeout).unwrap();
        configuration
    }

    #[test]
    fn extending_adds_the_placeholder_and_touches_nothing_else() {
        let expected = OWN
            .replace(
                r#"{"timeout":30,"queue":"WQb"}]"#,
                r#"{"timeout":30,"queue":"WQb"},{"queue":"WQp"}]"#,
            )
            .replace(
                r#""targets":[{"queue":"WQb"}]"#,
                r#""targets":[{"queue":"WQb"},{"queue":"WQp"}]"#,
            );
        assert_eq!(extended(None).to_text(), expected);
    }

    #[test]
    fn extending_twice_is_extending_once() {
        let mut again = extended(None);
        again.extend("WQp", None).unwrap();
        assert_eq!(again, extended(None));
    }

    #[test]
    fn a_workflow_without_default_gets_the_placeholder_and_loses_it_again() {
        let bare = r#"{"task_routing":{"filters":[]}}"#;
        let mut configuration = Configuration::parse(bare).unwrap();
        configuration.extend("WQp", None).unwrap();
        assert_eq!(configuration.default_queue(), Some("WQp"));
        configuration.retract("WQp");
        assert_eq!(configuration.to_text(), bare);
    }

    #[test]
    fn retracting_is_extending_undone() {
        let mut configuration = extended(None);
        configuration.retract("WQp");
        assert_eq!(configuration.to_text(), OWN);
    }

    #[test]
    fn a_target_without_timeout_before_the_placeholder_is_found_and_mended() {
        let findings = extended(None).findings("WQp");
        assert_eq!(
            findings,
            [Finding {
                filter: "\"Others\"".into(),
                problem: Problem::NeverReached,
            }]
        );
        assert!(extended(Some(20)).findings("WQp").is_empty());
    }

    #[test]
    fn each_way_of_missing_the_placeholder_is_found() {
        for (targets, expected) in [
            (json!([{"queue": "WQa"}]), Problem::Missing),
            (
                json!([{"queue": "WQp"}, {"queue": "WQa"}]),
                Problem::NotLast,
            ),
            (json!([{"queue": "WQp", "timeout": 5}]), Problem::TimesOut),
            (
                json!([{"queue": "WQa"}, {"queue": "WQp"}]),
                Problem::NeverReached,
            ),
        ] {
            let configuration = json!({"task_routing": {"filters": [{"targets": targets}]}});
            let findings = Configuration(configuration).findings("WQp");
            let problems: Vec<_> = findings.iter().map(|finding| finding.problem).collect();
            assert_eq!(problems, [expected]);
        }
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for (text, error) in [
            ("", InvalidConfiguration::NotJson),
            ("[]", InvalidConfiguration::NoFilters),
            (r#"{"task_routing":{}}"#, InvalidConfiguration::NoFilters),
        ] {
            assert_eq!(Configuration::parse(text), Err(error));
        }
        let mut configuration =
            Configuration::parse(r#"{"task_routing":{"filters":[{}]}}"#).unwrap();
        assert_eq!(
            configuration.extend("WQp", None),
            Err(InvalidConfiguration::NoTargets("1".into()))
        );
    }
}
