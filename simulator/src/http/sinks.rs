//! Event Streams' sinks.

use axum::response::Response;
use serde_json::{Value, json};
use twilio::SinkSid;

use super::error::ApiError;
use super::request::ApiRequest;
use super::resource::{self, Resource, kept, links, shown};
use crate::dates::Dates;
use crate::ordered::Ordered;
use crate::resources::Sink;
use crate::state::State;

impl Resource for Sink {
    kept!(SinkSid, sinks, "sinks");

    fn show(&self, state: &State) -> Value {
        let url = format!("{}v1/Sinks/{}", state.base_url, self.sid);
        let others = json!({
            "sink_type": "webhook",
            "status": "active",
            "links": links(&url, &["test", "validate"]),
            "url": url,
        });
        shown(self, others)
    }
}

pub(super) fn create(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let description = request.required("Description")?;
    let configuration = request.required("SinkConfiguration")?;
    let sink_configuration = serde_json::from_str(configuration)
        .map_err(|_| ApiError::invalid("SinkConfiguration is not valid JSON"))?;
    if request.required("SinkType")? != "webhook" {
        return Err(ApiError::invalid("the simulator knows webhook sinks only"));
    }
    let sink = Sink {
        sid: state.ids.sid(),
        description: description.to_owned(),
        sink_configuration,
        dates: Dates::new(state.now()),
    };
    let destination = sink.destination().map(url::Url::parse);
    if !matches!(destination, Some(Ok(_))) {
        let message = "SinkConfiguration has no valid destination";
        return Err(ApiError::invalid(message));
    }
    Ok(resource::create(state, sink))
}

pub(super) fn delete(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let sid: SinkSid = request.sid("Sid")?;
    if state.subscriptions.values().any(|s| s.sink_sid == sid) {
        return Err(ApiError::invalid("the Sink has Subscriptions"));
    }
    resource::delete::<Sink>(state, request)
}
