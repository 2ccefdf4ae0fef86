//! `/v2/Flows…` of Studio

use serde_json::{Value, json};
use twilio::FlowSid;

use super::answer::{Answer, ApiError};
use super::operation::{Endpoint, Operation};
use super::request::ApiRequest;
use super::resource::{self, Resource, delete, fetch, find_mut, kept, links, list};
use crate::dates::iso8601;
use crate::ordered::Ordered;
use crate::resources::{Flow, FlowStatus, check_definition};
use crate::state::State;

const FLOWS: &str = "/v2/Flows";
const FLOW: &str = "/v2/Flows/{Sid}";
const VALIDATE: &str = "/v2/Flows/Validate";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get(Endpoint::ListFlow, FLOWS, list::<Flow>),
    Operation::post(Endpoint::CreateFlow, FLOWS, create),
    Operation::post(Endpoint::UpdateFlowValidate, VALIDATE, validate),
    Operation::get(Endpoint::FetchFlow, FLOW, fetch::<Flow>),
    Operation::post(Endpoint::UpdateFlow, FLOW, update),
    Operation::delete(Endpoint::DeleteFlow, FLOW, delete::<Flow>),
];

impl Resource for Flow {
    kept!(FlowSid, flows, "flows");

    fn show(&self, state: &State) -> Value {
        let (sid, account) = (self.sid, state.account.sid);
        let url = format!("{}v2/Flows/{sid}", state.base_url);
        json!({
            "sid": sid,
            "account_sid": account,
            "author_sid": null,
            "friendly_name": self.friendly_name,
            "definition": self.definition,
            "status": self.status,
            "revision": self.revision,
            "commit_message": self.commit_message,
            "valid": true,
            "errors": [],
            "warnings": [],
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.updated),
            "webhook_url": format!("https://webhooks.twilio.com/v1/Accounts/{account}/Flows/{sid}"),
            "links": links(&url, &["revisions", "executions"]),
            "url": url,
        })
    }

    fn show_in_list(&self, state: &State) -> Value {
        let mut shown = self.show(state);
        shown["definition"] = Value::Null;
        shown
    }
}

fn create(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let friendly_name = request.required("FriendlyName")?;
    let status = status(request)?;
    let definition = definition(request)?;
    let now = state.now();
    let flow = Flow {
        sid: state.ids.flow(),
        friendly_name: friendly_name.to_owned(),
        definition,
        status,
        revision: 1,
        commit_message: request.form("CommitMessage").map(str::to_owned),
        created: now,
        updated: now,
    };
    Ok(resource::create(state, flow))
}

fn validate(_: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    request.required("FriendlyName")?;
    status(request)?;
    definition(request)?;
    Ok(Answer::ok(json!({ "valid": true })))
}

fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let status = status(request)?;
    let definition = match request.form("Definition") {
        Some(_) => Some(definition(request)?),
        None => None,
    };
    let now = state.now();
    let flow = find_mut::<Flow>(state, request)?;
    if let Some(name) = request.form("FriendlyName") {
        name.clone_into(&mut flow.friendly_name);
    }
    if let Some(definition) = definition {
        flow.definition = definition;
    }
    flow.status = status;
    flow.commit_message = request.form("CommitMessage").map(str::to_owned);
    flow.revision += 1;
    flow.updated = now;
    fetch::<Flow>(state, request)
}

fn status(request: &ApiRequest) -> Result<FlowStatus, ApiError> {
    FlowStatus::parse(request.required("Status")?)
        .ok_or_else(|| ApiError::invalid("Status must be draft or published"))
}

fn definition(request: &ApiRequest) -> Result<Value, ApiError> {
    let invalid = |problem: String| {
        ApiError::new(400, 20001, format!("Flow definition is invalid: {problem}"))
    };
    let definition: Value = serde_json::from_str(request.required("Definition")?)
        .map_err(|error| invalid(error.to_string()))?;
    check_definition(&definition).map_err(invalid)?;
    Ok(definition)
}
