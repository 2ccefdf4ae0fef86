//! Asks ingest as Twilio does.

use std::time::Duration;

use ladder::LADDER_HEADER;
use reqwest::redirect::Policy;
use service::failure::root_cause;
use twilio::{AuthToken, FormParams, SIGNATURE_HEADER, is_local, sign_form};
use url::Url;

/// What Twilio allows a callback.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The ladder that it comes from, if it comes from one.
    pub(crate) ladder: Option<String>,
}

/// Posts a form, signed as Twilio does, if there is a token.
pub(crate) async fn post(
    url: &str,
    form: &[(&'static str, String)],
    token: Option<&AuthToken>,
) -> Result<Answer, String> {
    let mut client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        // Twilio would follow a redirect, and the signature would no longer match.
        .redirect(Policy::none());
    // A proxy can't reach a local address.
    if Url::parse(url).is_ok_and(|url| is_local(&url)) {
        client = client.no_proxy();
    }
    let client = client.build().map_err(root_cause)?;
    let mut request = client.post(url).form(form);
    if let Some(token) = token {
        let params: FormParams = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
        request = request.header(SIGNATURE_HEADER, sign_form(token, url, &params));
    }
    let answer = request.send().await.map_err(root_cause)?;
    let ladder = answer.headers().get(LADDER_HEADER);
    let ladder = ladder.and_then(|hash| hash.to_str().ok());
    Ok(Answer {
        status: answer.status().as_u16(),
        ladder: ladder.map(str::to_owned),
    })
}
