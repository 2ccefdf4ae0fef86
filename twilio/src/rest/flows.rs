//! Studio flows (<https://www.twilio.com/docs/studio/rest-api/v2/flow>).

use serde::Deserialize;
use serde_json::Value;

use super::{Client, Endpoint, RestError, null_is_empty};
use crate::FlowSid;

/// A flow.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Flow {
    /// The flow.
    pub sid: FlowSid,
    /// Its name, which need not be unique.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub friendly_name: String,
    /// `published`, or `draft` where calls run an older revision or none.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub status: String,
    /// What it does; null in lists.
    #[serde(default)]
    pub definition: Value,
    /// Where calls are to be sent for it.
    #[serde(default)]
    pub webhook_url: Option<String>,
}

/// A flow to be published.
#[derive(Debug, Clone, Copy)]
pub struct FlowDraft<'a> {
    /// Its name.
    pub friendly_name: &'a str,
    /// What it does, as JSON.
    pub definition: &'a str,
    /// What the list of revisions says of this one.
    pub commit_message: &'a str,
}

impl<'a> FlowDraft<'a> {
    fn form(&self) -> [(&'static str, &'a str); 4] {
        [
            ("FriendlyName", self.friendly_name),
            ("Status", "published"),
            ("Definition", self.definition),
            ("CommitMessage", self.commit_message),
        ]
    }
}

impl Client {
    /// All flows of the account, without their definitions.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn flows(&self) -> Result<Vec<Flow>, RestError> {
        let first = "/v2/Flows?PageSize=1000".to_owned();
        self.list(Endpoint::ListFlow, first, "flows").await
    }

    /// Reads a flow; `None` where there is no such flow.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn flow(&self, flow: &FlowSid) -> Result<Option<Flow>, RestError> {
        let path = format!("/v2/Flows/{flow}");
        self.find(Endpoint::FetchFlow, &path).await
    }

    /// What Studio finds wrong with a flow; nothing is changed.
    ///
    /// # Errors
    /// Twilio refused, as it does with some wrong definitions, or no answer came.
    pub async fn validate_flow(&self, draft: &FlowDraft<'_>) -> Result<Vec<String>, RestError> {
        #[derive(Deserialize)]
        struct Validity {
            valid: bool,
            #[serde(default)]
            errors: Vec<Value>,
        }
        let (validate, path) = (Endpoint::UpdateFlowValidate, "/v2/Flows/Validate");
        let validity: Validity = self.post(validate, path, &draft.form()).await?;
        let mut problems: Vec<_> = validity.errors.iter().map(problem).collect();
        if !validity.valid && problems.is_empty() {
            problems.push("the definition is not valid".to_owned());
        }
        Ok(problems)
    }

    /// Creates a published flow.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may exist.
    pub async fn create_flow(&self, draft: &FlowDraft<'_>) -> Result<Flow, RestError> {
        self.post(Endpoint::CreateFlow, "/v2/Flows", &draft.form())
            .await
    }

    /// Publishes a new revision of a flow.
    ///
    /// # Errors
    /// Twilio refused, or no answer came: then it may be done.
    pub async fn update_flow(
        &self,
        flow: &FlowSid,
        draft: &FlowDraft<'_>,
    ) -> Result<Flow, RestError> {
        let path = format!("/v2/Flows/{flow}");
        self.post(Endpoint::UpdateFlow, &path, &draft.form()).await
    }

    /// Deletes a flow. Returns whether it still existed.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn delete_flow(&self, flow: &FlowSid) -> Result<bool, RestError> {
        let path = format!("/v2/Flows/{flow}");
        self.delete(Endpoint::DeleteFlow, &path).await
    }
}

fn problem(error: &Value) -> String {
    match (error["property_path"].as_str(), error["message"].as_str()) {
        (Some(path), Some(message)) => format!("{path} {message}"),
        (None, Some(message)) => message.to_owned(),
        _ => error.to_string(),
    }
}
