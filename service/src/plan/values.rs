//! Reads what stands in the file.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use twilio::twiml::Seconds;

use super::place::Place;
use crate::Problems;
use crate::settings::Setting;

/// Reads a table of the file, and says what can't be and is left out: each key is tried alone, so that
/// all are named. What stands there isn't repeated: it may be a number.
pub(super) fn read<T: DeserializeOwned>(
    table: toml::Table,
    place: &Place,
    problems: &mut Problems,
) -> Option<T> {
    let (mut readable, mut unknown) = (toml::Table::new(), Vec::new());
    let mut known = String::new();
    for (key, value) in table {
        let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
        let Err(error) = T::deserialize(toml::Value::Table(alone)) else {
            readable.insert(key, value);
            continue;
        };
        let message = error.message();
        let (_, expected) = message.split_once("expected ").unwrap_or_default();
        if message.starts_with("unknown field") {
            expected.clone_into(&mut known);
            unknown.push(key);
            continue;
        }
        let expected = expected.replace("a sequence", "a list");
        problems.add_line(format!("{}: must be {expected}", place.name(&key)));
    }
    if !unknown.is_empty() {
        let unknown = place.name(&unknown.join(", "));
        problems.add_line(format!("{unknown}: not known here, expected {known}"));
    }
    T::deserialize(toml::Value::Table(readable)).ok()
}

/// A duration; a number alone is one of seconds.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Some(match toml::Value::deserialize(from)? {
        toml::Value::String(text) => text,
        toml::Value::Integer(seconds) => format!("{seconds}s"),
        other => other.to_string(),
    }))
}

pub(super) fn seconds<const MIN: u32, const MAX: u32>(
    given: Option<String>,
    name: String,
    example: &str,
    problems: &mut Problems,
) -> Option<Seconds<MIN, MAX>> {
    let whole = |duration: Duration| {
        let seconds = u32::try_from(duration.as_secs()).ok()?;
        Seconds::new(seconds).filter(|_| duration.subsec_nanos() == 0)
    };
    let given: Setting<Option<Duration>> = Setting::named(name, given);
    let given = given.example(example).must(
        |given| given.is_none_or(|duration| whole(duration).is_some()),
        &format!("must be from {MIN}s to {MAX}s, in whole seconds"),
    );
    whole(problems.take(given)?)
}
