//! Who we are to Twilio, and where Twilio is.

use std::path::PathBuf;
use std::time::Duration;

use ::twilio::rest::{ApiUrl, Client, ClientConfig, Credentials};
use ::twilio::{AccountSid, ApiKeySid, AuthToken, SignatureVerifier};
use secrecy::ExposeSecret;

use super::rotation::Files;
use super::{Problems, Setting, proxy};

/// The Twilio account.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Twilio account")]
pub struct TwilioArgs {
    /// The account's SID, AC…  [required]
    #[arg(long, env = "TWILIO_ACCOUNT_SID", value_name = "AC…", default_value = "")]
    pub account_sid: Setting<Option<AccountSid>>,

    /// The account's auth token; several, separated by commas, while one is being rotated (the
    /// first is used for requests, all are accepted in signatures). Prefer the variable or the
    /// file: flags show in process lists  [required by ingest]
    #[arg(long, env = "TWILIO_AUTH_TOKEN", value_name = "TOKEN")]
    pub auth_token: Option<String>,

    /// A file that holds the auth token; read again when it changes
    #[arg(long, env = "TWILIO_AUTH_TOKEN_FILE", value_name = "FILE")]
    pub auth_token_file: Option<PathBuf>,

    /// An API key for requests, instead of the auth token
    #[arg(long, env = "TWILIO_API_KEY_SID", value_name = "SK…", default_value = "")]
    pub api_key_sid: Setting<Option<ApiKeySid>>,

    /// The API key's secret
    #[arg(long, env = "TWILIO_API_KEY_SECRET", value_name = "SECRET")]
    pub api_key_secret: Option<String>,

    /// A file that holds the API key's secret; read again when it changes
    #[arg(long, env = "TWILIO_API_KEY_SECRET_FILE", value_name = "FILE")]
    pub api_key_secret_file: Option<PathBuf>,

    /// Where Twilio's REST API is, directly or through HTTPS_PROXY: a region and edge such as https://api.dublin.ie1.twilio.com, or
    /// a simulator
    #[arg(
        long,
        env = "TWILIO_API_URL",
        value_name = "URL",
        default_value = "https://api.twilio.com"
    )]
    pub api_url: Setting<ApiUrl>,

    /// How long a connection to Twilio may take to open, 3s at most
    #[arg(
        long = "twilio-connect-timeout",
        env = "TWILIO_CONNECT_TIMEOUT",
        value_name = "DURATION",
        default_value = "2s"
    )]
    pub connect_timeout: Setting<Duration>,

    /// How long a request to Twilio may take
    #[arg(
        long = "twilio-timeout",
        env = "TWILIO_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s"
    )]
    pub timeout: Setting<Duration>,
}

/// The Twilio account, resolved.
#[derive(Debug, Clone)]
pub struct TwilioSettings {
    /// The account.
    pub account_sid: AccountSid,
    /// Its auth tokens; empty if only an API key was given.
    pub auth_tokens: Vec<AuthToken>,
    /// How to reach the REST API.
    pub client: ClientConfig,
    /// What is read again while the process runs.
    pub(super) files: Files,
}

const TOKEN_EXAMPLE: &str = "0123456789abcdef0123456789abcdef";

impl TwilioArgs {
    /// Parses them.
    pub fn resolve(self, problems: &mut Problems) -> Option<TwilioSettings> {
        let files = Files::of(&self);
        let account_sid = problems.required(self.account_sid);
        let token_given = self
            .auth_token
            .as_ref()
            .is_some_and(|t| !t.trim().is_empty())
            || self.auth_token_file.is_some();
        let auth_tokens = problems.secret(
            "TWILIO_AUTH_TOKEN",
            self.auth_token,
            self.auth_token_file,
            TOKEN_EXAMPLE,
        );
        let auth_tokens: Vec<AuthToken> = auth_tokens
            .iter()
            .flat_map(|tokens| tokens.expose_secret().split([',', '\n']))
            .map(str::trim)
            .filter(|token| !token.is_empty() && is_auth_token(token, problems))
            .map(AuthToken::new)
            .collect();
        let key_sid = problems.take(self.api_key_sid);
        let example = "the secret that was shown when the key was made";
        let key_secret = problems.secret(
            "TWILIO_API_KEY_SECRET",
            self.api_key_secret,
            self.api_key_secret_file,
            example,
        );
        let credentials = match (key_sid, key_secret, auth_tokens.first()) {
            (Some(sid), Some(secret), _) => {
                if let Some(problem) = no_secret(secret.expose_secret()) {
                    problems.add("TWILIO_API_KEY_SECRET", problem, example);
                }
                Some(Credentials::ApiKey(sid, secret))
            }
            (Some(_), None, _) => {
                problems.add_line(
                    "TWILIO_API_KEY_SECRET: is not set, though TWILIO_API_KEY_SID is: set both or none",
                );
                None
            }
            (None, _, Some(token)) => {
                account_sid.map(|account| Credentials::AuthToken(account, token.clone()))
            }
            (None, _, None) => {
                if !token_given {
                    problems.add(
                        "TWILIO_AUTH_TOKEN",
                        "is not set, nor is an API key",
                        TOKEN_EXAMPLE,
                    );
                }
                None
            }
        };
        let api_url = problems.take(self.api_url);
        proxy::check(problems);
        // The redirector's last check is good for this long.
        let connect_timeout = problems.take(self.connect_timeout.must(
            |timeout| *timeout <= Duration::from_secs(3),
            "must be at most 3s",
        ));
        let timeout = problems.take(self.timeout);
        if connect_timeout.is_zero() || timeout.is_zero() {
            problems.add_line(
                "TWILIO_TIMEOUT, TWILIO_CONNECT_TIMEOUT: no request can be done in 0 (example: TWILIO_TIMEOUT=10s)",
            );
        }
        Some(TwilioSettings {
            account_sid: account_sid?,
            auth_tokens,
            client: ClientConfig {
                api_url,
                credentials: credentials?,
                connect_timeout,
                timeout,
            },
            files,
        })
    }
}

/// Whether it can be an auth token; that it is an unusual one is said.
fn is_auth_token(token: &str, problems: &mut Problems) -> bool {
    if let Some(problem) = no_secret(token) {
        problems.add("TWILIO_AUTH_TOKEN", problem, TOKEN_EXAMPLE);
        return false;
    }
    // Twilio's newer ones need not be.
    if token.len() != 32 || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        problems.warn(
            "TWILIO_AUTH_TOKEN",
            "is not 32 hexadecimal digits, as Twilio's tokens mostly are: compare it with the console",
        );
    }
    true
}

/// Why a text can't be a secret of Twilio's.
fn no_secret(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if ["your_", "auth_token", "secret", "<", "…", "..."]
        .iter()
        .any(|placeholder| lower.contains(placeholder))
    {
        return Some("is a placeholder, not the secret itself");
    }
    let is_odd = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '\'' | '\\');
    text.contains(is_odd)
        .then_some("holds quotes, blanks or characters that no secret of Twilio's has")
}

impl TwilioSettings {
    /// A verifier of signatures.
    ///
    /// `None`, with the problem added, if there is only an API key: it signs nothing.
    pub fn verifier(&self, problems: &mut Problems) -> Option<SignatureVerifier> {
        if self.auth_tokens.is_empty() {
            problems.add(
                "TWILIO_AUTH_TOKEN",
                "is not set: ingest needs it to verify that requests are Twilio's; an API key can't",
                TOKEN_EXAMPLE,
            );
            return None;
        }
        Some(SignatureVerifier::new(self.auth_tokens.iter().cloned()))
    }

    /// A client of the REST API.
    ///
    /// # Errors
    /// The system's certificates can't be read.
    pub fn client(&self) -> Result<Client, ::twilio::rest::RestError> {
        if let Some(proxy) = proxy::between(&self.client.api_url) {
            tracing::info!(%proxy, "Twilio is reached through a proxy");
        }
        Client::new(&self.client)
    }
}
