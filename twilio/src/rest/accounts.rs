//! The account itself (<https://www.twilio.com/docs/iam/api/account>).

use serde::{Deserialize, Deserializer};

use super::{Client, Endpoint, RestError, null_is_empty};
use crate::{AccountSid, AuthToken};

/// An account, as far as it tells whether it can place calls, and whose signatures are its own.
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
    /// Its primary auth token, by which Twilio signs, whatever credentials asked for it; `None` where
    /// Twilio doesn't show it.
    #[serde(default, deserialize_with = "shown_token")]
    pub auth_token: Option<AuthToken>,
}

/// A token that is empty, or hidden behind asterisks or the like, is not shown.
fn shown_token<'de, D: Deserializer<'de>>(from: D) -> Result<Option<AuthToken>, D::Error> {
    let text = Option::<String>::deserialize(from)?.unwrap_or_default();
    let is_shown = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Ok(is_shown.then(|| AuthToken::new(text)))
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
