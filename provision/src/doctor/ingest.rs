//! Does ingest answer at the public URL, and does it check signatures? It gets an event, as Twilio
//! would send it, of a type that it ignores.

use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use service::failure::root_cause;
use service::settings::TwilioSettings;
use twilio::rest::is_local;
use twilio::{AuthToken, EVENTS_PATH, FormParams, PublicUrl, SIGNATURE_HEADER, sign_form};
use url::Url;

use super::report::Report;
use crate::callback::shown;

/// What Twilio allows a callback.
const TIMEOUT: Duration = Duration::from_secs(15);

pub(super) async fn check(twilio: &TwilioSettings, public_url: &PublicUrl, report: &mut Report) {
    // Reported with the account.
    let Some(token) = twilio.auth_tokens.first() else {
        return;
    };
    let url = public_url.join(EVENTS_PATH);
    let form = probe(twilio);
    let name = shown(&url);
    let started = Instant::now();
    let signed = post(&url, &form, Some(token)).await;
    let elapsed = started.elapsed().as_millis();
    match signed {
        Err(problem) => {
            report.fail(
                "ingest",
                format!("{name} does not answer: {problem}"),
                "start ingest (`overflow run`), and see that PUBLIC_URL leads to it from outside",
            );
            return;
        }
        Ok(204) => report.ok(
            "ingest",
            format!("{name} took a signed test callback in {elapsed} ms"),
        ),
        Ok(403) => report.fail(
            "ingest",
            format!("{name} refuses a callback that our auth token signed"),
            "give ingest the same PUBLIC_URL, to the letter, TWILIO_AUTH_TOKEN and \
             TWILIO_ACCOUNT_SID",
        ),
        Ok(status) => report.fail(
            "ingest",
            format!("{name} answered {status}, not 204: something else answers there"),
            "see what is behind PUBLIC_URL: a proxy, another service, another path?",
        ),
    }
    match post(&url, &form, None).await {
        Ok(status @ 200..=299) => report.fail(
            "signatures",
            format!("{name} answered {status} to a callback without a signature"),
            "see what is behind PUBLIC_URL: ingest refuses them, so something else answers there",
        ),
        Ok(403) => report.ok("signatures", "a callback without a signature is refused"),
        // Reported above.
        Ok(_) | Err(_) => {}
    }
}

fn probe(twilio: &TwilioSettings) -> Vec<(&'static str, String)> {
    vec![
        ("AccountSid", twilio.account_sid.to_string()),
        ("EventDescription", "A test by overflow doctor".to_owned()),
        ("EventType", "overflow.doctor".to_owned()),
        ("Sid", format!("EV{:032x}", rand::random::<u128>())),
    ]
}

async fn post(
    url: &str,
    form: &[(&'static str, String)],
    token: Option<&AuthToken>,
) -> Result<u16, String> {
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
    Ok(answer.status().as_u16())
}
