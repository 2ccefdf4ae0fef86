//! `/v1/Subscriptions…` of Event Streams

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twilio::{AccountSid, CLOUD_EVENT_PREFIX, SinkSid, SubscriptionSid};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::paging::{Meta, page};
use super::request::ApiRequest;
use crate::dates::iso8601;
use crate::events::EventKind;
use crate::resources::Subscription;
use crate::state::State;

const SUBSCRIPTIONS: &str = "/v1/Subscriptions";
const SUBSCRIPTION: &str = "/v1/Subscriptions/{Sid}";

pub(super) const ROUTES: &[Route] = &[
    Route::get(Endpoint::ListSubscription, SUBSCRIPTIONS, list),
    Route::post(Endpoint::CreateSubscription, SUBSCRIPTIONS, create),
    Route::delete(Endpoint::DeleteSubscription, SUBSCRIPTION, delete),
];

#[derive(Serialize)]
struct Shown<'a> {
    account_sid: AccountSid,
    sid: SubscriptionSid,
    date_created: String,
    date_updated: String,
    description: &'a str,
    sink_sid: SinkSid,
    url: String,
    links: Map<String, Value>,
}

fn list(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        subscriptions: Vec<Shown<'a>>,
        meta: Meta,
    }
    let sink: Option<SinkSid> = request.parsed_query("SinkSid")?;
    let subscriptions = state
        .subscriptions
        .numbered()
        .filter(|(_, subscription)| sink.is_none_or(|sink| subscription.sink == sink))
        .map(|(number, subscription)| ((0, number.cast_signed()), subscription))
        .collect();
    let page = page(request, subscriptions)?;
    Ok(Answer::ok(&List {
        meta: page.meta(&state.base_url, "subscriptions"),
        subscriptions: page.items.iter().map(|s| show(state, s)).collect(),
    }))
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
    let answer = Answer::created(&show(state, &subscription));
    state.subscriptions.insert(subscription.sid, subscription);
    Ok(answer)
}

/// `Types` is given once for each type.
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

fn delete(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let sid: SubscriptionSid = request.sid("Sid")?;
    let removed = state.subscriptions.remove(&sid);
    removed.ok_or_else(|| request.not_found())?;
    Ok(Answer::no_content())
}

fn show<'a>(state: &State, subscription: &'a Subscription) -> Shown<'a> {
    let url = format!("{}v1/Subscriptions/{}", state.base_url, subscription.sid);
    Shown {
        account_sid: state.account.sid,
        sid: subscription.sid,
        date_created: iso8601(subscription.created),
        date_updated: iso8601(subscription.created),
        description: &subscription.description,
        sink_sid: subscription.sink,
        links: super::links(&url, &["subscribed_events"]),
        url,
    }
}
