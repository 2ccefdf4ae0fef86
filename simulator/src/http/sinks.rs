//! `/v1/Sinks…` of Event Streams

use serde_json::{Value, json};
use twilio::SinkSid;

use super::answer::{Answer, ApiError};
use super::operation::{Endpoint, Operation};
use super::request::ApiRequest;
use super::resource::{self, Resource, kept, links, list};
use crate::dates::iso8601;
use crate::ordered::Ordered;
use crate::resources::Sink;
use crate::state::State;

const SINKS: &str = "/v1/Sinks";
const SINK: &str = "/v1/Sinks/{Sid}";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get(Endpoint::ListSink, SINKS, list::<Sink>),
    Operation::post(Endpoint::CreateSink, SINKS, create),
    Operation::delete(Endpoint::DeleteSink, SINK, delete),
];

impl Resource for Sink {
    kept!(SinkSid, sinks, "sinks");

    fn show(&self, state: &State) -> Value {
        let url = format!("{}v1/Sinks/{}", state.base_url, self.sid);
        json!({
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.created),
            "description": self.description,
            "sid": self.sid,
            "sink_configuration": self.configuration,
            "sink_type": "webhook",
            "status": "active",
            "links": links(&url, &["test", "validate"]),
            "url": url,
        })
    }
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
    Ok(resource::create(state, sink))
}

fn delete(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: SinkSid = request.sid("Sid")?;
    if state.subscriptions.values().any(|s| s.sink == sid) {
        return Err(ApiError::invalid("the Sink has Subscriptions"));
    }
    resource::delete::<Sink>(state, request)
}
