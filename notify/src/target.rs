//! Whom to tell, and what that is signed with.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::public::is_public;

/// Which receivers may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those at public addresses, by https.
    Public,
    /// Any, by http as well.
    Anywhere,
}

/// Whom to tell, and what that is signed with. Of its URL only the host is ever shown: chat tools put
/// a password into the path.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) url: Url,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) reach: Reach,
}

/// Why a text can't be the URL of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// It is none.
    #[error("is not a URL with https")]
    NoUrl,
    /// Not by https.
    #[error("must be a URL with https, unless NOTIFY_PRIVATE is true")]
    NotHttps,
    /// It names a private address.
    #[error("leads to a private address; NOTIFY_PRIVATE=true allows that")]
    NotPublic,
}

impl Target {
    /// A receiver at this URL. Each key signs; none is needed. To what a name leads is seen when it is
    /// connected to.
    ///
    /// # Errors
    /// It is no URL, or out of reach.
    pub fn new(url: &str, keys: Vec<SigningKey>, reach: Reach) -> Result<Self, InvalidTarget> {
        let url: Url = url.parse().map_err(|_| InvalidTarget::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidTarget::NoUrl);
        }
        let target = Self { url, keys, reach };
        let is_private = target.address().is_some_and(|address| !is_public(address));
        match reach {
            Reach::Public if target.url.scheme() != "https" => Err(InvalidTarget::NotHttps),
            Reach::Public if is_private => Err(InvalidTarget::NotPublic),
            _ => Ok(target),
        }
    }

    /// The host, which is all that may be shown.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.host() == "localhost" || self.address().is_some_and(|at| at.is_loopback())
    }

    fn address(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}, …)", self.host())
    }
}

/// What messages are signed with; the receiver has it, too.
#[derive(Debug, Clone)]
pub struct SigningKey(pub(crate) SecretString);

/// A text that is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no key of Standard Webhooks: whsec_ and 24 to 64 bytes in Base64")]
pub struct InvalidKey;

impl FromStr for SigningKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let bytes = text.strip_prefix("whsec_").map(|key| STANDARD.decode(key));
        match bytes {
            Some(Ok(bytes)) if (24..=64).contains(&bytes.len()) => Ok(Self(text.into())),
            _ => Err(InvalidKey),
        }
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for SigningKey {}
