//! Fetching TwiML for a call.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use tokio::time::Instant;
use twilio::{FormParams, sign_form};

use super::overrides::Overrides;
use super::webhooks::{FORM, SIGNATURE, Webhooks, request};
use crate::core::Core;
use crate::journal::CallbackOutcome;
use crate::state::{FetchTwiml, TwimlMethod};
use crate::twiml::{Document, InvalidTwiml};

impl Webhooks {
    /// Fetches the instructions for a call.
    pub(crate) async fn fetch_twiml(
        &self,
        core: &Arc<Core>,
        fetch: &FetchTwiml,
    ) -> Result<Document, InvalidTwiml> {
        let (url, overrides) = Overrides::split(&fetch.url);
        let params = core.look(|state| state.twiml_params(fetch.call));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&params)
            .finish();
        let started = Instant::now();
        let mut attempt = 0;
        loop {
            let request = match fetch.method {
                TwimlMethod::Post => {
                    let form: FormParams<'_> =
                        params.iter().map(|(n, v)| (*n, v.as_str())).collect();
                    let signature = sign_form(&core.signing_token, url, &form);
                    let headers = [(SIGNATURE, signature.as_str()), (CONTENT_TYPE, FORM)];
                    request(Method::POST, url, headers, query.clone())
                }
                TwimlMethod::Get => {
                    let separator = if url.contains('?') { '&' } else { '?' };
                    let url = format!("{url}{separator}{query}");
                    let none = FormParams::default();
                    let signature = sign_form(&core.signing_token, &url, &none);
                    let headers = [(SIGNATURE, signature.as_str())];
                    request(Method::GET, &url, headers, String::new())
                }
            };
            let left = overrides.total_time.saturating_sub(started.elapsed());
            let timeout = overrides.read_timeout.min(left);
            let result = self
                .exchange(request, overrides.connect_timeout, timeout)
                .await;
            let outcome = match result {
                Ok((200..=299, body)) => {
                    let text = String::from_utf8(body)
                        .map_err(|_| InvalidTwiml::NotXml("not UTF-8".into()))?;
                    return Document::parse(&text);
                }
                Ok((status, _)) => CallbackOutcome::Answered(status),
                Err(outcome) => outcome,
            };
            attempt += 1;
            let time_left = started.elapsed() < overrides.total_time;
            if attempt > overrides.retries || !overrides.retries_on(outcome) || !time_left {
                let problem = match outcome.status() {
                    Some(status) => format!("status {status}"),
                    None => outcome.problem().unwrap_or_default().to_owned(),
                };
                return Err(InvalidTwiml::NotFetched(problem));
            }
        }
    }
}
