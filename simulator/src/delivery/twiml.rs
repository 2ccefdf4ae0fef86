//! Fetching TwiML for a call.

use reqwest::Method;
use tokio::time::Instant;
use twilio::{FormParams, sign_form};

use super::overrides::Overrides;
use super::sender::{FORM, request};
use crate::core::Core;
use crate::journal::CallbackOutcome;
use crate::line::Params;
use crate::twiml::{self, Ask, InvalidTwiml, TwimlMethod, Verb};

impl Core {
    /// Fetches the instructions for a call of which these are the parameters.
    pub(crate) async fn fetch_twiml(
        &self,
        ask: &Ask,
        params: &Params,
    ) -> Result<Vec<Verb>, InvalidTwiml> {
        let (url, overrides) = Overrides::split(&ask.url);
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let request = match ask.method {
            TwimlMethod::Post => {
                let params = params.iter().map(|(n, v)| (*n, v.as_str())).collect();
                let signature = sign_form(&self.signing_token, url, &params);
                request(Method::POST, url, &signature, Some((FORM, form)))
            }
            TwimlMethod::Get => {
                let separator = if url.contains('?') { '&' } else { '?' };
                let url = format!("{url}{separator}{form}");
                let signature = sign_form(&self.signing_token, &url, &FormParams::default());
                request(Method::GET, &url, &signature, None)
            }
        };
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let timeout = overrides.timeout(started.elapsed());
            let exchanged = self
                .sender
                .exchange(&request, overrides.connect_timeout, timeout);
            let outcome = match exchanged.await {
                Ok((200..=299, body)) => {
                    let text = String::from_utf8(body).map_err(|_| InvalidTwiml::NotUtf8)?;
                    return twiml::parse(&text, Some(url));
                }
                Ok((status, _)) => CallbackOutcome::Answered(status),
                Err(outcome) => outcome,
            };
            if !overrides.retries(attempt, outcome, started.elapsed()) {
                return Err(InvalidTwiml::NotFetched(outcome));
            }
            attempt += 1;
        }
    }
}
