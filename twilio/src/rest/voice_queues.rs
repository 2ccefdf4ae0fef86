//! Voice queues, where `<Enqueue>` holds the callers of a workflow
//! (<https://www.twilio.com/docs/taskrouter/twiml-queue-calls>).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::error::found;
use super::{Client, Endpoint, Listed, RestError};
use crate::json::lenient;
use crate::{AccountSid, CallSid, QueueSid, WorkflowSid};

/// A voice queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VoiceQueue {
    /// The queue.
    pub sid: QueueSid,
    friendly_name: Option<String>,
    /// How many callers it holds.
    #[serde(default)]
    pub current_size: u32,
    /// How many it can hold: further callers are turned away.
    #[serde(default)]
    pub max_size: u32,
}

/// A caller in a voice queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct QueueMember {
    /// The caller's call.
    pub call_sid: CallSid,
    /// When the call entered the queue, to the second.
    #[serde(default, deserialize_with = "rfc2822")]
    pub date_enqueued: Option<Timestamp>,
}

impl VoiceQueue {
    /// Whether the callers of a workflow wait in it: then its name is the workflow's SID.
    pub fn holds_callers_of(&self, workflow: &WorkflowSid) -> bool {
        self.friendly_name.as_deref() == Some(workflow.as_str())
    }
}

impl Client {
    /// The voice queues of the account that can be read.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn voice_queues(&self, account: &AccountSid) -> Result<Vec<VoiceQueue>, RestError> {
        let first = format!("/2010-04-01/Accounts/{account}/Queues.json?PageSize=1000");
        let queues = self
            .list_readable(Endpoint::ListQueue, first, "queues", |_| {})
            .await?;
        Ok(queues.items)
    }

    /// The voice queue in which the callers of a workflow wait. `None` before the first call was
    /// enqueued.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn voice_queue(
        &self,
        account: &AccountSid,
        workflow: &WorkflowSid,
    ) -> Result<Option<QueueSid>, RestError> {
        let queues = self.voice_queues(account).await?;
        Ok(queues
            .into_iter()
            .find(|queue| queue.holds_callers_of(workflow))
            .map(|queue| queue.sid))
    }

    /// Who waits in the voice queue; `None` where Twilio knows no such queue. A list of several
    /// pages, of 1,000 callers each, is shown to `so_far` as it comes.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn queue_members(
        &self,
        account: &AccountSid,
        queue: &QueueSid,
        so_far: impl Fn(&Listed<QueueMember>),
    ) -> Result<Option<Listed<QueueMember>>, RestError> {
        let first =
            format!("/2010-04-01/Accounts/{account}/Queues/{queue}/Members.json?PageSize=1000");
        let list = self.list_readable(Endpoint::ListMember, first, "queue_members", so_far);
        found(list.await)
    }
}

/// A date of the 2010 API; none where it can't be read.
fn rfc2822<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = lenient(from)?;
    Ok(text.and_then(|text| retry::http_date(&text)))
}
