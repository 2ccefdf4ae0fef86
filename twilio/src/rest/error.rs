//! How a REST request can fail, told apart by what the caller of it needs to know: whether Twilio
//! may have acted on it.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::api_url::ApiUrl;

/// Why a REST request got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// Twilio answered with an error.
    #[error("Twilio answered {0}")]
    Refused(Refusal),
    /// The request never reached Twilio: no connection could be made.
    #[error("cannot connect to Twilio: {0}")]
    NotSent(String),
    /// The request was sent, and its answer lost: Twilio may have acted on it.
    #[error("no answer from Twilio: {0}")]
    AnswerLost(String),
    /// Twilio accepted the request with an answer that can't be read.
    #[error("Twilio's answer can't be read: {0}")]
    Unreadable(String),
}

impl RestError {
    /// Twilio's answer, if it was one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    pub(crate) fn from_reqwest(error: reqwest::Error) -> Self {
        let connect = error.is_connect();
        let text = chain(&error.without_url());
        if connect {
            Self::NotSent(text)
        } else {
            Self::AnswerLost(text)
        }
    }
}

/// `None` where Twilio knows no such resource.
pub(super) fn found<T>(answer: Result<T, RestError>) -> Result<Option<T>, RestError> {
    match answer {
        Ok(resource) => Ok(Some(resource)),
        Err(RestError::Refused(refusal)) if refusal.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// An error with its causes: reqwest's own message is mostly "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    redact_numbers(&text)
}

/// An error that Twilio answered with
/// (<https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Twilio's error code, documented at `https://www.twilio.com/docs/api/errors/CODE`.
    pub code: Option<u32>,
    /// Twilio's message, phone numbers and the user information of URLs left out.
    pub message: String,
    /// How long Twilio asks to wait.
    pub retry_after: Option<Duration>,
    /// Twilio's request ID, for its support.
    pub request_id: Option<String>,
    /// Whether what answered is on this machine, as a simulator is.
    pub is_local: bool,
}

impl Refusal {
    pub(crate) fn new(
        status: u16,
        retry_after: Option<Duration>,
        request_id: Option<String>,
        body: &[u8],
    ) -> Self {
        #[derive(Deserialize, Default)]
        struct Body {
            code: Option<u32>,
            #[serde(default)]
            message: String,
        }
        let body: Body = serde_json::from_slice(body).unwrap_or_default();
        Self {
            status,
            code: body.code,
            message: redact_numbers(&redact_users(&body.message)),
            retry_after,
            request_id,
            is_local: false,
        }
    }

    /// The same, where the API is there.
    pub(crate) fn of(mut self, api_url: &ApiUrl) -> Self {
        self.is_local = api_url.is_local();
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(code) = self.code {
            write!(f, " (error {code})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(request_id) = &self.request_id {
            write!(f, " [{request_id}]")?;
        }
        Ok(())
    }
}

/// Twilio's messages repeat phone numbers; a caller's number must not be logged.
fn redact_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        let (before, number) = rest.split_at(plus);
        let end = number[1..]
            .find(|c: char| !c.is_ascii_digit())
            .map_or(number.len(), |end| end + 1);
        out.push_str(before);
        out.push_str(if end > 5 { "+…" } else { &number[..end] });
        rest = &number[end..];
    }
    out.push_str(rest);
    out
}

/// They may repeat a URL as well, with a password in it.
fn redact_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| "/?# \"".contains(c))
            .unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |at| at + 1);
        out.push_str("://");
        out.push_str(&part[host..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_status_code_and_request_but_no_number() {
        let body = br#"{"code":21211,"message":"The number +14155550100 is 1+1 invalid.","more_info":"","status":400}"#;
        let refusal = Refusal::new(400, None, Some("RQ1".into()), body);
        assert_eq!(
            refusal.to_string(),
            "400 (error 21211): The number +… is 1+1 invalid. [RQ1]"
        );
    }

    #[test]
    fn a_refusal_names_a_url_without_its_password() {
        let body = br#"{"message":"EventCallbackUrl https://u:hush@example.com/@x is invalid, see http://a.b"}"#;
        let refusal = Refusal::new(400, None, None, body);
        let expected = "EventCallbackUrl https://example.com/@x is invalid, see http://a.b";
        assert_eq!(refusal.message, expected);
        for (text, expected) in [
            ("https://u:hu'sh@example.com/", "https://example.com/"),
            ("'https://u:hush@example.com'", "'https://example.com'"),
            ("'https://u:hush@a.b' by x@y.z", "'https://a.b' by x@y.z"),
            ("at https://a.b, ask x@y.z", "at https://a.b, ask x@y.z"),
        ] {
            assert_eq!(redact_users(text), expected);
        }
    }

    #[test]
    fn a_refusal_without_twilios_body_is_still_one() {
        let refusal = Refusal::new(502, None, None, b"<html>Bad Gateway</html>");
        assert_eq!(refusal.to_string(), "502");
    }
}
