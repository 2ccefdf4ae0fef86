//! Voice queues, where `<Enqueue>` holds the callers of a workflow
//! (<https://www.twilio.com/docs/taskrouter/twiml-queue-calls>).

use jiff::Timestamp;
use serde::Deserialize;

use super::{Client, Endpoint, Product, RestError, found, rfc2822};
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

impl VoiceQueue {
    /// Whether the callers of a workflow wait in it: then its name is the workflow's SID.
    pub fn holds_callers_of(&self, workflow: &WorkflowSid) -> bool {
        self.friendly_name.as_deref() == Some(workflow.as_str())
    }
}

/// A caller who waits in a voice queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The caller's call.
    pub call_sid: CallSid,
    /// When the caller was put there, cut to the second.
    pub enqueued_at: Option<Timestamp>,
}

impl Client {
    /// All voice queues of the account.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn voice_queues(&self, account: &AccountSid) -> Result<Vec<VoiceQueue>, RestError> {
        let first = format!("/2010-04-01/Accounts/{account}/Queues.json?PageSize=1000");
        self.list(Endpoint::ListQueues, Product::Api, first, "queues")
            .await
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

    /// The callers who wait in a voice queue; `None` where there is no such queue.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn members(
        &self,
        account: &AccountSid,
        queue: &QueueSid,
    ) -> Result<Option<Vec<Member>>, RestError> {
        #[derive(Deserialize)]
        struct Listed {
            call_sid: CallSid,
            #[serde(default)]
            date_enqueued: Option<String>,
        }
        let first =
            format!("/2010-04-01/Accounts/{account}/Queues/{queue}/Members.json?PageSize=1000");
        let listed = self
            .list(Endpoint::ListMembers, Product::Api, first, "queue_members")
            .await;
        let listed: Option<Vec<Listed>> = found(listed)?;
        let member = |member: Listed| Member {
            call_sid: member.call_sid,
            enqueued_at: member.date_enqueued.as_deref().and_then(rfc2822),
        };
        Ok(listed.map(|members| members.into_iter().map(member).collect()))
    }
}
