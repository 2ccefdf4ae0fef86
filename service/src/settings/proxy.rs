//! The proxy between us and Twilio, by the variables that Twilio's own libraries honour.

use axum::http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use twilio::rest::ApiUrl;

use super::Problems;

/// Those that name a proxy. `NO_PROXY` can't be wrong.
const VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// A variable that names no proxy would be passed over, and Twilio not be reached.
pub(super) fn check(problems: &mut Problems) {
    for variable in VARIABLES {
        let value = std::env::var(variable).unwrap_or_default();
        if value.is_empty() {
            continue;
        }
        let proxy = Matcher::builder().all(value).build();
        let proxy = proxy.intercept(&Uri::from_static("https://api.twilio.com"));
        let scheme = proxy.as_ref().and_then(|proxy| proxy.uri().scheme_str());
        if !matches!(scheme, Some("http" | "https")) {
            let example = "http://proxy.example.com:3128";
            problems.add(variable, "is not the URL of an HTTP proxy", example);
        }
    }
}

/// The proxy that requests go through, without a user and password.
pub(super) fn between(api: &ApiUrl) -> Option<String> {
    if api.is_local() {
        return None;
    }
    let api: Uri = api.to_string().parse().ok()?;
    let proxy = Matcher::from_env().intercept(&api)?;
    Some(proxy.uri().to_string().trim_end_matches('/').to_owned())
}
