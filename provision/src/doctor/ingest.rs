//! Does ingest answer at the public URL, and does it check signatures? It gets an event, as Twilio
//! would send it, of a type that it ignores.

use std::time::Instant;

use service::settings::TwilioSettings;
use twilio::{AuthToken, EVENTS_PATH, PROBE_EVENT, PublicUrl, PublicUrlFlaw};

use super::report::Report;
use crate::callback::shown;
use crate::post::post;

/// Signs as Twilio does, where the primary auth token is known.
pub(super) async fn check(
    twilio: &TwilioSettings,
    public_url: &PublicUrl,
    primary: Option<&AuthToken>,
    report: &mut Report<'_>,
) {
    check_public_url(public_url, twilio.client.api_url.is_twilio(), report);
    // Reported with the account.
    let Some(token) = primary.or(twilio.auth_tokens.first()) else {
        return;
    };
    let url = public_url.join(EVENTS_PATH);
    let form = probe(twilio);
    let name = shown(&url);
    let started = Instant::now();
    let signed = post(&url, &form, Some(token)).await;
    let signed = signed.map(|answer| answer.status);
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
            format!("{name} refuses a callback that the account's auth token signed"),
            "give ingest the same PUBLIC_URL, to the letter, TWILIO_AUTH_TOKEN and \
             TWILIO_ACCOUNT_SID",
        ),
        Ok(404) => report.fail(
            "ingest",
            format!("{name} answered 404, not 204: ingest isn't there, or gets another path"),
            "let the proxy pass /taskrouter/… on to ingest, behind the path of PUBLIC_URL or without \
             it",
        ),
        Ok(status) => report.fail(
            "ingest",
            format!("{name} answered {status}, not 204: something else answers there"),
            "see what is behind PUBLIC_URL: a proxy, another service, another path?",
        ),
    }
    match post(&url, &form, None).await.map(|answer| answer.status) {
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

/// Twilio itself gets to fewer places than a simulator on this machine.
fn check_public_url(public_url: &PublicUrl, is_twilio: bool, report: &mut Report<'_>) {
    let todo = "let a proxy with TLS or a tunnel lead to ingest, and set PUBLIC_URL to its URL";
    match public_url.flaw().filter(|_| is_twilio) {
        None => {}
        Some(PublicUrlFlaw::Private) => {
            let found = format!("{public_url} {}", PublicUrlFlaw::Private);
            report.fail("public URL", found, todo);
        }
        Some(flaw) => report.warn("public URL", format!("{public_url} {flaw}"), todo),
    }
}

fn probe(twilio: &TwilioSettings) -> Vec<(&'static str, String)> {
    vec![
        ("AccountSid", twilio.account_sid.to_string()),
        ("EventDescription", "A test by overflow doctor".to_owned()),
        ("EventType", PROBE_EVENT.to_owned()),
        ("Sid", format!("EV{:032x}", rand::random::<u128>())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(check: impl FnOnce(&mut Report<'_>)) -> String {
        let mut text = String::new();
        let mut show = |line: &dyn std::fmt::Display| text.push_str(&format!("{line}\n"));
        check(&mut Report::new(&mut show, false));
        text
    }

    #[test]
    fn a_public_url_that_twilio_cannot_use_is_found_and_a_rehearsal_may_use_it() {
        for (url, sign) in [
            ("http://192.168.1.5:8080", "✗ public URL"),
            ("http://localhost:8080", "✗ public URL"),
            ("http://overflow.example.com", "! public URL"),
            ("https://overflow.example.com", ""),
        ] {
            let url: PublicUrl = url.parse().unwrap();
            let found = shown(|report| check_public_url(&url, true, report));
            assert!(
                found.starts_with(sign) && found.is_empty() == sign.is_empty(),
                "{found}"
            );
            assert_eq!(shown(|report| check_public_url(&url, false, report)), "");
        }
    }
}
