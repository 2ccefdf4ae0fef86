//! Made-up identifiers and numbers.

use std::hash::Hash;
use std::str::FromStr;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use twilio::{
    AccountSid, ApiKeySid, CallSid, E164, EventSid, FlowSid, PhoneNumberSid, QueueSid,
    RecordingSid, SinkSid, SubscriptionSid, TaskChannelSid, TaskQueueSid, TaskSid, WorkflowSid,
    WorkspaceSid,
};

use crate::config::Account;

/// A source of SIDs, the same for the same seed.
pub(crate) struct Ids(StdRng);

/// Any SID.
pub(crate) trait Sid: Copy + Eq + Hash + FromStr {
    const PREFIX: &'static str;
}

macro_rules! sids {
    ($($sid:ident),*) => {$(
        impl Sid for $sid {
            const PREFIX: &'static str = $sid::PREFIX;
        }
    )*};
}

sids!(
    AccountSid,
    ApiKeySid,
    CallSid,
    EventSid,
    FlowSid,
    PhoneNumberSid,
    SinkSid
);
sids!(
    SubscriptionSid,
    QueueSid,
    RecordingSid,
    TaskSid,
    TaskChannelSid,
    TaskQueueSid,
    WorkflowSid,
    WorkspaceSid
);

impl Ids {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn sid<T: Sid>(&mut self) -> T {
        // A prefix and 32 hexadecimal digits make a SID.
        let sid = self.text(T::PREFIX).parse();
        sid.unwrap_or_else(|_| unreachable!())
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
            sid: self.sid(),
            auth_token: self.secret(),
            secondary_auth_token: None,
            api_key: self.sid(),
            api_key_secret: self.secret(),
        }
    }
}
