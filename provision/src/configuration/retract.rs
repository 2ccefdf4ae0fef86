//! A workflow of the user's, given back: as it was before setup extended it, with what its user has
//! changed since.

use serde_json::Value;

use super::extend::{Extension, is_named_like_added};
use super::{Configuration, expression, has_timeout, items, leads, own_name};
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
                (!leads(filter, last)).then(|| filter.clone())
            }
            Some((now, Some(before))) => Some(given_back(filter, now, before, is_ours)),
        });
        let mut retracted = self.clone();
        if let Some(retracted) = retracted.filters_mut() {
            *retracted = filters.collect();
        }
        let [current, installed, previous] =
            [self, installed, previous].map(|c| &c.0["task_routing"]["default_filter"]);
        let leads_to_ours = current["queue"].as_str().is_some_and(is_ours);
        if current == installed || leads_to_ours {
            set(&mut retracted.0["task_routing"], "default_filter", previous);
        }
        retracted
    }

    /// The names of the filters that were edited since setup, and whose copies for calls weren't.
    pub(crate) fn edited_beside_copies(&self, recorded: &ReplacedConfiguration) -> Vec<String> {
        let Some((installed, previous)) = parsed(recorded) else {
            return Vec::new();
        };
        let filters = self.filters();
        let edited = |pair: &[Installed<'_>]| match *pair {
            [(copy, None), (now, Some(_))] if filters.contains(copy) && !filters.contains(now) => {
                let name = own_name(now).unwrap_or_else(|| expression(now));
                Some(format!("{name:?}"))
            }
            _ => None,
        };
        let known = pairs(&installed, &previous);
        known.windows(2).filter_map(edited).collect()
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
    let alike = |(now, _): &Installed<'_>| {
        let name = match (own_name(filter), own_name(now)) {
            (None, None) => 1,
            (name, was) => 2 * u8::from(name == was),
        };
        let targets = 2 * u8::from(filter["targets"] == now["targets"]);
        name + targets + u8::from(expression(filter) == expression(now))
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
        *targets = former.to_vec();
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
