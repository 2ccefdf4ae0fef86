//! `X-Twilio-Signature`: the proof that a request comes from Twilio.
//!
//! Base64 of an HMAC-SHA1, keyed with the account's auth token, over the URL as Twilio knows it
//! and the sorted form parameters; a body that is no form is bound in by a `bodySHA256` query
//! parameter (<https://www.twilio.com/docs/usage/security#validating-requests>).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::FormParams;
use crate::public_url::without_overrides;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "X-Twilio-Signature";

const BODY_HASH_PARAMETER: &str = "bodySHA256";

/// An account's auth token, the key of its signatures. API keys sign nothing.
#[derive(Clone)]
pub struct AuthToken(SecretString);

impl AuthToken {
    /// Takes the token as the console shows it.
    pub fn new(token: impl Into<String>) -> Self {
        Self(SecretString::from(token.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn mac(&self) -> Hmac<Sha1> {
        // HMAC takes keys of any length.
        Hmac::new_from_slice(self.expose().as_bytes()).unwrap_or_else(|_| unreachable!())
    }
}

/// Takes as long whatever the difference is.
impl PartialEq for AuthToken {
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.expose().as_bytes().ct_eq(other.expose().as_bytes()))
    }
}

impl Eq for AuthToken {}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(…)")
    }
}

/// Why a request is not taken for Twilio's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("the {SIGNATURE_HEADER} header is missing")]
    Missing,
    /// It is not one that any of our tokens makes for this URL and body.
    #[error(
        "{SIGNATURE_HEADER} does not match; if this request is Twilio's, compare PUBLIC_URL with \
         the URL set at Twilio, and the auth token with the console's"
    )]
    Mismatch,
    /// A body that is no form, without its hash in the URL.
    #[error("the URL carries no {BODY_HASH_PARAMETER} of the body")]
    NoBodyHash,
    /// The hash in the URL is not the body's.
    #[error("{BODY_HASH_PARAMETER} is not the hash of the body")]
    WrongBodyHash,
}

/// A URL as Twilio may have written it when it signed: with and without a port, with and without
/// user information, for its products don't agree.
#[derive(Clone)]
pub struct SignedUrl {
    variants: Vec<String>,
}

impl SignedUrl {
    /// The spellings of `url`. Its fragment, which holds connection overrides, is never signed.
    pub fn new(url: &str) -> Self {
        let url = without_overrides(url);
        let Some((scheme, rest)) = url.split_once("://") else {
            return Self {
                variants: vec![url.to_owned()],
            };
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        let (bare, port) = match host.rsplit_once(':') {
            Some((bare, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (bare, Some(port)),
            _ => (host, None),
        };
        let default_port = if scheme.eq_ignore_ascii_case("http") {
            "80"
        } else {
            "443"
        };
        let port = port.filter(|p| !p.is_empty()).unwrap_or(default_port);

        let mut variants = vec![
            format!("{scheme}://{bare}{path}"),
            format!("{scheme}://{bare}:{port}{path}"),
        ];
        if let Some(userinfo) = userinfo {
            variants.push(format!("{scheme}://{userinfo}@{bare}{path}"));
            variants.push(format!("{scheme}://{userinfo}@{bare}:{port}{path}"));
        }
        Self { variants }
    }
}

impl SignedUrl {
    /// Whether a signature over `url` is expected.
    pub fn covers(&self, url: &str) -> bool {
        let url = without_overrides(url);
        self.variants.iter().any(|variant| variant == url)
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The first spelling is the one without user information.
        f.write_str(self.variants.first().map_or("", String::as_str))
    }
}

/// Verifies signatures with any of several auth tokens, so that a token can be rotated without a
/// gap. Clones share them.
#[derive(Debug, Clone)]
pub struct SignatureVerifier {
    tokens: Arc<RwLock<Vec<AuthToken>>>,
}

impl SignatureVerifier {
    /// A verifier that accepts signatures made with any of `tokens`.
    pub fn new(tokens: impl IntoIterator<Item = AuthToken>) -> Self {
        Self {
            tokens: Arc::new(RwLock::new(tokens.into_iter().collect())),
        }
    }

    /// Accepts signatures made with any of `tokens` from now on, and no others.
    pub fn accept(&self, tokens: impl IntoIterator<Item = AuthToken>) {
        *self.tokens.write() = tokens.into_iter().collect();
    }

    /// Verifies a request whose parameters are a form body, or which has none (a `GET`).
    /// `query` is the query string as received, without `?`.
    ///
    /// # Errors
    /// The signature is missing, or none that a token of ours makes.
    pub fn verify_form(
        &self,
        url: &SignedUrl,
        query: Option<&str>,
        params: &FormParams,
        signature: Option<&str>,
    ) -> Result<(), SignatureError> {
        let signature = signature.ok_or(SignatureError::Missing)?;
        let sent = STANDARD
            .decode(signature)
            .map_err(|_| SignatureError::Mismatch)?;
        let pairs = params.canonical();
        // Only what fits ends the search early: a forger sees all combinations computed.
        for token in self.tokens.read().iter() {
            let keyed = token.mac();
            for variant in &url.variants {
                let mut mac = keyed.clone();
                sign_into(&mut mac, variant, query, &pairs);
                if mac.finalize().into_bytes().as_slice().ct_eq(&sent).into() {
                    return Ok(());
                }
            }
        }
        Err(SignatureError::Mismatch)
    }

    /// Verifies a request whose body is no form: the URL is signed alone, and its `bodySHA256`
    /// binds the body.
    ///
    /// # Errors
    /// As [`SignatureVerifier::verify_form`], or the hash is missing or not the body's.
    pub fn verify_body(
        &self,
        url: &SignedUrl,
        query: Option<&str>,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<(), SignatureError> {
        self.verify_form(url, query, &FormParams::default(), signature)?;
        let hash = query
            .and_then(|query| {
                form_urlencoded::parse(query.as_bytes())
                    .find(|(name, _)| name == BODY_HASH_PARAMETER)
            })
            .map(|(_, hash)| hash)
            .ok_or(SignatureError::NoBodyHash)?;
        if body_hash(body)
            .as_bytes()
            .ct_eq(hash.to_ascii_lowercase().as_bytes())
            .into()
        {
            Ok(())
        } else {
            Err(SignatureError::WrongBodyHash)
        }
    }
}

/// The signature that Twilio would send for a form posted to `url` (as it stands, fragment
/// excepted): for the simulator, and for probes that prove a set-up.
pub fn sign_form(token: &AuthToken, url: &str, params: &FormParams) -> String {
    let url = without_overrides(url);
    let mut mac = token.mac();
    sign_into(&mut mac, url, None, &params.canonical());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The URL to which Twilio would post `body`, a body that is no form, and its signature.
pub fn sign_body(token: &AuthToken, url: &str, body: &[u8]) -> (String, String) {
    let url = without_overrides(url);
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}{BODY_HASH_PARAMETER}={}", body_hash(body));
    let signature = sign_form(token, &url, &FormParams::default());
    (url, signature)
}

fn sign_into(mac: &mut Hmac<Sha1>, url: &str, query: Option<&str>, pairs: &[(&str, &str)]) {
    mac.update(url.as_bytes());
    if let Some(query) = query {
        mac.update(b"?");
        mac.update(query.as_bytes());
    }
    for (name, value) in pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
}

fn body_hash(body: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(body)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
