//! Voice queues.

use serde_json::{Value, json};
use twilio::QueueSid;

use super::resource::{Resource, kept};
use crate::dates::rfc2822;
use crate::ordered::Ordered;
use crate::resources::{LARGEST_QUEUE, VoiceQueue};
use crate::state::{State, seconds_between};

impl Resource for VoiceQueue {
    kept!(QueueSid, voice_queues, "queues");

    fn show(&self, state: &State) -> Value {
        let (account, now) = (state.account.sid, state.now());
        let size = self.members.len();
        let waits = self
            .members
            .values()
            .map(|since| seconds_between(*since, now));
        let waited: i64 = waits.sum();
        json!({
            "date_updated": rfc2822(self.created),
            "current_size": size,
            "friendly_name": self.workflow,
            "uri": format!("/2010-04-01/Accounts/{account}/Queues/{}.json", self.sid),
            "account_sid": account,
            "average_wait_time": i64::try_from(size).map_or(0, |size| waited / size.max(1)),
            "sid": self.sid,
            "date_created": rfc2822(self.created),
            "max_size": LARGEST_QUEUE,
        })
    }
}
