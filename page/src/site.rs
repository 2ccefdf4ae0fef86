//! Which names the page answers to. A name that an attacker makes resolve to our address (DNS
//! rebinding) is none of them.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use url::{Host, Url};

use crate::PageSettings;

/// Where the page is, by the settings.
pub(crate) struct Sites {
    listen: IpAddr,
    urls: Vec<Url>,
}

/// Where a browser found the page.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    url: Url,
}

impl Sites {
    pub(crate) fn of(settings: &PageSettings) -> Self {
        Self {
            listen: settings.listen.ip(),
            urls: settings.urls.clone(),
        }
    }

    /// Where this request's browser found the page; `None` under a name that isn't ours.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<Site> {
        let host = headers.get(HOST)?.to_str().ok()?;
        let named = self.urls.iter().find_map(|ours| {
            let url = Url::parse(&format!("{}://{host}", ours.scheme())).ok()?;
            (url.origin() == ours.origin()).then_some(url)
        });
        let url = named.or_else(|| {
            let url = Url::parse(&format!("http://{host}")).ok()?;
            (twilio::is_local(&url) || self.is_address(&url)).then_some(url)
        })?;
        Some(Site { url })
    }

    /// Whether it is by the address that we listen on. An address can't be rebound, so where we
    /// listen on all of them, each will do.
    fn is_address(&self, url: &Url) -> bool {
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            _ => return false,
        };
        self.listen.is_unspecified() || self.listen == address
    }
}

impl Site {
    /// Whether nobody on the way reads what is sent to it.
    pub(crate) fn is_private(&self) -> bool {
        self.is_encrypted() || twilio::is_local(&self.url)
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether a form comes from the page itself. Browsers say so with each form that is posted.
    pub(crate) fn sent(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(ORIGIN).map(|origin| origin.as_bytes());
        let is_ours = self.url.origin().ascii_serialization();
        let fetch_site = headers.get("sec-fetch-site");
        origin == Some(is_ours.as_bytes()) && fetch_site.is_none_or(|from| from == "same-origin")
    }
}
