//! Where Twilio reaches ingest: the public URL, the paths under it, and the connection overrides.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::host::is_private;

/// Where TaskRouter posts its event callbacks.
pub const EVENTS_PATH: &str = "/taskrouter/events";
/// Where a webhook sink of Event Streams posts.
pub const EVENT_STREAM_PATH: &str = "/taskrouter/event-stream";
/// Where Twilio fetches the TwiML of a redirect plan.
pub const TWIML_PATH: &str = "/twiml/redirect";
/// The connection overrides of the event callback: a failed one is repeated five times, whatever the
/// failure was, and all attempts fit into the 15 s that Twilio gives a callback.
pub const CONNECTION_OVERRIDES: &str = "rc=5&rp=all&ct=2000&rt=2500";

/// The URL by which Twilio reaches ingest, up to where our own paths begin, as the operator wrote
/// it: Twilio signs what is configured with it, to the letter.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The URL of one of our paths, which starts with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The path that stands before our own ones; empty where there is none.
    pub fn path_prefix(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |at| &rest[at..])
    }

    /// Why it is no good where Twilio itself is to send callbacks there. A simulator may.
    pub fn flaw(&self) -> Option<PublicUrlFlaw> {
        let url = Url::parse(&self.0).ok()?;
        if is_private(&url) {
            return Some(PublicUrlFlaw::Private);
        }
        (url.scheme() != "https").then_some(PublicUrlFlaw::NotEncrypted)
    }

    /// The event callback as a workspace is to have it, connection overrides included.
    pub fn event_callback(&self) -> String {
        format!("{}#{CONNECTION_OVERRIDES}", self.join(EVENTS_PATH))
    }
}

/// The URL that is requested and signed: without connection overrides, which stand in its fragment.
pub fn without_overrides(url: &str) -> &str {
    url.split('#').next().unwrap_or(url)
}

/// Whether requests to two URLs go to the same place: scheme and host in whatever letters, the port
/// given or the scheme's own, the same path and query. Overrides and user information aside.
pub fn is_same_address(one: &str, other: &str) -> bool {
    let place = |url: &str| {
        let url = Url::parse(url).ok()?;
        let (host, port) = (url.host()?.to_owned(), url.port_or_known_default());
        let (path, query) = (url.path().to_owned(), url.query().map(str::to_owned));
        Some((url.scheme().to_owned(), host, port, path, query))
    };
    match (place(one), place(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Why a public URL is no good for Twilio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlFlaw {
    /// Twilio can't get there.
    #[error("is on this machine or in a private network: no callback of Twilio's gets there")]
    Private,
    /// Everybody on the way reads along.
    #[error("is not encrypted: whoever is on the way reads the callers' numbers")]
    NotEncrypted,
}

/// Why a string can't be the public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPublicUrl(&'static str);

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url = Url::parse(text).map_err(|_| InvalidPublicUrl("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(InvalidPublicUrl("must start with https:// and a host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidPublicUrl(
                "must end before any ? or #: the paths of the callbacks are added to it",
            ));
        }
        if url.path().trim_end_matches('/').ends_with(EVENTS_PATH) {
            return Err(InvalidPublicUrl(
                "must end before /taskrouter/events, which is added to it",
            ));
        }
        if !is_written_as_sent(text, &url) {
            return Err(InvalidPublicUrl(
                "must be written as it goes over the wire, for signatures are made over it: // \
                 behind the scheme; no blanks, line breaks, backslashes or /../; other characters \
                 percent-encoded, a host with umlauts as xn--…",
            ));
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

/// Whether nothing was mended to make a URL of the text. The port may be given where it is the
/// scheme's own, and upper case where it means the same.
fn is_written_as_sent(text: &str, url: &Url) -> bool {
    let own_port = match url.scheme() {
        "http" => ":80",
        _ => ":443",
    };
    let same = |text: &str| {
        text.trim_end_matches('/')
            .eq_ignore_ascii_case(url.as_str().trim_end_matches('/'))
    };
    same(text) || url.port().is_none() && same(&text.replacen(own_port, "", 1))
}

/// User information, if there is some, stays out of logs.
impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or(authority);
        write!(f, "{scheme}://{host}{path}")
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_is_kept_as_written_but_for_a_slash_at_its_end() {
        for (given, kept) in [
            ("https://Example.com", "https://Example.com"),
            ("https://example.com:8443/", "https://example.com:8443"),
            ("https://example.com:443", "https://example.com:443"),
            ("http://127.0.0.1:80/x", "http://127.0.0.1:80/x"),
            ("HTTPS://example.com/hooks/", "HTTPS://example.com/hooks"),
            (
                "https://u:p@example.com/a%20b",
                "https://u:p@example.com/a%20b",
            ),
        ] {
            let url: PublicUrl = given.parse().unwrap();
            assert_eq!(url.join("/x"), format!("{kept}/x"));
        }
    }

    #[test]
    fn what_twilio_could_not_reach_or_would_write_otherwise_is_refused() {
        for bad in [
            "",
            "example.com",
            "ftp://example.com",
            "https://example.com?x=1",
            "https://example.com/#rc=5",
            "https://example.com/taskrouter/events",
            "https:/example.com",
            "https:example.com",
            "https:///example.com",
            "https:\\\\example.com",
            "https://example.com\\hooks",
            "https://example.com/a b",
            "https://exam\nple.com",
            "https://example.com/\thooks",
            "https://example.com/hooks/../x",
            "https://example.com/./x",
            "https://example.com/übung",
            "https://bücher.example",
            "https://127.1",
        ] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_the_same_where_requests_go_to_the_same_place() {
        let ours = "https://overflow.example.com/taskrouter/events";
        for (other, same) in [
            ("https://overflow.example.com/taskrouter/events#rc=5", true),
            ("https://overflow.example.com:443/taskrouter/events", true),
            ("HTTPS://Overflow.Example.COM/taskrouter/events", true),
            ("https://u:p@overflow.example.com/taskrouter/events", true),
            ("http://overflow.example.com/taskrouter/events", false),
            ("https://overflow.example.com:8443/taskrouter/events", false),
            ("https://overflow.example.com/TaskRouter/events", false),
            ("https://overflow.example.com/taskrouter/events?a=1", false),
            ("https://example.com/taskrouter/events", false),
            ("", false),
        ] {
            assert_eq!(is_same_address(ours, other), same, "{other}");
        }
        assert!(is_same_address("", ""));
    }

    #[test]
    fn what_stands_before_our_paths_is_known() {
        for (given, prefix) in [
            ("https://example.com", ""),
            ("https://example.com/", ""),
            ("https://u:p@example.com:8443/hooks/", "/hooks"),
            ("https://example.com/a%20b/c", "/a%20b/c"),
        ] {
            let url: PublicUrl = given.parse().unwrap();
            assert_eq!(url.path_prefix(), prefix);
        }
    }

    #[test]
    fn what_is_no_good_for_twilio_is_known() {
        for (given, flaw) in [
            ("https://example.com", None),
            ("http://example.com", Some(PublicUrlFlaw::NotEncrypted)),
            ("http://localhost:8080", Some(PublicUrlFlaw::Private)),
            ("https://192.168.1.5/hooks", Some(PublicUrlFlaw::Private)),
            ("https://ingest", Some(PublicUrlFlaw::Private)),
        ] {
            let url: PublicUrl = given.parse().unwrap();
            assert_eq!(url.flaw(), flaw, "{given}");
        }
    }

    #[test]
    fn user_information_stays_out_of_logs() {
        let url: PublicUrl = "https://user:secret@example.com:8443/@x".parse().unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://example.com:8443/@x https://example.com:8443/@x"
        );
    }
}
