//! Event Streams: sinks and subscriptions.

use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use twilio::{CLOUD_EVENT_PREFIX, SinkSid, SubscriptionSid};

use super::error::ApiError;
use super::paging::page;
use super::request::ApiRequest;
use super::resource::{self, Resource, kept, links, shown};
use crate::dates::Dates;
use crate::events::EventKind;
use crate::ordered::Ordered;
use crate::resources::{Sink, Subscription};
use crate::state::State;

impl Resource for Sink {
    kept!(SinkSid, sinks, "sinks");

    fn show(&self, state: &State) -> Value {
        let url = format!("{}v1/Sinks/{}", state.base_url, self.sid);
        let others = json!({
            "sink_type": "webhook",
            "status": if self.has_failed { "failed" } else { "active" },
            "links": links(&url, "test validate"),
            "url": url,
        });
        shown(self, others)
    }
}

pub(super) fn create_sink(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
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
        has_failed: false,
        dates: Dates::new(state.now()),
    };
    let destination = sink.destination().map(url::Url::parse);
    if !matches!(destination, Some(Ok(_))) {
        let message = "SinkConfiguration has no valid destination";
        return Err(ApiError::invalid(message));
    }
    Ok(resource::create(state, sink))
}

pub(super) fn delete_sink(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let sid: SinkSid = request.sid("Sid")?;
    if state.subscriptions.values().any(|s| s.sink_sid == sid) {
        return Err(ApiError::invalid("the Sink has Subscriptions"));
    }
    resource::delete::<Sink>(state, request)
}

impl Resource for Subscription {
    kept!(SubscriptionSid, subscriptions, "subscriptions");

    fn is_wanted(&self, request: &ApiRequest) -> Result<bool, ApiError> {
        let sink: Option<SinkSid> = request.parsed_query("SinkSid")?;
        Ok(sink.is_none_or(|sink| self.sink_sid == sink))
    }

    fn show(&self, state: &State) -> Value {
        let url = format!("{}v1/Subscriptions/{}", state.base_url, self.sid);
        let others = json!({
            "account_sid": state.account.sid,
            "links": links(&url, "subscribed_events"),
            "url": url,
        });
        shown(self, others)
    }
}

pub(super) fn subscribe(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let description = request.required("Description")?;
    request.required("SinkSid")?;
    let sink_sid = request
        .parsed("SinkSid")?
        .filter(|sink| state.sinks.get(sink).is_some())
        .ok_or_else(|| ApiError::invalid("SinkSid is not valid"))?;
    request.required("Types")?;
    let subscription = Subscription {
        sid: state.ids.sid(),
        description: description.to_owned(),
        sink_sid,
        kinds: kinds(request)?,
        dates: Dates::new(state.now()),
    };
    Ok(resource::create(state, subscription))
}

pub(super) fn list_subscribed(
    state: &mut State,
    request: &ApiRequest,
) -> Result<Response, ApiError> {
    let sid: SubscriptionSid = request.sid("SubscriptionSid")?;
    let subscription = state.subscriptions.get(&sid);
    let subscription = subscription.ok_or_else(|| request.not_found())?;
    let url = format!("{}v1/Subscriptions/{sid}/SubscribedEvents", state.base_url);
    let kinds = (0..).zip(subscription.kinds.iter().map(|kind| kind.as_str()));
    let kinds = kinds.map(|(place, kind)| ((0, place), kind)).collect();
    page(state, request, "types", kinds, |kind| {
        let name = format!("{CLOUD_EVENT_PREFIX}{kind}");
        json!({
            "account_sid": state.account.sid,
            "subscription_sid": sid,
            "type": name,
            "schema_version": 1,
            "url": format!("{url}/{name}"),
        })
    })
}

/// `Types` is repeated for each type.
fn kinds(request: &ApiRequest) -> Result<Vec<EventKind>, ApiError> {
    #[derive(Deserialize)]
    struct Type {
        #[serde(rename = "type")]
        name: String,
    }
    let mut kinds = Vec::new();
    for (_, json) in request
        .record
        .form
        .iter()
        .filter(|(name, _)| name == "Types")
    {
        let Type { name } = serde_json::from_str(json)
            .map_err(|_| ApiError::invalid("Types must each be an object with a type"))?;
        let name = name
            .strip_prefix(CLOUD_EVENT_PREFIX)
            .ok_or_else(|| ApiError::invalid(format!("type {name} is unknown")))?;
        kinds.extend(EventKind::ALL.iter().filter(|kind| kind.as_str() == name));
    }
    Ok(kinds)
}
