//! Voice queues, where `<Enqueue>` holds the callers of a workflow
//! (<https://www.twilio.com/docs/taskrouter/twiml-queue-calls>).

use reqwest::Method;
use serde::Deserialize;

use super::{Client, Endpoint, Product, RestError, found};
use crate::{AccountSid, CallSid, QueueSid, WorkflowSid};

impl Client {
    /// The voice queue in which the callers of a workflow wait: the one whose friendly name is the
    /// workflow's SID. `None` before the first call was enqueued.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn voice_queue(
        &self,
        account: &AccountSid,
        workflow: &WorkflowSid,
    ) -> Result<Option<QueueSid>, RestError> {
        #[derive(Deserialize)]
        struct Queue {
            sid: QueueSid,
            friendly_name: Option<String>,
        }
        let first = format!("/2010-04-01/Accounts/{account}/Queues.json?PageSize=1000");
        let queues: Vec<Queue> = self
            .list(Endpoint::ListQueues, Product::Api, first, "queues")
            .await?;
        Ok(queues
            .into_iter()
            .find(|queue| queue.friendly_name.as_deref() == Some(workflow.as_str()))
            .map(|queue| queue.sid))
    }

    /// Whether the call waits in the voice queue.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn is_queue_member(
        &self,
        account: &AccountSid,
        queue: &QueueSid,
        call: &CallSid,
    ) -> Result<bool, RestError> {
        let request = self.request(
            Method::GET,
            Product::Api,
            format_args!("/2010-04-01/Accounts/{account}/Queues/{queue}/Members/{call}.json"),
        );
        let member = found(self.send(Endpoint::FetchMember, request).await)?;
        match member {
            Some(answer) => {
                // Read to its end, or the connection could not be used again.
                let _ = answer.bytes().await;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}
