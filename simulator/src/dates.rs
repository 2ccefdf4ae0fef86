//! How Twilio writes dates.

use jiff::Timestamp;

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
