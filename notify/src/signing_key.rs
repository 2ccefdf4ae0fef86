//! What webhooks are signed with.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::Webhook as Signer;

use crate::Message;

/// How long a key is, in bytes
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
const LENGTH: RangeInclusive<usize> = 24..=64;

/// A key that the receiver has, too.
#[derive(Clone)]
pub struct SigningKey(SecretString);

/// A text that is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no key of Standard Webhooks: whsec_ and 24 to 64 bytes in Base64")]
pub struct InvalidSigningKey;

impl SigningKey {
    /// The signature of a message, in the form of its header.
    pub(crate) fn sign(&self, message: &Message<'_>) -> String {
        let signer = Signer::new(self.0.expose_secret());
        let at = message.at.as_second();
        let signature = signer.and_then(|s| s.sign(message.id, at, message.body.as_bytes()));
        // The key was seen to be one, and the body is UTF-8: it can't fail.
        signature.unwrap_or_default()
    }
}

impl FromStr for SigningKey {
    type Err = InvalidSigningKey;

    fn from_str(text: &str) -> Result<Self, InvalidSigningKey> {
        let key = text.strip_prefix("whsec_").ok_or(InvalidSigningKey)?;
        let bytes = STANDARD.decode(key).map_err(|_| InvalidSigningKey)?;
        LENGTH
            .contains(&bytes.len())
            .then(|| Self(text.into()))
            .ok_or(InvalidSigningKey)
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}
