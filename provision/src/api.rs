//! The account at Twilio.

use twilio::AccountSid;
use twilio::rest::{Client, Flow};

/// The account at Twilio, and a client that asks it.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) client: Client,
    pub(crate) account: AccountSid,
}

impl Api {
    /// Where calls are sent for a flow.
    pub(crate) fn webhook_of(&self, flow: &Flow) -> String {
        flow.webhook_url.clone().unwrap_or_else(|| {
            format!(
                "https://webhooks.twilio.com/v1/Accounts/{}/Flows/{}",
                self.account, flow.sid
            )
        })
    }
}
