//! Phone numbers of the account.

use twilio::{E164, PhoneNumberSid};

use crate::dates::Dates;

/// A phone number, and where calls to it go.
#[derive(Debug, Clone)]
pub(crate) struct IncomingNumber {
    pub(crate) sid: PhoneNumberSid,
    pub(crate) number: E164,
    pub(crate) voice_url: String,
    pub(crate) voice_method: String,
    pub(crate) voice_application: Option<String>,
    pub(crate) trunk: Option<String>,
    pub(crate) dates: Dates,
}
