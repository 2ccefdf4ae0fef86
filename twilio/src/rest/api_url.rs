//! Where Twilio's REST API is: production, a region and edge, or a simulator.

use std::fmt;
use std::str::FromStr;

use strsim::osa_distance;
use url::Url;

use crate::host::{is_local, is_private};

/// The base of Twilio's REST API. Given as the URL of any one product, it knows the others':
/// `https://api.dublin.ie1.twilio.com` also means `https://taskrouter.dublin.ie1.twilio.com`. A
/// host outside `twilio.com`, a simulator's, serves all products.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiUrl {
    scheme: String,
    /// Host and port. Of a Twilio host, without the product.
    authority: String,
    per_product: bool,
}

/// Why a string is not a base URL of the REST API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; expected the URL of a host, for example https://api.twilio.com, \
     https://api.dublin.ie1.twilio.com or http://127.0.0.1:4010"
)]
pub struct InvalidApiUrl(&'static str);

const TWILIO: &str = "twilio.com";

impl ApiUrl {
    /// The base of a product, which is named by its subdomain, without a slash at its end.
    pub(super) fn base(&self, product: &str) -> String {
        let (scheme, authority) = (&self.scheme, &self.authority);
        if self.per_product {
            format!("{scheme}://{product}.{authority}")
        } else {
            format!("{scheme}://{authority}")
        }
    }

    /// Whether it is on this machine, where no proxy leads.
    pub fn is_local(&self) -> bool {
        Url::parse(&self.base("api")).is_ok_and(|url| is_local(&url))
    }

    /// Whether it is on this machine or in a network of one's own, as a simulator is.
    pub fn is_private(&self) -> bool {
        Url::parse(&self.base("api")).is_ok_and(|url| is_private(&url))
    }

    /// Whether this is Twilio itself.
    pub fn is_twilio(&self) -> bool {
        self.per_product
    }
}

impl Default for ApiUrl {
    fn default() -> Self {
        Self {
            scheme: "https".to_owned(),
            authority: TWILIO.to_owned(),
            per_product: true,
        }
    }
}

impl FromStr for ApiUrl {
    type Err = InvalidApiUrl;

    fn from_str(text: &str) -> Result<Self, InvalidApiUrl> {
        let url = Url::parse(text).map_err(|_| InvalidApiUrl("not a URL"))?;
        let host = match (url.scheme(), url.host_str()) {
            ("http" | "https", Some(host)) => host,
            _ => return Err(InvalidApiUrl("not an http or https URL")),
        };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidApiUrl("the URL has more than a host and a port"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidApiUrl(
                "the URL holds credentials, which have settings of their own",
            ));
        }
        let per_product = host == TWILIO || host.ends_with(&format!(".{TWILIO}"));
        if !per_product && !is_private(&url) && is_misspelt(host) {
            return Err(InvalidApiUrl(
                "the host is not Twilio's, though it looks like it; Twilio's hosts end in \
                 .twilio.com",
            ));
        }
        if per_product && url.scheme() != "https" {
            return Err(InvalidApiUrl("Twilio's API takes https only"));
        }
        if per_product && is_region_alone(host) {
            return Err(InvalidApiUrl(
                "the host names a region without its edge; such hosts ended in April 2026",
            ));
        }
        let host = match host.split_once('.') {
            Some((_, region)) if per_product && host != TWILIO => region,
            _ => host,
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self {
            scheme: url.scheme().to_owned(),
            authority,
            per_product,
        })
    }
}

/// Whether somebody meant `twilio.com`: credentials would go to whoever has the other name.
fn is_misspelt(host: &str) -> bool {
    let mut labels = host.trim_end_matches('.').rsplit('.');
    let (_, name) = (labels.next(), labels.next().unwrap_or_default());
    // An operation is a letter too many, missing or wrong, or two that changed places.
    osa_distance(name, "twilio") <= 1
}

/// Whether a host of Twilio's is `PRODUCT.REGION.twilio.com`; a region is called `ie1`, an edge
/// `dublin`.
fn is_region_alone(host: &str) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    let [_, region, "twilio", "com"] = labels[..] else {
        return false;
    };
    matches!(region.as_bytes(), [a, b, c] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit())
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base("api"))
    }
}

impl fmt::Debug for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_url_names_all_products_of_a_region() {
        for (given, api, taskrouter) in [
            (
                "https://api.twilio.com",
                "https://api.twilio.com",
                "https://taskrouter.twilio.com",
            ),
            (
                "https://api.dublin.ie1.twilio.com/",
                "https://api.dublin.ie1.twilio.com",
                "https://taskrouter.dublin.ie1.twilio.com",
            ),
            (
                "https://taskrouter.sydney.au1.twilio.com",
                "https://api.sydney.au1.twilio.com",
                "https://taskrouter.sydney.au1.twilio.com",
            ),
            (
                "http://127.0.0.1:4010",
                "http://127.0.0.1:4010",
                "http://127.0.0.1:4010",
            ),
        ] {
            let url: ApiUrl = given.parse().unwrap();
            assert_eq!(url.base("api"), api);
            assert_eq!(url.base("taskrouter"), taskrouter);
        }
        assert_eq!(ApiUrl::default(), "https://api.twilio.com".parse().unwrap());
    }

    #[test]
    fn a_simulator_may_be_called_anything() {
        for url in [
            "http://twilio:4010",
            "http://simulator.twilio.svc:4010",
            "https://twilio.example.com",
            "https://simulator.example.com",
        ] {
            assert!(!url.parse::<ApiUrl>().unwrap().is_twilio(), "{url}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for bad in [
            "",
            "api.twilio.com",
            "ftp://api.twilio.com",
            "http://api.twilio.com",
            "https://AC1:secret@api.twilio.com",
            "https://api.twilio.com/2010-04-01",
            "https://api.twilio.com?x=1",
            "https://api.ie1.twilio.com",
            "https://taskrouter.us2.twilio.com",
            "https://api.twilio.con",
            "https://api.twillio.com",
            "https://api.dublin.ie1.twlio.com",
            "https://twiilo.com",
        ] {
            let error = bad.parse::<ApiUrl>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
