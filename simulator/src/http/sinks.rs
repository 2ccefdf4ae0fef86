//! `/v1/Sinks…` of Event Streams

use serde::Serialize;
use serde_json::{Map, Value};
use twilio::SinkSid;

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::paging::{Meta, page};
use super::request::ApiRequest;
use crate::dates::iso8601;
use crate::resources::Sink;
use crate::state::State;

const SINKS: &str = "/v1/Sinks";
const SINK: &str = "/v1/Sinks/{Sid}";

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::ListSink, SINKS, list),
    Route::post(Endpoint::CreateSink, SINKS, create),
    Route::delete(Endpoint::DeleteSink, SINK, delete),
];

#[derive(Serialize)]
struct Shown<'a> {
    date_created: String,
    date_updated: String,
    description: &'a str,
    sid: SinkSid,
    sink_configuration: &'a Value,
    sink_type: &'a str,
    status: &'a str,
    url: String,
    links: Map<String, Value>,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        sinks: Vec<Shown<'a>>,
        meta: Meta,
    }
    let sinks = state
        .sinks
        .numbered()
        .map(|(number, sink)| ((0, number.cast_signed()), sink))
        .collect();
    let page = page(request, sinks)?;
    Ok(Answer::ok(&List {
        meta: page.meta(&state.base_url, "sinks"),
        sinks: page.items.iter().map(|sink| show(state, sink)).collect(),
    }))
}

fn create(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let description = request.required("Description")?;
    let configuration = request.required("SinkConfiguration")?;
    let configuration: Value = serde_json::from_str(configuration)
        .map_err(|_| ApiError::invalid("SinkConfiguration is not valid JSON"))?;
    if request.required("SinkType")? != "webhook" {
        return Err(ApiError::invalid("the simulator knows webhook sinks only"));
    }
    let sink = Sink {
        sid: state.ids.sink(),
        description: description.to_owned(),
        configuration,
        created: state.now(),
    };
    let destination = sink.destination().map(url::Url::parse);
    if !matches!(destination, Some(Ok(_))) {
        let message = "SinkConfiguration has no valid destination";
        return Err(ApiError::invalid(message));
    }
    let answer = Answer::created(&show(state, &sink));
    state.sinks.insert(sink.sid, sink);
    Ok(answer)
}

fn delete(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: SinkSid = request.sid("Sid")?;
    if state.subscriptions.values().any(|s| s.sink == sid) {
        return Err(ApiError::invalid("the Sink has Subscriptions"));
    }
    let removed = state.sinks.remove(&sid);
    removed.ok_or_else(|| request.not_found())?;
    Ok(Answer::no_content())
}

fn show<'a>(state: &State, sink: &'a Sink) -> Shown<'a> {
    let url = format!("{}v1/Sinks/{}", state.base_url, sink.sid);
    Shown {
        date_created: iso8601(sink.created),
        date_updated: iso8601(sink.created),
        description: &sink.description,
        sid: sink.sid,
        sink_configuration: &sink.configuration,
        sink_type: "webhook",
        status: "active",
        links: super::links(&url, &["test", "validate"]),
        url,
    }
}
