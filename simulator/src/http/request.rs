//! A request as its handler sees it.

use std::str::FromStr;

use serde::de::value::Error as NoSuchWord;
use serde::de::{Deserialize, IntoDeserializer};
use twilio::{AccountSid, WorkspaceSid};

use super::error::ApiError;
use crate::journal::{RequestRecord, value};
use crate::state::State;

/// A parsed request.
#[derive(Debug)]
pub(super) struct ApiRequest {
    /// The parameters in the path.
    pub(super) segments: Vec<(String, String)>,
    /// Everything else, as the journal has it from the start.
    pub(super) record: RequestRecord,
}

impl ApiRequest {
    /// A SID in the path. Anything else isn't found.
    pub(super) fn sid<T: FromStr>(&self, name: &str) -> Result<T, ApiError> {
        value(&self.segments, name)
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| self.not_found())
    }

    /// Checks that the account in the path is ours, and that the workspace exists. Another account, or
    /// an API key, isn't found.
    pub(super) fn check_scope(&self, state: &State) -> Result<(), ApiError> {
        let has = |name: &str| value(&self.segments, name).is_some();
        let mut is_there = true;
        if has("AccountSid") {
            is_there &= self.sid::<AccountSid>("AccountSid")? == state.account.sid;
        }
        if has("WorkspaceSid") {
            is_there &= state.workspaces.get(&self.workspace()?).is_some();
        }
        is_there.then_some(()).ok_or_else(|| self.not_found())
    }

    /// The workspace that the path names.
    pub(super) fn workspace(&self) -> Result<WorkspaceSid, ApiError> {
        self.sid("WorkspaceSid")
    }

    pub(super) fn not_found(&self) -> ApiError {
        ApiError::not_found(&self.record.path)
    }

    /// A parameter of the body.
    pub(super) fn form(&self, name: &str) -> Option<&str> {
        self.record.form_value(name)
    }

    /// A parameter of the body that may not be missing or empty.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.form(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| ApiError::missing(name))
    }

    /// A parameter of the body, parsed.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        parsed(name, self.form(name))
    }

    /// A parameter of the body that is one of a few words.
    pub(super) fn word<'a, T: Deserialize<'a>>(
        &'a self,
        name: &str,
    ) -> Result<Option<T>, ApiError> {
        self.form(name).map(|text| word(name, text)).transpose()
    }

    /// Replaces a text by a parameter of the body, if it is there.
    pub(super) fn replace(&self, text: &mut String, name: &str) {
        if let Some(value) = self.form(name) {
            value.clone_into(text);
        }
    }

    /// A parameter of the query string that is not empty.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        value(&self.record.query, name).filter(|value| !value.is_empty())
    }

    /// A parameter of the query string, parsed.
    pub(super) fn parsed_query<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        parsed(name, self.query(name))
    }
}

fn parsed<T: FromStr>(name: &str, value: Option<&str>) -> Result<Option<T>, ApiError> {
    let parsed = value.map(str::parse).transpose();
    parsed.map_err(|_| ApiError::invalid(format!("{name} is not valid")))
}

/// One of a few words.
pub(super) fn word<'a, T: Deserialize<'a>>(name: &str, text: &'a str) -> Result<T, ApiError> {
    T::deserialize(text.into_deserializer()).map_err(|unknown: NoSuchWord| {
        let message = format!("{name} is not valid: {unknown}");
        ApiError::invalid(message)
    })
}
