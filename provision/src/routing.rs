//! A workflow's configuration as JSON: changed without touching what isn't ours, and looked at for
//! what would keep a caller from the placeholder.

use serde_json::{Map, Value, json};

/// What a configuration lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRouting {
    #[error("it is no JSON object")]
    NotJson,
    #[error("it has no \"task_routing\" with \"filters\"")]
    NoFilters,
    #[error("filter {0} has no \"targets\"")]
    NoTargets(String),
}

/// A workflow's configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Routing(Value);

/// Something about a filter that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The filter's name.
    pub(crate) filter: String,
    pub(crate) problem: Problem,
}

/// How a filter fails to lead to the placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The placeholder is none of its targets.
    Missing,
    /// Targets come after the placeholder.
    NotLast,
    /// The placeholder has a timeout, after which Twilio deletes the task while the caller waits.
    TimesOut,
    /// A target before the placeholder has no timeout: nobody gets past it.
    NeverReached,
}

impl Problem {
    pub(crate) fn found(self) -> &'static str {
        match self {
            Self::Missing => "does not lead to the placeholder",
            Self::NotLast => "has targets after the placeholder, which callers never reach",
            Self::TimesOut => {
                "gives the placeholder a timeout: then the task is deleted while its caller waits"
            }
            Self::NeverReached => {
                "has a target without timeout before the placeholder: no caller gets past it"
            }
        }
    }

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

impl Routing {
    pub(crate) fn parse(configuration: &str) -> Result<Self, InvalidRouting> {
        let value: Value =
            serde_json::from_str(configuration).map_err(|_| InvalidRouting::NotJson)?;
        let routing = Self(value);
        routing.filters()?;
        Ok(routing)
    }

    pub(crate) fn from_value(value: Value) -> Self {
        Self(value)
    }

    /// As Twilio takes it.
    pub(crate) fn to_text(&self) -> String {
        self.0.to_string()
    }

    /// As a person reads it.
    pub(crate) fn pretty(&self) -> String {
        // A value that was parsed can be written.
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }

    fn filters(&self) -> Result<&Vec<Value>, InvalidRouting> {
        self.0["task_routing"]["filters"]
            .as_array()
            .ok_or(InvalidRouting::NoFilters)
    }

    fn routing_mut(&mut self) -> Result<&mut Map<String, Value>, InvalidRouting> {
        self.0
            .get_mut("task_routing")
            .and_then(Value::as_object_mut)
            .ok_or(InvalidRouting::NoFilters)
    }

    /// Makes the placeholder the last target of every filter, without timeout, and the default
    /// where there is none. With `target_timeout`, targets before it that have no timeout get one,
    /// in seconds. All else stays as it is, its order included.
    pub(crate) fn extend(
        &mut self,
        placeholder: &str,
        target_timeout: Option<u32>,
    ) -> Result<(), InvalidRouting> {
        let routing = self.routing_mut()?;
        let filters = routing
            .get_mut("filters")
            .and_then(Value::as_array_mut)
            .ok_or(InvalidRouting::NoFilters)?;
        for (index, filter) in filters.iter_mut().enumerate() {
            let name = filter_name(filter, index);
            let targets = filter
                .get_mut("targets")
                .and_then(Value::as_array_mut)
                .ok_or(InvalidRouting::NoTargets(name))?;
            match targets.last_mut() {
                Some(last) if last["queue"] == placeholder => {
                    if let Some(last) = last.as_object_mut() {
                        last.shift_remove("timeout");
                    }
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
        if routing.get("default_filter").is_none_or(Value::is_null) {
            routing.insert("default_filter".to_owned(), json!({ "queue": placeholder }));
        }
        Ok(())
    }

    /// Takes the placeholder out again, for a workflow that was changed since it was extended. A
    /// default that leads to it goes, too.
    pub(crate) fn retract(&mut self, placeholder: &str) -> Result<(), InvalidRouting> {
        let routing = self.routing_mut()?;
        let filters = routing.get_mut("filters").and_then(Value::as_array_mut);
        for filter in filters.into_iter().flatten() {
            if let Some(targets) = filter.get_mut("targets").and_then(Value::as_array_mut) {
                targets.retain(|target| target["queue"] != placeholder);
            }
        }
        if routing
            .get("default_filter")
            .is_some_and(|default| default["queue"] == placeholder)
        {
            routing.shift_remove("default_filter");
        }
        Ok(())
    }

    /// Whether any filter, or the default, leads to the task queue.
    pub(crate) fn leads_to(&self, queue: &str) -> bool {
        let targets = |filter: &Value| filter["targets"].as_array().cloned().unwrap_or_default();
        self.filters().is_ok_and(|filters| {
            filters
                .iter()
                .flat_map(targets)
                .any(|target| target["queue"] == queue)
        }) || self.default_queue() == Some(queue)
    }

    /// The task queue of tasks that no filter takes.
    pub(crate) fn default_queue(&self) -> Option<&str> {
        self.0["task_routing"]["default_filter"]["queue"].as_str()
    }

    /// How many filters there are.
    pub(crate) fn filter_count(&self) -> usize {
        self.filters().map_or(0, Vec::len)
    }

    /// What keeps callers from the placeholder, filter by filter.
    pub(crate) fn findings(&self, placeholder: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (index, filter) in self.filters().into_iter().flatten().enumerate() {
            let mut find = |problem| {
                findings.push(Finding {
                    filter: filter_name(filter, index),
                    problem,
                });
            };
            let targets = filter["targets"].as_array().map_or(&[][..], Vec::as_slice);
            let at = targets
                .iter()
                .position(|target| target["queue"] == placeholder);
            let Some(at) = at else {
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

fn has_timeout(target: &Value) -> bool {
    target
        .get("timeout")
        .is_some_and(|timeout| !timeout.is_null())
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

    fn extended(timeout: Option<u32>) -> Routing {
        let mut routing = Routing::parse(OWN).unwrap();
        routing.extend("WQp", timeout).unwrap();
        routing
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
        let mut routing = Routing::parse(bare).unwrap();
        routing.extend("WQp", None).unwrap();
        assert_eq!(routing.default_queue(), Some("WQp"));
        routing.retract("WQp").unwrap();
        assert_eq!(routing.to_text(), bare);
    }

    #[test]
    fn retracting_is_extending_undone() {
        let mut routing = extended(None);
        routing.retract("WQp").unwrap();
        assert_eq!(routing.to_text(), OWN);
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
            let routing = json!({"task_routing": {"filters": [{"targets": targets}]}});
            let findings = Routing(routing).findings("WQp");
            let problems: Vec<_> = findings.iter().map(|finding| finding.problem).collect();
            assert_eq!(problems, [expected]);
        }
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for (text, error) in [
            ("", InvalidRouting::NotJson),
            ("[]", InvalidRouting::NoFilters),
            (r#"{"task_routing":{}}"#, InvalidRouting::NoFilters),
        ] {
            assert_eq!(Routing::parse(text), Err(error));
        }
        let mut routing = Routing::parse(r#"{"task_routing":{"filters":[{}]}}"#).unwrap();
        assert_eq!(
            routing.extend("WQp", None),
            Err(InvalidRouting::NoTargets("1".into()))
        );
    }
}
