//! What went wrong with a request of ours.

/// The innermost cause, which reqwest's own words hide, and without the URL: it may hold a password.
pub fn root_cause(error: reqwest::Error) -> String {
    anyhow::Error::new(error.without_url())
        .root_cause()
        .to_string()
}
