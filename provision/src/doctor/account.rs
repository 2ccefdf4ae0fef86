//! Do the credentials work, and does the auth token sign?

use service::settings::TwilioSettings;
use twilio::AuthToken;
use twilio::rest::{
    Account, AccountStatus, AccountType, ApiUrl, Client, ClientConfig, Credentials, RestError,
};

use super::clock::Ahead;
use super::report::Report;
use crate::api::Api;
use crate::error::advice;

/// Returns the account's primary auth token, with which Twilio signs, where Twilio shows it.
pub(super) async fn check(
    twilio: &TwilioSettings,
    api: &Api,
    report: &mut Report<'_>,
) -> Option<AuthToken> {
    let by_key = matches!(twilio.client.credentials, Credentials::ApiKey(..));
    let clock = Ahead::default();
    let account = api.account;
    let mut primary = None;
    match clock.of(&api.client).account(&account).await {
        Ok(account) => {
            describe(api, &account, report);
            primary = account.auth_token;
        }
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
    describe_region(&twilio.client.api_url, report);
    check_tokens(twilio, api, by_key, primary, report).await
}

fn describe_region(url: &ApiUrl, report: &mut Report<'_>) {
    match (url.is_twilio(), url.is_private()) {
        (true, _) => report.ok(
            "region",
            format!("{url}; its credentials are valid there only"),
        ),
        (false, true) => report.ok("region", format!("{url}, which is not Twilio")),
        (false, false) => report.warn(
            "region",
            format!("{url} is not Twilio, and gets its credentials"),
            "correct TWILIO_API_URL, unless that is a simulator or a gateway of yours",
        ),
    }
}

fn is_refused(error: &RestError) -> bool {
    matches!(error.refusal(), Some(refusal) if matches!(refusal.status, 401 | 403))
}

fn describe(api: &Api, account: &Account, report: &mut Report<'_>) {
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

/// Twilio accepts primary and secondary token in requests, and signs with the primary alone.
async fn check_tokens(
    twilio: &TwilioSettings,
    api: &Api,
    by_key: bool,
    mut primary: Option<AuthToken>,
    report: &mut Report<'_>,
) -> Option<AuthToken> {
    if twilio.auth_tokens.is_empty() {
        report.fail(
            "auth token",
            "is not set: an API key verifies no signatures, so ingest can't start",
            "set TWILIO_AUTH_TOKEN as well",
        );
        return primary;
    }
    let mut known = Vec::new();
    for token in &twilio.auth_tokens {
        let config = ClientConfig {
            credentials: Credentials::AuthToken(api.account, token.clone()),
            ..twilio.client.clone()
        };
        let account = match Client::new(&config) {
            Ok(client) => client.account(&api.account).await,
            Err(error) => Err(error),
        };
        known.push(account.map(|account| primary = primary.take().or(account.auth_token)));
    }
    let count = known.len();
    let signs = |token: &AuthToken| primary.as_ref().map(|primary| primary == token);
    let one_signs = twilio
        .auth_tokens
        .iter()
        .any(|token| signs(token) == Some(true));
    for (index, (token, known)) in twilio.auth_tokens.iter().zip(known).enumerate() {
        let name = match count {
            1 => "the auth token".to_owned(),
            _ => format!("auth token {} of {count}", index + 1),
        };
        match (known, signs(token)) {
            (Ok(()), Some(true)) => report.ok(
                "auth token",
                format!("{name} is the account's primary one, with which Twilio signs"),
            ),
            (Ok(()), Some(false)) if one_signs => report.ok(
                "auth token",
                format!("{name} is the account's secondary one, for after its promotion"),
            ),
            (Ok(()), Some(false)) => report.fail(
                "auth token",
                format!(
                    "{name} is the account's secondary one: Twilio signs with the primary one, so \
                     ingest refuses every callback"
                ),
                "set TWILIO_AUTH_TOKEN to the primary one (Console > Account > API keys & tokens), \
                 or to both, separated by a comma, until the secondary one is promoted",
            ),
            (Ok(()), None) => report.warn(
                "auth token",
                format!("{name} is the account's; whether it is the primary one, Twilio doesn't say"),
                "compare it with Console > Account > API keys & tokens: Twilio signs with the \
                 primary one only",
            ),
            (Err(error), _) if is_refused(&error) && index > 0 => {
                let todo = "remove it once its rotation is over";
                report.warn("auth token", format!("{name} is not the account's"), todo);
            }
            // Reported above.
            (Err(_), _) if !by_key && index == 0 => {}
            (Err(error), _) => report.fail(
                "auth token",
                format!("Twilio does not accept {name}: {error}"),
                "compare TWILIO_AUTH_TOKEN with Console > Account > API keys & tokens: with a wrong \
                 one, ingest refuses every callback",
            ),
        }
    }
    primary
}
