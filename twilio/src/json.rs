//! JSON of which only some fields are read; the others may hold anything.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

/// An object whose values are parsed on demand. If a key is repeated, the last one counts.
pub(crate) struct Object<'a>(BTreeMap<Text<'a>, &'a RawValue>);

impl<'a> Object<'a> {
    pub(crate) fn parse(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json).map(Self)
    }

    /// The JSON of a value that is there and not null.
    pub(crate) fn json(&self, key: &str) -> Option<&'a str> {
        let json = self.0.get(key)?.get();
        (json != "null").then_some(json)
    }

    /// The text of a value that is there and not empty.
    pub(crate) fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        text(self.0.get(key)?)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|Text(key)| key.as_ref())
    }
}

/// A string's text, the JSON of anything else; `None` for null and for an empty string.
fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    let text = match serde_json::from_str(json) {
        Ok(Text(text)) => text,
        Err(_) => Cow::Borrowed(json),
    };
    (json != "null" && !text.is_empty()).then_some(text)
}

/// For optional fields: a value that can't be read counts as missing.
pub(crate) fn lenient<'de, T: FromStr, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let value = Box::<RawValue>::deserialize(from)?;
    Ok(text(&value).and_then(|text| text.parse().ok()))
}

/// Says whether it is not JSON at all, or JSON of another kind than wanted, and where. serde_json's own
/// message may quote a value, such as a caller's number.
pub(crate) fn problem(error: &serde_json::Error, wrong_kind: &str) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => wrong_kind,
        _ => "not JSON",
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}

/// A string that may hold half a surrogate pair, such as a name that was cut within an emoji.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(Cow<'a, str>);

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // When asked for bytes, serde_json lets surrogates through.
        from.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(text.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(text.to_owned().into()))
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Text(String::from_utf8_lossy(bytes)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Text(String::from_utf8_lossy(bytes).into_owned().into()))
    }
}
