//! A workflow of the user's, given back: as it was before setup extended it, with what its user has
//! changed since.

use serde_json::Value;

use super::extend::{Extension, STOCK_FILTER, is_named_like_added};
use super::{
    Configuration, default_queue, expression, for_calls, has_timeout, items, leads, own_name,
};
use crate::record::ReplacedConfiguration;

/// A filter as setup installed it, and what it was before; `None` where setup added it.
type Installed<'a> = (&'a Value, Option<&'a Value>);

impl Configuration {
    /// Where nothing is recorded: what setup would extend to just this, if there is such a thing.
    pub(crate) fn unextended(&self, by: &Extension<'_>) -> Option<Self> {
        let mut before = self.clone();
        let is_added =
            |f: &Value| leads(f, by.placeholder) && own_name(f).is_some_and(is_named_like_added);
        before.filters_mut()?.retain(|filter| !is_added(filter));
        let mut again = before.clone();
        again.extend(by).ok()?;
        (again == *self).then_some(before)
    }

    /// The same without what setup added.
    fn retracted(&self, installed: &Self, previous: &Self) -> Self {
        let is_ours = |queue: &str| installed.leads_to(queue) && !previous.leads_to(queue);
        let known = pairs(installed, previous);
        let filters = self.filters().iter();
        let filters = filters.filter_map(|filter| match origin(filter, &known) {
            // Theirs, wherever it leads.
            None => Some(filter.clone()),
            Some((now, None)) => {
                let last = items(&now["targets"]).last()?["queue"].as_str()?;
                match leads(filter, last) {
                    true => self.deleted_behind(now, &known).cloned(),
                    false => Some(filter.clone()),
                }
            }
            Some((now, Some(before))) => Some(given_back(filter, now, before, is_ours)),
        });
        let mut retracted = self.clone();
        if let Some(retracted) = retracted.filters_mut() {
            *retracted = filters.collect();
        }
        let [current, installed, previous] =
            [self, installed, previous].map(|c| &c.0["task_routing"]["default_filter"]);
        let leads_to_ours = default_queue(current).is_some_and(is_ours);
        if current == installed || leads_to_ours {
            set(&mut retracted.0["task_routing"], "default_filter", previous);
        }
        retracted
    }

    /// The filter of which this is the copy for calls, if its user has deleted it, as one too many.
    fn deleted_behind<'a>(&self, copy: &Value, known: &[Installed<'a>]) -> Option<&'a Value> {
        let mut known_ones = known.iter();
        let (copied, before) = known_ones.find(|(now, before)| {
            before.is_some() && for_calls(expression(now)) == expression(copy)
        })?;
        let is_left = |filter: &Value| match origin(filter, known) {
            Some((now, _)) => std::ptr::eq(now, *copied),
            None => expression(filter) == expression(copied),
        };
        before.filter(|_| !self.filters().iter().any(is_left))
    }
}

fn parsed(recorded: &ReplacedConfiguration) -> Option<(Configuration, Configuration)> {
    let installed = Configuration::parse(&recorded.installed).ok()?;
    Some((installed, Configuration::parse(&recorded.previous).ok()?))
}

/// Setup keeps the order of what is there, and each filter's name and expression.
fn pairs<'a>(installed: &'a Configuration, previous: &'a Configuration) -> Vec<Installed<'a>> {
    let mut before = previous.filters().iter().peekable();
    let key = |filter: &'a Value| (own_name(filter), expression(filter));
    let filters = installed.filters().iter();
    let pairs = filters.map(|now| (now, before.next_if(|before| key(before) == key(now))));
    pairs.collect()
}

/// The filter that this one was, whatever its user has changed of it.
fn origin<'a>(filter: &Value, known: &[Installed<'a>]) -> Option<Installed<'a>> {
    let alike = |(now, before): &Installed<'_>| {
        let name = match (own_name(filter), own_name(now)) {
            (None, None) => 1,
            (name, was) => 2 * u8::from(name == was),
        };
        let targets = 2 * u8::from(filter["targets"] == now["targets"]);
        let alike = name + targets + u8::from(expression(filter) == expression(now));
        // The user may have one with the same targets as one that setup added.
        match before {
            None if name < 2 && alike < 3 => 0,
            _ => alike,
        }
    };
    let most = known.iter().copied().max_by_key(alike);
    most.filter(|origin| alike(origin) >= 2)
}

/// A filter of the user's, without the targets and timeouts that setup added to it.
fn given_back(
    filter: &Value,
    now: &Value,
    before: &Value,
    is_ours: impl Fn(&str) -> bool,
) -> Value {
    if filter == now {
        return before.clone();
    }
    let is_ours = |queue: &str| !leads(before, queue) && (leads(now, queue) || is_ours(queue));
    let mut given_back = filter.clone();
    let Some(targets) = given_back["targets"].as_array_mut() else {
        return given_back;
    };
    let count = targets.len();
    targets.retain(|target| !target["queue"].as_str().is_some_and(is_ours));
    let led_there = targets.len() < count;
    let (installed, former) = (items(&now["targets"]), items(&before["targets"]));
    for target in targets.iter_mut() {
        let step = |target: &Value| [target["queue"].clone(), target["timeout"].clone()];
        let mut steps = installed.iter().zip(former);
        let same = steps.find(|(now, _)| step(now) == step(target));
        if let Some((_, former)) = same {
            set(target, "timeout", &former["timeout"]);
        }
    }
    // Nobody is to fall off its end who stayed before.
    let falls_off = |targets: &[Value]| targets.last().is_none_or(has_timeout);
    if led_there && falls_off(targets) && !falls_off(former) {
        match targets.last_mut() {
            Some(last) => set(last, "timeout", &Value::Null),
            None => *targets = former.to_vec(),
        }
    }
    given_back
}

/// Sets a key, or takes it out where there is no value.
fn set(object: &mut Value, key: &str, value: &Value) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    match value {
        Value::Null => object.shift_remove(key),
        value => object.insert(key.to_owned(), value.clone()),
    };
}

/// The filter that setup added to a workflow without filters, if its user has edited it since.
pub(crate) fn edited_addition(
    current: &str,
    recorded: &ReplacedConfiguration,
    placeholder: &str,
) -> Option<Value> {
    let current = Configuration::parse(current).ok()?;
    let (installed, previous) = parsed(recorded)?;
    let mut made = previous.clone();
    let again = Extension::again(recorded, placeholder, &[]);
    made.extend(&again).ok()?;
    let known = pairs(&installed, &previous);
    let is_edited = |filter: &&Value| {
        own_name(filter) == Some(STOCK_FILTER)
            && leads(filter, placeholder)
            && matches!(origin(filter, &known), Some((_, None)))
            && !made.filters().contains(filter)
    };
    current.filters().iter().find(is_edited).cloned()
}

/// Whether setup would leave a workflow that it has extended as it is now.
pub(crate) fn is_as_extended(
    current: &str,
    recorded: &ReplacedConfiguration,
    placeholder: &str,
    former: &[String],
) -> bool {
    let extended_again = || {
        let before = before_extension(current, recorded)?;
        let edited = edited_addition(current, recorded, placeholder);
        let mut again = Configuration::parse(&before).ok()?;
        let by = Extension {
            edited: edited.as_ref(),
            ..Extension::again(recorded, placeholder, former)
        };
        again.extend(&by).ok()?;
        Some(again)
    };
    Configuration::parse(current).ok() == extended_again()
}

/// The configuration that a workflow had before setup extended it, with what others changed since.
pub(crate) fn before_extension(current: &str, recorded: &ReplacedConfiguration) -> Option<String> {
    let current = Configuration::parse(current).ok()?;
    let (installed, previous) = parsed(recorded)?;
    let found = recorded.found.as_deref().map(Configuration::parse);
    match current == installed || found.is_some_and(|found| found.as_ref() == Ok(&current)) {
        // To the letter.
        true => Some(recorded.previous.clone()),
        false => Some(current.retracted(&installed, &previous).to_text()),
    }
}
