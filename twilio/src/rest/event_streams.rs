//! Event Streams: sinks that events go to, and subscriptions that say which
//! (<https://www.twilio.com/docs/events>).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Client, Endpoint, RestError, null_is_empty};
use crate::{SinkSid, SubscriptionSid};

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sink {
    /// The sink.
    pub sid: SinkSid,
    /// Its description, which need not be unique.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub description: String,
    /// Whether events go there.
    #[serde(default)]
    pub status: SinkStatus,
    /// How it is set up.
    #[serde(default)]
    sink_configuration: Value,
}

/// `status` of a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkStatus {
    /// Made, and not looked at by Twilio yet.
    Initialized,
    /// Being looked at.
    Validating,
    /// In use.
    Active,
    /// Twilio has given it up.
    Failed,
    /// A status that Twilio added later.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Sink {
    /// The URL that a webhook sink posts to.
    pub fn destination(&self) -> Option<&str> {
        self.sink_configuration["destination"].as_str()
    }
}

/// Which events go to a sink.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// The subscription.
    pub sid: SubscriptionSid,
    /// Its description, which need not be unique.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub description: String,
    /// Its sink.
    pub sink_sid: SinkSid,
}

/// A type of events to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventSchema {
    /// The type, for example `com.twilio.taskrouter.task-queue.entered`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The version of the schema in which they are to come.
    pub schema_version: u32,
}

impl Client {
    /// All sinks of the account.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn sinks(&self) -> Result<Vec<Sink>, RestError> {
        let first = "/v1/Sinks?PageSize=1000".to_owned();
        self.list(Endpoint::ListSink, first, "sinks").await
    }

    /// Creates a sink that posts events to `destination`.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may exist.
    pub async fn create_webhook_sink(
        &self,
        description: &str,
        destination: &str,
    ) -> Result<Sink, RestError> {
        let configuration = json!({ "destination": destination, "method": "POST" }).to_string();
        let form = [
            ("Description", description),
            ("SinkConfiguration", &configuration),
            ("SinkType", "webhook"),
        ];
        self.post(Endpoint::CreateSink, "/v1/Sinks", &form).await
    }

    /// Deletes a sink, which must have no subscription. Returns whether it still existed.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn delete_sink(&self, sink: &SinkSid) -> Result<bool, RestError> {
        let path = format!("/v1/Sinks/{sink}");
        self.delete(Endpoint::DeleteSink, &path).await
    }

    /// The subscriptions of a sink.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn subscriptions(&self, sink: &SinkSid) -> Result<Vec<Subscription>, RestError> {
        let first = format!("/v1/Subscriptions?SinkSid={sink}&PageSize=1000");
        self.list(Endpoint::ListSubscription, first, "subscriptions")
            .await
    }

    /// The types of events that a subscription is for.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn subscribed_events(
        &self,
        subscription: &SubscriptionSid,
    ) -> Result<Vec<String>, RestError> {
        #[derive(Deserialize)]
        struct Subscribed {
            #[serde(rename = "type")]
            event_type: String,
        }
        let first = format!("/v1/Subscriptions/{subscription}/SubscribedEvents?PageSize=1000");
        let listed = self.list(Endpoint::ListSubscribedEvent, first, "types");
        let listed: Vec<Subscribed> = listed.await?;
        Ok(listed.into_iter().map(|one| one.event_type).collect())
    }

    /// Subscribes a sink to types of events.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may exist.
    pub async fn create_subscription(
        &self,
        description: &str,
        sink: &SinkSid,
        types: &[EventSchema],
    ) -> Result<Subscription, RestError> {
        let mut form = vec![
            ("Description", description.to_owned()),
            ("SinkSid", sink.to_string()),
        ];
        // The parameter is given once for each type.
        form.extend(
            types
                .iter()
                .map(|schema| ("Types", json!(schema).to_string())),
        );
        self.post(Endpoint::CreateSubscription, "/v1/Subscriptions", &form)
            .await
    }

    /// Deletes a subscription. Returns whether it still existed.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn delete_subscription(
        &self,
        subscription: &SubscriptionSid,
    ) -> Result<bool, RestError> {
        let path = format!("/v1/Subscriptions/{subscription}");
        self.delete(Endpoint::DeleteSubscription, &path).await
    }
}
