//! The simulator's own API, for a second terminal. It needs no credentials; its listener is on loopback.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use twilio::{CallSid, E164, TaskSid};

use crate::core::Core;
use crate::faults::{CallbackRule, Rule};
use crate::journal::{HangUp, Journal};
use crate::phone::{Conduct, Phone};
use crate::readings::Readings;
use crate::state::{Begin, PlaceCall};

pub(super) fn router() -> Router<Arc<Core>> {
    Router::new()
        .route("/simulator/calls", post(place))
        .route("/simulator/calls/{call}", get(show))
        .route("/simulator/calls/{call}/hangup", post(hang_up))
        .route("/simulator/tasks/{task}/expire", post(expire))
        .route("/simulator/phones/{number}", put(set_phone))
        .route("/simulator/readings", put(set_readings))
        .route("/simulator/faults", post(add_fault).delete(clear_faults))
        .route("/simulator/callback-faults", post(add_callback_fault))
        .route("/simulator/state", get(state))
        .route("/simulator/journal", get(journal))
        .route("/simulator", any(no_such_path))
        .route("/simulator/{*path}", any(no_such_path))
}

/// What there is, for who mistypes a path.
const PATHS: [&str; 11] = [
    "POST /simulator/calls",
    "GET /simulator/calls/CA…",
    "POST /simulator/calls/CA…/hangup",
    "POST /simulator/tasks/WT…/expire",
    "PUT /simulator/phones/+…",
    "PUT /simulator/readings",
    "POST /simulator/faults",
    "POST /simulator/callback-faults",
    "DELETE /simulator/faults",
    "GET /simulator/state",
    "GET /simulator/journal",
];

async fn no_such_path() -> Response {
    let there = json!({ "error": "there is no such path", "paths": PATHS });
    (StatusCode::NOT_FOUND, Json(there)).into_response()
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Place {
    from: Option<String>,
    to: Option<String>,
    begin: Begin,
    conduct: Conduct,
    count: Option<u32>,
}

/// The most calls that one request places.
const MAX_CALLS: u32 = 10_000;

async fn place(Shared(core): Shared<Arc<Core>>, body: Option<Json<Place>>) -> Response {
    let Json(place) = body.unwrap_or_default();
    let number = |text: Option<String>| text.map(|text| text.parse::<E164>()).transpose();
    let (from, to) = match (number(place.from), number(place.to)) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(invalid), _) | (_, Err(invalid)) => return refused(&invalid),
    };
    let call = match core.look(|state| state.route_call(to)) {
        Ok(call) => PlaceCall {
            from,
            begin: place.begin,
            conduct: place.conduct,
            ..call
        },
        Err(error) => return refused(&error),
    };
    let count = place.count.unwrap_or(1);
    if count > MAX_CALLS {
        return refused(&format!("count must be at most {MAX_CALLS}"));
    }
    match (0..count)
        .map(|_| core.change(|state| state.place_call(call.clone())))
        .collect::<Result<Vec<_>, _>>()
    {
        Ok(callers) => (StatusCode::CREATED, Json(callers)).into_response(),
        Err(error) => refused(&error),
    }
}

async fn show(Shared(core): Shared<Arc<Core>>, Path(call): Path<CallSid>) -> Response {
    match core.look(|state| state.call_view(call)) {
        Some(call) => Json(call).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn hang_up(Shared(core): Shared<Arc<Core>>, Path(call): Path<CallSid>) -> StatusCode {
    done(core.change(|state| state.end_call(call, HangUp::Caller).is_ok()))
}

async fn expire(Shared(core): Shared<Arc<Core>>, Path(task): Path<TaskSid>) -> StatusCode {
    done(core.change(|state| state.task_expired(task)))
}

async fn set_phone(
    Shared(core): Shared<Arc<Core>>,
    Path(number): Path<String>,
    Json(phone): Json<Phone>,
) -> Response {
    match number.parse::<E164>() {
        Ok(number) => {
            core.change(|state| state.phones.insert(number, phone));
            StatusCode::NO_CONTENT.into_response()
        }
        Err(invalid) => refused(&invalid),
    }
}

async fn set_readings(
    Shared(core): Shared<Arc<Core>>,
    Json(readings): Json<Readings>,
) -> StatusCode {
    core.change(|state| state.config.readings = readings);
    StatusCode::NO_CONTENT
}

async fn add_fault(Shared(core): Shared<Arc<Core>>, Json(rule): Json<Rule>) -> Json<Value> {
    Json(json!({ "rule": core.faults.add(rule) }))
}

async fn add_callback_fault(
    Shared(core): Shared<Arc<Core>>,
    Json(rule): Json<CallbackRule>,
) -> Json<Value> {
    Json(json!({ "rule": core.faults.add_for_callbacks(rule) }))
}

async fn clear_faults(Shared(core): Shared<Arc<Core>>) -> StatusCode {
    core.faults.clear();
    StatusCode::NO_CONTENT
}

async fn state(Shared(core): Shared<Arc<Core>>) -> Json<Value> {
    Json(core.look(|state| {
        json!({
            "account_sid": state.account.sid,
            "workspace_sid": state.demo.workspace,
            "workflow_sid": state.demo.workflow,
            "placeholder_task_queue_sid": state.config.is_set_up.then_some(state.demo.placeholder),
            "callers_waiting": state.callers_still_waiting(),
            "open_tasks": state.open_tasks(),
            "calls": state.journal().callers().count(),
            "api_requests": state.journal().request_count(),
            "callback_attempts": state.journal().callback_count(),
        })
    }))
}

async fn journal(Shared(core): Shared<Arc<Core>>) -> Json<Journal> {
    Json(core.look(|state| state.journal().clone()))
}

fn done(done: bool) -> StatusCode {
    match done {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::CONFLICT,
    }
}

fn refused(problem: &impl ToString) -> Response {
    let problem = json!({ "error": problem.to_string() });
    (StatusCode::BAD_REQUEST, Json(problem)).into_response()
}
