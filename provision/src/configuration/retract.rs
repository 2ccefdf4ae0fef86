//! A workflow of the user's, given back.

use serde_json::Value;

use super::expression::{Tasks, for_calls};
use super::extend::STOCK_FILTER;
use super::{Configuration, expression, leads, own_name};
use crate::record::ReplacedConfiguration;

impl Configuration {
    /// Takes the placeholder out again, for a workflow that was changed since it was extended: what
    /// led there `before` still does, filters for calls that were added go, and so does a default
    /// that leads there.
    pub(crate) fn retract(&mut self, placeholder: &str, before: Option<&Self>) {
        let before_filters = before.map_or(&[][..], Self::filters);
        let led_before = before.is_some_and(|b| b.default_queue() == Some(placeholder));
        let expressions: Vec<_> = self.filters().iter().map(expression).collect();
        let expressions: Vec<_> = expressions.into_iter().map(for_calls).collect();
        let filters = self.filters_mut().map(std::mem::take).unwrap_or_default();
        let kept = filters.into_iter().filter_map(|mut filter| {
            let is_same = |other: &&Value| {
                own_name(other) == own_name(&filter) && expression(other) == expression(&filter)
            };
            let original = before_filters.iter().find(is_same);
            if !leads(&filter, placeholder) || original.is_some_and(|f| leads(f, placeholder)) {
                return Some(filter);
            }
            let is_copy = expressions.iter().any(|copy| *copy == expression(&filter));
            let takes_all = Tasks::of(&filter).includes_every_call();
            let is_stock = own_name(&filter) == Some(STOCK_FILTER) && takes_all;
            if original.is_none() && (is_copy || before.is_some() && is_stock) {
                return None;
            }
            if let Some(targets) = filter.get_mut("targets").and_then(Value::as_array_mut) {
                targets.retain(|target| target["queue"] != placeholder);
            }
            Some(filter)
        });
        let kept = kept.collect();
        if let Some(filters) = self.filters_mut() {
            *filters = kept;
        }
        if self.default_queue() == Some(placeholder)
            && !led_before
            && let Some(routing) = self.0["task_routing"].as_object_mut()
        {
            routing.shift_remove("default_filter");
        }
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
    let previous = recorded.and_then(|it| Configuration::parse(&it.previous).ok());
    if let Some(recorded) = recorded
        && previous.is_some()
        && Configuration::parse(&recorded.installed).as_ref() == Ok(&configuration)
    {
        // By another prefix it may lead to another placeholder.
        return Some(recorded.previous.clone());
    }
    if !configuration.leads_to(placeholder) {
        return None;
    }
    configuration.retract(placeholder, previous.as_ref());
    Some(configuration.to_text())
}
