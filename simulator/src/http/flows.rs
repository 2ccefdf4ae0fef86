//! `/v2/Flows…` of Studio

use serde::Serialize;
use serde_json::{Map, Value, json};
use twilio::{AccountSid, FlowSid};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::paging::{Meta, page};
use super::request::ApiRequest;
use crate::dates::iso8601;
use crate::resources::{Flow, FlowStatus, check_definition};
use crate::state::State;

const FLOWS: &str = "/v2/Flows";
const FLOW: &str = "/v2/Flows/{Sid}";
const VALIDATE: &str = "/v2/Flows/Validate";

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::ListFlow, FLOWS, list),
    Route::post(Endpoint::CreateFlow, FLOWS, create),
    Route::post(Endpoint::UpdateFlowValidate, VALIDATE, validate),
    Route::get(Endpoint::FetchFlow, FLOW, fetch),
    Route::post(Endpoint::UpdateFlow, FLOW, update),
    Route::delete(Endpoint::DeleteFlow, FLOW, delete),
];

#[derive(Serialize)]
struct Shown<'a> {
    sid: FlowSid,
    account_sid: AccountSid,
    author_sid: Option<&'a str>,
    friendly_name: &'a str,
    /// Not in lists.
    definition: Option<&'a Value>,
    status: FlowStatus,
    revision: u32,
    commit_message: Option<&'a str>,
    valid: bool,
    errors: Vec<Value>,
    warnings: Vec<Value>,
    date_created: String,
    date_updated: String,
    webhook_url: String,
    url: String,
    links: Map<String, Value>,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        flows: Vec<Shown<'a>>,
        meta: Meta,
    }
    let flows = state
        .flows
        .numbered()
        .map(|(number, flow)| ((0, number.cast_signed()), flow))
        .collect();
    let page = page(request, flows)?;
    Ok(Answer::ok(&List {
        meta: page.meta(&state.base_url, "flows"),
        flows: page
            .items
            .iter()
            .map(|flow| Shown {
                definition: None,
                ..show(state, flow)
            })
            .collect(),
    }))
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
    let answer = Answer::created(&show(state, &flow));
    state.flows.insert(flow.sid, flow);
    Ok(answer)
}

fn validate(_: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    request.required("FriendlyName")?;
    status(request)?;
    definition(request)?;
    Ok(Answer::ok(&json!({ "valid": true })))
}

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: FlowSid = request.sid("Sid")?;
    let flow = state.flows.get(&sid).ok_or_else(|| request.not_found())?;
    Ok(Answer::ok(&show(state, flow)))
}

fn update(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: FlowSid = request.sid("Sid")?;
    let status = status(request)?;
    let definition = match request.form("Definition") {
        Some(_) => Some(definition(request)?),
        None => None,
    };
    let now = state.now();
    let flow = state.flows.get_mut(&sid);
    let flow = flow.ok_or_else(|| request.not_found())?;
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
    fetch(state, request)
}

fn delete(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: FlowSid = request.sid("Sid")?;
    let removed = state.flows.remove(&sid);
    removed.ok_or_else(|| request.not_found())?;
    Ok(Answer::no_content())
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

fn show<'a>(state: &State, flow: &'a Flow) -> Shown<'a> {
    let url = format!("{}v2/Flows/{}", state.base_url, flow.sid);
    let account = state.account.sid;
    Shown {
        sid: flow.sid,
        account_sid: account,
        author_sid: None,
        friendly_name: &flow.friendly_name,
        definition: Some(&flow.definition),
        status: flow.status,
        revision: flow.revision,
        commit_message: flow.commit_message.as_deref(),
        valid: true,
        errors: Vec::new(),
        warnings: Vec::new(),
        date_created: iso8601(flow.created),
        date_updated: iso8601(flow.updated),
        webhook_url: format!(
            "https://webhooks.twilio.com/v1/Accounts/{account}/Flows/{}",
            flow.sid
        ),
        links: super::links(&url, &["revisions", "executions"]),
        url,
    }
}
