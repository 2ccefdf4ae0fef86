//! `/v1/Subscriptions…` of Event Streams

use serde::Deserialize;
use serde_json::{Value, json};
use twilio::{CLOUD_EVENT_PREFIX, SinkSid, SubscriptionSid};

use super::answer::{Answer, ApiError};
use super::operation::{Endpoint, Operation};
use super::request::ApiRequest;
use super::resource::{self, Resource, delete, kept, links, list};
use crate::dates::iso8601;
use crate::events::EventKind;
use crate::ordered::Ordered;
use crate::resources::Subscription;
use crate::state::State;

const SUBSCRIPTIONS: &str = "/v1/Subscriptions";
const SUBSCRIPTION: &str = "/v1/Subscriptions/{Sid}";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get(
        Endpoint::ListSubscription,
        SUBSCRIPTIONS,
        list::<Subscription>,
    ),
    Operation::post(Endpoint::CreateSubscription, SUBSCRIPTIONS, create),
    Operation::delete(
        Endpoint::DeleteSubscription,
        SUBSCRIPTION,
        delete::<Subscription>,
    ),
];

impl Resource for Subscription {
    kept!(SubscriptionSid, subscriptions, "subscriptions");

    fn is_wanted(&self, request: &ApiRequest) -> Result<bool, ApiError> {
        let sink: Option<SinkSid> = request.parsed_query("SinkSid")?;
        Ok(sink.is_none_or(|sink| self.sink == sink))
    }

    fn show(&self, state: &State) -> Value {
        let url = format!("{}v1/Subscriptions/{}", state.base_url, self.sid);
        json!({
            "account_sid": state.account.sid,
            "sid": self.sid,
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.created),
            "description": self.description,
            "sink_sid": self.sink,
            "links": links(&url, &["subscribed_events"]),
            "url": url,
        })
    }
}

fn create(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let description = request.required("Description")?;
    let sink = request.required("SinkSid")?;
    let sink: SinkSid = sink
        .parse()
        .ok()
        .filter(|sink| state.sinks.get(sink).is_some())
        .ok_or_else(|| ApiError::invalid("SinkSid is not valid"))?;
    request.required("Types")?;
    let subscription = Subscription {
        sid: state.ids.subscription(),
        description: description.to_owned(),
        sink,
        kinds: kinds(request)?,
        created: state.now(),
    };
    Ok(resource::create(state, subscription))
}

/// `Types` is repeated for each type.
fn kinds(request: &ApiRequest) -> Result<Vec<EventKind>, ApiError> {
    #[derive(Deserialize)]
    struct Type {
        #[serde(rename = "type")]
        name: String,
    }
    let mut kinds = Vec::new();
    for (_, json) in request.form.iter().filter(|(name, _)| name == "Types") {
        let Type { name } = serde_json::from_str(json)
            .map_err(|_| ApiError::invalid("Types must each be an object with a type"))?;
        let name = name
            .strip_prefix(CLOUD_EVENT_PREFIX)
            .ok_or_else(|| ApiError::invalid(format!("type {name} is unknown")))?;
        kinds.extend(EventKind::ALL.iter().filter(|kind| kind.as_str() == name));
    }
    Ok(kinds)
}
