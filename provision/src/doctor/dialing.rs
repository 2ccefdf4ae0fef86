//! May the account dial the forward numbers?

use std::collections::BTreeSet;

use phonenumber::PhoneNumber;
use service::{Plan, Plans};
use twilio::E164;
use twilio::rest::CountryPermissions;

use super::report::Report;
use crate::api::Api;
use crate::error::Doing;

const GEO_PERMISSIONS: &str = "Console > Voice > Settings > Geo permissions";

pub(super) async fn check(api: &Api, plans: &Plans, report: &mut Report<'_>) {
    for plan in plans.iter() {
        check_caller_id(plan, report);
        for number in plan.numbers() {
            check_number(plan, number, report);
        }
    }
    let countries = api.client.dialing_permissions().await;
    let countries = report.read(
        "geo permissions",
        countries.doing("read the geo permissions"),
    );
    let mut allowed = BTreeSet::new();
    for plan in plans.iter() {
        for number in plan.numbers() {
            let countries = countries.as_deref().unwrap_or_default();
            let found = check_permissions(plan, number, countries, report);
            allowed.extend(found);
        }
    }
    for found in allowed {
        report.ok("geo permissions", found);
    }
}

fn check_caller_id(plan: &Plan, report: &mut Report<'_>) {
    if plan.needs_callers_number() {
        report.warn(
            "caller ID",
            format!(
                "plan {:?} shows the caller's own number: calls by SIP, from a client or with a \
                 withheld number have none, and Twilio may refuse to dial for them",
                plan.name
            ),
            "set FORWARD_CALLER_ID_FALLBACK (caller_id_fallback in a file of plans) to a number of the \
             account's, unless all callers come from the telephone network",
        );
    }
}

/// Hides all but the last digits.
fn shown(plan: &Plan, number: E164) -> String {
    format!("{number:?} of plan {:?}", plan.name)
}

fn check_number(plan: &Plan, number: E164, report: &mut Report<'_>) {
    let parsed: Option<PhoneNumber> = phonenumber::parse(None, number.as_str()).ok();
    // Of a country that it doesn't know, the library can't judge the numbers.
    let known = parsed.filter(|number| number.country().id().is_some());
    match known.as_ref().map(phonenumber::is_valid) {
        None => {}
        Some(true) => report.ok(
            "forward number",
            format!("{} is a valid number", shown(plan, number)),
        ),
        Some(false) => report.warn(
            "forward number",
            format!(
                "{} is not a valid number by its country's numbering plan",
                shown(plan, number)
            ),
            "check it digit by digit: FORWARD_TO_NUMBER, or the file of plans",
        ),
    }
}

/// Twilio allows and forbids by calling codes: the longest that fits says whose the number is, and
/// some are of several countries. What is allowed is said once for all numbers.
fn check_permissions(
    plan: &Plan,
    number: E164,
    countries: &[CountryPermissions],
    report: &mut Report<'_>,
) -> Option<String> {
    let fitting = countries
        .iter()
        .filter_map(|country| Some((country.fits(&number)?, country)));
    let fitting: Vec<_> = fitting.collect();
    let Some(length) = fitting.iter().map(|(length, _)| *length).max() else {
        if !countries.is_empty() {
            report.warn(
                "geo permissions",
                format!(
                    "{} has a calling code that Twilio's list doesn't have",
                    shown(plan, number)
                ),
                format!("make sure that it can be dialled: {GEO_PERMISSIONS}"),
            );
        }
        return None;
    };
    let longest = fitting.into_iter().filter(|(its, _)| *its == length);
    let (allowed, forbidden): (Vec<_>, Vec<_>) = longest
        .map(|(_, country)| country)
        .partition(|country| country.low_risk_numbers_enabled);
    let code = code(&number, length);
    if allowed.is_empty() {
        report.fail(
            "geo permissions",
            format!("calls to {} ({code}) are not allowed", names(&forbidden)),
            format!("enable the country in {GEO_PERMISSIONS}"),
        );
    } else if !forbidden.is_empty() {
        let (allowed, forbidden) = (names(&allowed), names(&forbidden));
        report.warn(
            "geo permissions",
            format!("of {code}, calls to {allowed} are allowed, and to {forbidden} they are not"),
            format!("enable the country that the number is in: {GEO_PERMISSIONS}"),
        );
    } else {
        let every_prefix = |country: &&CountryPermissions| {
            country.high_risk_special_numbers_enabled && country.high_risk_tollfraud_numbers_enabled
        };
        let special = match allowed.iter().all(every_prefix) {
            true => "",
            false => {
                "; whether the number has a high-risk prefix, which is not allowed, can't be checked"
            }
        };
        return Some(format!(
            "calls to {} ({code}) are allowed{special}",
            names(&allowed)
        ));
    }
    None
}

/// The first digits of a number, which say nothing about whose it is.
fn code(number: &E164, length: usize) -> String {
    number.as_str().chars().take(1 + length).collect()
}

fn names(countries: &[&CountryPermissions]) -> String {
    let names: Vec<_> = countries
        .iter()
        .map(|country| country.name.as_str())
        .collect();
    names.join(", ")
}
