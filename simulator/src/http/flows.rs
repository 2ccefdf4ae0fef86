//! Studio's flows.

use axum::Json;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio::FlowSid;

use super::error::ApiError;
use super::request::ApiRequest;
use super::resource::{self, Resource, change, kept, links, shown};
use crate::dates::Dates;
use crate::ordered::Ordered;
use crate::resources::{Flow, FlowStatus, check_definition};
use crate::state::State;

impl Resource for Flow {
    kept!(FlowSid, flows, "flows");

    fn show(&self, state: &State) -> Value {
        let account = state.account.sid;
        let url = format!("{}v2/Flows/{}", state.base_url, self.sid);
        let others = json!({
            "account_sid": account,
            "author_sid": null,
            "valid": true,
            "errors": [],
            "warnings": [],
            "webhook_url": self.webhook_url(account),
            "links": links(&url, "revisions executions"),
            "url": url,
        });
        shown(self, others)
    }

    fn show_in_list(&self, state: &State) -> Value {
        let mut shown = self.show(state);
        shown["definition"] = Value::Null;
        shown
    }
}

pub(super) fn create(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let flow = Flow {
        sid: state.ids.sid(),
        friendly_name: request.required("FriendlyName")?.to_owned(),
        status: status(request)?,
        definition: definition(state, request)?,
        revision: 1,
        commit_message: request.form("CommitMessage").map(str::to_owned),
        dates: Dates::new(state.now()),
    };
    Ok(resource::create(state, flow))
}

pub(super) fn validate(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    request.required("FriendlyName")?;
    status(request)?;
    definition(state, request)?;
    Ok(Json(json!({ "valid": true })).into_response())
}

pub(super) fn update(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let status = status(request)?;
    let definition = match request.form("Definition") {
        Some(_) => Some(definition(state, request)?),
        None => None,
    };
    change(state, request, |flow: &mut Flow| {
        request.replace(&mut flow.friendly_name, "FriendlyName");
        if let Some(definition) = definition {
            flow.definition = definition;
        }
        flow.status = status;
        flow.commit_message = request.form("CommitMessage").map(str::to_owned);
        flow.revision += 1;
    })
}

fn status(request: &ApiRequest) -> Result<FlowStatus, ApiError> {
    let status = request.word("Status")?;
    status.ok_or_else(|| ApiError::missing("Status"))
}

fn definition(state: &State, request: &ApiRequest) -> Result<Value, ApiError> {
    let invalid =
        |problem: String| ApiError::invalid(format!("Flow definition is invalid: {problem}"));
    let definition: Value = serde_json::from_str(request.required("Definition")?)
        .map_err(|error| invalid(error.to_string()))?;
    check_definition(&definition, |channel| state.is_task_channel(channel)).map_err(invalid)?;
    Ok(definition)
}
