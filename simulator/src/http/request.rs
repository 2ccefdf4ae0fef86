//! A request as its handler sees it.

use std::str::FromStr;

use twilio::CallSid;

use super::answer::ApiError;
use crate::state::State;

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct ApiRequest {
    /// Twilio's name of it, `RQ…`.
    pub(super) id: String,
    pub(super) path: String,
    /// What stands in the path for the names in its template.
    pub(super) segments: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) form: Vec<(String, String)>,
    pub(super) if_match: Option<String>,
}

impl ApiRequest {
    /// A SID in the path. What is none can't be found.
    pub(super) fn sid<T: FromStr>(&self, name: &str) -> Result<T, ApiError> {
        self.segments
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, value)| value.parse().ok())
            .ok_or_else(|| self.not_found())
    }

    /// The call that the path names, if it names one.
    pub(super) fn call(&self) -> Option<CallSid> {
        let mut values = self.segments.iter().map(|(_, value)| value);
        values.find_map(|value| value.parse().ok())
    }

    /// Checks that the path names our account. That of others, or an API key, is not found.
    pub(super) fn check_account(&self, state: &State) -> Result<(), ApiError> {
        let account: twilio::AccountSid = self.sid("AccountSid")?;
        let ours = account == state.account.sid;
        ours.then_some(()).ok_or_else(|| self.not_found())
    }

    pub(super) fn not_found(&self) -> ApiError {
        ApiError::not_found(&self.path)
    }

    /// A parameter of the body.
    pub(super) fn form(&self, name: &str) -> Option<&str> {
        value(&self.form, name)
    }

    /// A parameter of the body that may not be missing or empty.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.form(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| ApiError::missing(name))
    }

    /// A parameter of the body that is more than a string.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        parsed(name, self.form(name))
    }

    /// A parameter of the query string that is not empty.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        value(&self.query, name).filter(|value| !value.is_empty())
    }

    /// A parameter of the query string that is more than a string.
    pub(super) fn parsed_query<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        parsed(name, self.query(name))
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn parsed<T: FromStr>(name: &str, value: Option<&str>) -> Result<Option<T>, ApiError> {
    let Some(value) = value else { return Ok(None) };
    match value.parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(ApiError::invalid(format!("{name} is not valid"))),
    }
}
