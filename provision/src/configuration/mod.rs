//! A workflow's configuration as JSON: changed without touching what isn't ours, and checked for
//! what would keep a caller from the placeholder.

mod expression;
mod extend;
mod problem;
mod retract;

use serde_json::{Value, json};

pub(crate) use self::expression::matches_nobody;
use self::expression::{Tasks, for_calls};
pub(crate) use self::extend::Extension;
pub(crate) use self::problem::{Finding, Problem};
pub(crate) use self::retract::{before_extension, edited_addition, is_as_extended};

/// What a configuration lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidConfiguration {
    #[error("it is not a JSON object")]
    NotJson,
    #[error("it has no \"task_routing\" with a list of \"filters\"")]
    NoFilters,
}

/// A workflow's configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Configuration(Value);

impl Configuration {
    pub(crate) fn parse(configuration: &str) -> Result<Self, InvalidConfiguration> {
        let mut value: Value =
            serde_json::from_str(configuration).map_err(|_| InvalidConfiguration::NotJson)?;
        let routing = value.get_mut("task_routing").and_then(Value::as_object_mut);
        let filters = routing.map(|it| it.entry("filters").or_insert_with(|| json!([])));
        match filters.is_some_and(|filters| filters.is_array()) {
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

    fn filters_mut(&mut self) -> Option<&mut Vec<Value>> {
        let filters = self.0.pointer_mut("/task_routing/filters");
        filters.and_then(Value::as_array_mut)
    }

    /// Whether any filter, or the default, leads to the task queue.
    pub(crate) fn leads_to(&self, queue: &str) -> bool {
        self.filters().iter().any(|filter| leads(filter, queue))
            || self.default_queue() == Some(queue)
    }

    /// Whether the way of calls certainly ends in the task queue.
    pub(crate) fn ends_calls_in(&self, queue: &str) -> bool {
        let ends = |filter: &Value| {
            let last = items(&filter["targets"]).last();
            last.is_some_and(|target| target["queue"] == queue)
        };
        let mut filters = self.filters().iter();
        filters.any(|filter| Tasks::of(filter).includes_calls() && ends(filter))
            || self.default_queue() == Some(queue) && self.leaves_calls_to_the_default()
    }

    /// The task queue of tasks that no filter takes.
    pub(crate) fn default_queue(&self) -> Option<&str> {
        default_queue(&self.0["task_routing"]["default_filter"])
    }

    /// Whether there may be calls that no filter takes.
    pub(crate) fn leaves_calls_to_the_default(&self) -> bool {
        !self.filters().iter().any(keeps_every_call)
    }

    /// How many filters lead to the task queue.
    pub(crate) fn filters_to(&self, queue: &str) -> usize {
        let filters = self.filters().iter();
        filters.filter(|filter| leads(filter, queue)).count()
    }

    /// Whether there is a way for calls that nobody takes to the placeholder.
    pub(crate) fn reaches(&self, placeholder: &str) -> bool {
        for filter in self.filters() {
            if !Tasks::of(filter).is_known_for_calls() {
                continue;
            }
            let at = position(filter, placeholder);
            let targets = items(&filter["targets"]);
            let is_reached =
                |at: usize| targets[..at].iter().all(is_left) && !is_skippable(&targets[at]);
            if at.is_some_and(is_reached) {
                return true;
            }
            if keeps_every_call(filter) {
                return false;
            }
        }
        self.default_queue() == Some(placeholder)
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
            if self.gets_no_calls(index, placeholder) {
                continue;
            }
            let targets = items(&filter["targets"]);
            let Some(at) = position(filter, placeholder) else {
                find(Problem::Missing);
                continue;
            };
            match (at + 1 == targets.len(), has_timeout(&targets[at])) {
                (true, false) => {}
                (true, true) => find(Problem::TimesOut),
                (false, false) => find(Problem::NotLast),
                (false, true) => find(Problem::GoesOn),
            }
            if is_skippable(&targets[at]) {
                find(Problem::Skipped);
            }
            match &targets[..at] {
                before if before.iter().all(has_timeout) => {}
                before if before.iter().all(is_left) => find(Problem::MayStay),
                _ => find(Problem::NeverReached),
            }
        }
        findings
    }

    /// Whether all calls that a filter would take are taken by those before it, or it takes none.
    fn gets_no_calls(&self, index: usize, placeholder: &str) -> bool {
        let filter = &self.filters()[index];
        if Tasks::of(filter).includes_no_call() {
            return true;
        }
        let copy = for_calls(expression(filter));
        self.filters()[..index].iter().any(|before| {
            let is_copy = expression(before) == copy && leads(before, placeholder);
            is_copy || keeps_every_call(before)
        })
    }

    /// The filters that take other tasks than calls to the placeholder, where nobody serves them.
    pub(crate) fn filters_of_all_channels(&self, placeholder: &str) -> Vec<String> {
        let filters = self.filters().iter().enumerate();
        let named = filters
            .filter(|(_, filter)| leads(filter, placeholder))
            .filter(|(_, filter)| !Tasks::of(filter).includes_calls_at_most())
            .map(|(index, filter)| filter_name(filter, index));
        let takes_all = |f: &Value| Tasks::of(f).includes_all() && !ends_skippable(f);
        let by_default =
            self.default_queue() == Some(placeholder) && !self.filters().iter().any(takes_all);
        named
            .chain(by_default.then(|| "(default)".to_owned()))
            .collect()
    }
}

fn default_queue(filter: &Value) -> Option<&str> {
    let queue = DEFAULT_QUEUE.iter().find_map(|key| filter.get(key));
    queue.and_then(Value::as_str)
}

/// By its name, and by one that older workflows have.
const DEFAULT_QUEUE: [&str; 2] = ["queue", "task_queue_sid"];

/// What is in a list; nothing, if it is none.
pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn position(filter: &Value, queue: &str) -> Option<usize> {
    let mut targets = items(&filter["targets"]).iter();
    targets.position(|target| target["queue"] == queue)
}

fn leads(filter: &Value, queue: &str) -> bool {
    position(filter, queue).is_some()
}

fn has_timeout(target: &Value) -> bool {
    !target["timeout"].is_null()
}

fn is_skippable(target: &Value) -> bool {
    !target["skip_if"].is_null()
}

/// Whether tasks leave the target, at the latest some day.
fn is_left(target: &Value) -> bool {
    has_timeout(target) || is_skippable(target)
}

/// Whether tasks that skip the last target go on to the next filter.
fn ends_skippable(filter: &Value) -> bool {
    items(&filter["targets"]).last().is_some_and(is_skippable)
}

/// Whether no call comes to the filters behind it.
fn keeps_every_call(filter: &Value) -> bool {
    Tasks::of(filter).includes_every_call() && !ends_skippable(filter)
}

fn expression(filter: &Value) -> &str {
    filter["expression"].as_str().unwrap_or_default()
}

const NAMES: [&str; 2] = ["filter_friendly_name", "friendly_name"];

/// The filter's name; `None` where it has none.
fn own_name(filter: &Value) -> Option<&str> {
    NAMES.iter().find_map(|key| filter[*key].as_str())
}

/// The filter's name, or else its number, as it is shown.
fn filter_name(filter: &Value, index: usize) -> String {
    own_name(filter).map_or_else(|| format!("{}", index + 1), |name| format!("{name:?}"))
}

#[cfg(test)]
mod tests;
