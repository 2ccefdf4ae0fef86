//! A workflow of the user's, made to lead calls that nobody takes to the placeholder.

use serde_json::{Value, json};

use super::expression::{Tasks, for_calls};
use super::{
    Configuration, Finding, NAMES, Problem, ends_skippable, expression, filter_name, has_timeout,
    is_left, items, leads, own_name,
};

/// How long calls wait in the default queue of a workflow without filters, in seconds, unless that
/// is given.
pub(super) const DEFAULT_TIMEOUT: u32 = 20;

/// The filter that a workflow without filters gets.
const STOCK_FILTER: &str = "Calls";

/// What follows the name of a filter in that of its copy.
const OF_COPY: &str = " (calls)";

/// Whether a filter that setup adds may have the name.
pub(super) fn is_named_like_added(name: &str) -> bool {
    name == STOCK_FILTER || name.ends_with(OF_COPY)
}

/// How a workflow is extended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extension<'a> {
    pub(crate) placeholder: &'a str,
    /// For targets before the placeholder that have no timeout, in seconds.
    pub(crate) target_timeout: Option<u32>,
    /// The filters themselves, for nothing but calls comes to the workflow.
    pub(crate) in_place: bool,
    /// The names of the filters that are meant; all, if none is given.
    pub(crate) filters: &'a [String],
}

/// Why a configuration can't be extended so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotExtend {
    #[error("filter {0} has no \"targets\"")]
    NoTargets(String),
    #[error("it has no filter {name:?}{known}")]
    NoFilter { name: String, known: String },
}

impl Configuration {
    /// Makes calls that nobody takes end in the placeholder. For each filter that takes more than
    /// calls, a copy for calls goes before it, and the filter itself stays as it is. All else stays,
    /// its order included. Returns what was left undone, and why.
    pub(crate) fn extend(&mut self, by: &Extension<'_>) -> Result<Vec<Finding>, CannotExtend> {
        self.check_names(by.filters)?;
        let mut left = Vec::new();
        if self.filters().is_empty() {
            self.extend_default(by);
            return Ok(left);
        }
        let mut extended = Vec::new();
        for (index, filter) in self.filters().iter().enumerate() {
            let name = filter_name(filter, index);
            if !filter["targets"].is_array() {
                return Err(CannotExtend::NoTargets(name));
            }
            match self.change(index, by) {
                Change::None => extended.push(filter.clone()),
                Change::InPlace => extended.push(by.ending(filter)),
                Change::Copy => {
                    extended.push(by.copy(filter, index));
                    extended.push(filter.clone());
                }
                Change::Left(problem) => {
                    extended.push(filter.clone());
                    left.push(Finding {
                        filter: name,
                        problem,
                    });
                }
            }
        }
        if let Some(filters) = self.filters_mut() {
            *filters = extended;
        }
        // Who skips the last target of a filter that was left would be redirected at once.
        let skips = left.iter().any(|it| it.problem == Problem::EndsSkippable);
        let fail = self.default_queue().is_none() && self.leaves_calls_to_the_default();
        if fail && by.filters.is_empty() && !skips {
            match by.in_place {
                true => {
                    self.0["task_routing"]["default_filter"] = json!({ "queue": by.placeholder })
                }
                false => self.extend_default(by),
            }
        }
        Ok(left)
    }

    fn check_names(&self, wanted: &[String]) -> Result<(), CannotExtend> {
        let known: Vec<_> = self.filters().iter().filter_map(own_name).collect();
        match wanted.iter().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(CannotExtend::NoFilter {
                name: name.clone(),
                known: match known.is_empty() {
                    true => String::new(),
                    false => format!(", only {}", format!("{known:?}").trim_matches(['[', ']'])),
                },
            }),
        }
    }

    /// Calls that no filter takes go to the default queue, which has no timeout, or fail.
    fn extend_default(&mut self, by: &Extension<'_>) {
        let default = self.default_queue().map(str::to_owned);
        if default.as_deref() == Some(by.placeholder) {
            return;
        }
        let timeout = by.target_timeout.unwrap_or(DEFAULT_TIMEOUT);
        let first = default.map(|queue| json!({ "queue": queue, "timeout": timeout }));
        let last = json!({ "queue": by.placeholder });
        let targets: Vec<_> = first.into_iter().chain([last]).collect();
        let expression = match by.in_place {
            true => "1==1".to_owned(),
            false => for_calls(""),
        };
        let filter = json!({
            "filter_friendly_name": STOCK_FILTER,
            "expression": expression,
            "targets": targets,
        });
        if let Some(filters) = self.filters_mut() {
            filters.push(filter);
        }
    }

    fn change(&self, index: usize, by: &Extension<'_>) -> Change {
        let filter = &self.filters()[index];
        let is_named = own_name(filter).is_some_and(|own| by.filters.iter().any(|n| n == own));
        if !by.filters.is_empty() && !is_named {
            return Change::None;
        }
        let tasks = Tasks::of(filter);
        let by_calls = by.in_place || tasks.includes_calls_at_most();
        if !by.in_place && self.gets_no_calls(index, by.placeholder) {
            return Change::None;
        }
        if leads(filter, by.placeholder) {
            return Change::InPlace;
        }
        if ends_skippable(filter) && !is_named {
            return Change::Left(Problem::EndsSkippable);
        }
        if is_for_one_agent(filter) && !is_named {
            return Change::Left(Problem::OneAgent);
        }
        let is_passed = |target: &Value| by.target_timeout.is_some() || is_left(target);
        match by_calls {
            true => Change::InPlace,
            // A copy that nobody gets through would change nothing.
            false if !items(&filter["targets"]).iter().all(is_passed) => {
                Change::Left(Problem::NeverReached)
            }
            false => Change::Copy,
        }
    }
}

/// Whether it takes transfers, or waits for an agent who is known for as long as it takes.
fn is_for_one_agent(filter: &Value) -> bool {
    let waits_for_one = |target: &Value| {
        let keys = ["known_worker_sid", "known_worker_friendly_name"];
        !has_timeout(target) && keys.iter().any(|key| !target[*key].is_null())
    };
    let is_transfer = expression(filter).to_ascii_lowercase().contains("transfer");
    is_transfer || items(&filter["targets"]).iter().any(waits_for_one)
}

/// What becomes of a filter.
enum Change {
    None,
    /// It ends in the placeholder.
    InPlace,
    /// A copy for calls ends in the placeholder, and this stays behind it.
    Copy,
    /// Nothing, though calls may come to it.
    Left(Problem),
}

impl Extension<'_> {
    /// The filter, ending in the placeholder without timeout.
    fn ending(&self, filter: &Value) -> Value {
        let mut filter = filter.clone();
        let Some(targets) = filter.get_mut("targets").and_then(Value::as_array_mut) else {
            return filter;
        };
        let mut places = targets.iter();
        let last = match places.position(|target| target["queue"] == self.placeholder) {
            // What the user has behind it is theirs.
            Some(at) if at + 1 < targets.len() => return filter,
            Some(_) => targets.pop(),
            None => None,
        };
        let mut last = last.unwrap_or_else(|| json!({ "queue": self.placeholder }));
        if let Some(last) = last.as_object_mut() {
            last.shift_remove("timeout");
        }
        targets.push(last);
        let before = targets.len() - 1;
        let unlimited = targets.iter_mut().take(before).filter(|t| !has_timeout(t));
        for target in unlimited.filter_map(Value::as_object_mut) {
            if let Some(seconds) = self.target_timeout {
                target.insert("timeout".to_owned(), seconds.into());
            }
        }
        filter
    }

    /// The same for calls alone.
    fn copy(&self, filter: &Value, index: usize) -> Value {
        let mut copy = self.ending(filter);
        let name = own_name(filter).map_or_else(|| format!("{}", index + 1), str::to_owned);
        let key = NAMES.iter().find(|key| filter[**key].is_string());
        copy[*key.unwrap_or(&NAMES[0])] = format!("{name}{OF_COPY}").into();
        copy["expression"] = for_calls(expression(filter)).into();
        copy
    }
}
