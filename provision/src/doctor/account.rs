//! Do the credentials work, and does the auth token sign?

use service::settings::TwilioSettings;
use twilio::rest::{
    Account, AccountStatus, AccountType, Client, ClientConfig, Credentials, RestError,
};

use super::clock::Ahead;
use super::report::Report;
use crate::api::Api;
use crate::error::advice;

pub(super) async fn check(twilio: &TwilioSettings, api: &Api, report: &mut Report) {
    let by_key = matches!(twilio.client.credentials, Credentials::ApiKey(..));
    let clock = Ahead::default();
    let account = api.account;
    match clock.of(&api.client).account(&account).await {
        Ok(account) => describe(api, &account, report),
        // A standard API key works all the same. The checks below show what it may do.
        Err(error) if by_key && is_refused(&error) => report.ok(
            "credentials",
            format!("an API key of account {account}, which may not read the account itself"),
        ),
        Err(error) => report.fail(
            "credentials",
            format!("account {account} cannot be read: {error}"),
            advice(&error),
        ),
    }
    clock.check(report);
    let url = &twilio.client.api_url;
    report.ok(
        "region",
        match url.is_twilio() {
            true => format!("{url}; its credentials are valid there only"),
            false => format!("{url}, which is not Twilio"),
        },
    );
    check_tokens(twilio, api, by_key, report).await;
}

fn is_refused(error: &RestError) -> bool {
    matches!(error.refusal(), Some(refusal) if matches!(refusal.status, 401 | 403))
}

fn describe(api: &Api, account: &Account, report: &mut Report) {
    let name = format!("account {:?} ({})", account.friendly_name, api.account);
    match (account.status, account.kind) {
        (AccountStatus::Suspended | AccountStatus::Closed, _) => report.fail(
            "credentials",
            format!("{name} is suspended or closed"),
            "see Console > Account for the reason",
        ),
        (_, AccountType::Trial) => report.warn(
            "credentials",
            format!("{name} is a trial account"),
            "it dials verified numbers only: verify the forward number (Console > Phone Numbers > \
             Verified caller IDs) or upgrade",
        ),
        _ => report.ok("credentials", name),
    }
}

/// Twilio signs with the account's primary auth token. A token that works in a request is one that
/// Twilio knows.
async fn check_tokens(twilio: &TwilioSettings, api: &Api, by_key: bool, report: &mut Report) {
    if twilio.auth_tokens.is_empty() {
        report.fail(
            "auth token",
            "is not set: an API key verifies no signatures, so ingest can't start",
            "set TWILIO_AUTH_TOKEN as well",
        );
        return;
    }
    let count = twilio.auth_tokens.len();
    for (index, token) in twilio.auth_tokens.iter().enumerate() {
        let name = match count {
            1 => "the auth token".to_owned(),
            _ => format!("auth token {} of {count}", index + 1),
        };
        let config = ClientConfig {
            credentials: Credentials::AuthToken(api.account, token.clone()),
            ..twilio.client.clone()
        };
        let known = match Client::new(&config) {
            Ok(client) => client.account(&api.account).await,
            Err(error) => Err(error),
        };
        match known {
            Ok(_) => report.ok(
                "auth token",
                format!("{name} is the account's: what it signs, ingest accepts"),
            ),
            Err(error) if is_refused(&error) && index > 0 => {
                let todo = "remove it once its rotation is over";
                report.warn("auth token", format!("{name} is not the account's"), todo);
            }
            // Reported above.
            Err(_) if !by_key && index == 0 => {}
            Err(error) => report.fail(
                "auth token",
                format!("Twilio does not accept {name}: {error}"),
                "compare TWILIO_AUTH_TOKEN with Console > Account > API keys & tokens: with a wrong \
                 one, ingest refuses every callback",
            ),
        }
    }
}
