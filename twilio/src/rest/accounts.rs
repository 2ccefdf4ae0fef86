//! The account itself (<https://www.twilio.com/docs/iam/api/account>).

use serde::Deserialize;

use super::{Client, Endpoint, RestError, null_is_empty};
use crate::AccountSid;

/// An account, as far as it tells whether it can place calls. Its auth token, which Twilio sends
/// along, is not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// Its name.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub friendly_name: String,
    /// Whether it may be used.
    pub status: AccountStatus,
    /// Whether it is paid for.
    #[serde(rename = "type")]
    pub kind: AccountType,
}

/// `status` of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    /// In use.
    Active,
    /// Stopped by Twilio or its owner.
    Suspended,
    /// Gone for good.
    Closed,
    /// A status that Twilio added later.
    #[serde(other)]
    Unknown,
}

/// `type` of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum AccountType {
    /// Unpaid: dials verified numbers only.
    Trial,
    /// Paid for.
    Full,
    /// A type that Twilio added later.
    #[serde(other)]
    Unknown,
}

impl Client {
    /// Reads the account. Only its auth token or a main API key may: a standard API key is refused.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn account(&self, account: &AccountSid) -> Result<Account, RestError> {
        let path = format!("/2010-04-01/Accounts/{account}.json");
        self.get(Endpoint::FetchAccount, &path).await
    }
}
