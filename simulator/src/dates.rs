//! How Twilio writes dates.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// When a resource was created, and last changed, as the products at version 1 and later show it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Dates {
    #[serde(rename = "date_created", serialize_with = "to_iso8601")]
    pub(crate) created: Timestamp,
    #[serde(rename = "date_updated", serialize_with = "to_iso8601")]
    pub(crate) updated: Timestamp,
}

impl Dates {
    /// Those of a resource that is created now.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            created: now,
            updated: now,
        }
    }
}

fn to_iso8601<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&iso8601(*at))
}

/// As in the products at version 1 and later: `2014-05-14T10:50:02Z`.
pub(crate) fn iso8601(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As in the 2010 API: `Tue, 31 Aug 2010 20:36:28 +0000`.
pub(crate) fn rfc2822(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// As in the header `Date`: `Tue, 31 Aug 2010 20:36:28 GMT`.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_look_like_twilios() {
        let at: Timestamp = "2010-08-31T20:36:28.5Z".parse().unwrap();
        assert_eq!(iso8601(at), "2010-08-31T20:36:28Z");
        assert_eq!(rfc2822(at), "Tue, 31 Aug 2010 20:36:28 +0000");
        assert_eq!(http_date(at), "Tue, 31 Aug 2010 20:36:28 GMT");
    }
}
