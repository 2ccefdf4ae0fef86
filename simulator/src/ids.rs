//! Made-up identifiers and numbers.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use twilio::{
    AccountSid, ApiKeySid, CallSid, E164, EventSid, FlowSid, PhoneNumberSid, QueueSid, SinkSid,
    SubscriptionSid, TaskChannelSid, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid,
};

use crate::config::Account;

/// A source of SIDs, the same for the same seed.
pub(crate) struct Ids(StdRng);

macro_rules! sids {
    ($($method:ident: $sid:ident;)*) => {$(
        pub(crate) fn $method(&mut self) -> $sid {
            // A prefix and 32 hexadecimal digits make a SID.
            self.text($sid::PREFIX).parse().unwrap_or_else(|_| unreachable!())
        }
    )*};
}

impl Ids {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    sids! {
        account: AccountSid;
        api_key: ApiKeySid;
        call: CallSid;
        event: EventSid;
        flow: FlowSid;
        phone_number: PhoneNumberSid;
        sink: SinkSid;
        subscription: SubscriptionSid;
        voice_queue: QueueSid;
        task: TaskSid;
        task_channel: TaskChannelSid;
        task_queue: TaskQueueSid;
        workflow: WorkflowSid;
        workspace: WorkspaceSid;
    }

    /// An identifier that has no type of its own, such as an operating unit's `OU…`.
    pub(crate) fn text(&mut self, prefix: &str) -> String {
        format!("{prefix}{:032x}", self.0.random::<u128>())
    }

    pub(crate) fn secret(&mut self) -> String {
        format!("{:032x}", self.0.random::<u128>())
    }

    /// One of the numbers that are reserved for fiction in North America.
    pub(crate) fn number(&mut self) -> E164 {
        let area = self.0.random_range(201..990);
        let line = self.0.random_range(100..200);
        // Eleven digits, the first a 1.
        format!("+1{area}5550{line}")
            .parse()
            .unwrap_or_else(|_| unreachable!())
    }

    pub(crate) fn made_up_account(&mut self) -> Account {
        Account {
            sid: self.account(),
            auth_token: self.secret(),
            api_key: self.api_key(),
            api_key_secret: self.secret(),
        }
    }
}
