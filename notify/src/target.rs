//! Whom to tell.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::SigningKey;
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
    url: Url,
    keys: Vec<SigningKey>,
    reach: Reach,
}

/// Why a text can't be the URL of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// It is none.
    #[error("is not a URL with a host")]
    NoUrl,
    /// Not by https.
    #[error("must be a URL with https")]
    NotHttps,
    /// It names a private address.
    #[error("leads to a private address")]
    NotPublic,
}

impl InvalidTarget {
    /// Whether [`Reach::Anywhere`] would allow it.
    pub fn is_out_of_reach(self) -> bool {
        self != Self::NoUrl
    }
}

impl Target {
    /// A receiver at this URL. Each key signs; none is needed. To what a name leads is seen when it is
    /// connected to.
    ///
    /// # Errors
    /// It is no URL, or out of reach.
    pub fn new(url: &str, keys: Vec<SigningKey>, reach: Reach) -> Result<Self, InvalidTarget> {
        let url: Url = url.parse().map_err(|_| InvalidTarget::NoUrl)?;
        let scheme = url.scheme();
        if !url.has_host() || !matches!(scheme, "http" | "https") {
            return Err(InvalidTarget::NoUrl);
        }
        if reach == Reach::Public {
            if scheme != "https" {
                return Err(InvalidTarget::NotHttps);
            }
            if address(&url).is_some_and(|address| !is_public(address)) {
                return Err(InvalidTarget::NotPublic);
            }
        }
        Ok(Self { url, keys, reach })
    }

    /// The host, which is all that may be shown.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.host() == "localhost" || address(&self.url).is_some_and(|at| at.is_loopback())
    }
}

fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}, …)", self.host())
    }
}
