//! May the account dial the forward numbers?

use phonenumber::PhoneNumber;
use service::{Plan, Plans};

use super::report::Report;
use crate::api::Api;
use crate::error::Doing;

const GEO_PERMISSIONS: &str = "Console > Voice > Settings > Geo permissions";

pub(super) async fn check(api: &Api, plans: &Plans, report: &mut Report) {
    for plan in plans.iter() {
        check_plan(api, plan, report).await;
    }
}

async fn check_plan(api: &Api, plan: &Plan, report: &mut Report) {
    if plan.dial.caller_id.is_none() {
        report.warn(
            "caller ID",
            format!(
                "plan {:?} shows the caller's own number: calls by SIP, from a client or with a \
                 withheld number have none, and Twilio may refuse to dial for them",
                plan.name
            ),
            "set FORWARD_CALLER_ID (caller_id in a file of plans) to a number of the account's, \
             unless all callers come from the telephone network",
        );
    }
    let number = &plan.dial.number;
    // Hides all but the last digits.
    let shown = format!("{number:?} of plan {:?}", plan.name);
    let parsed: Option<PhoneNumber> = phonenumber::parse(None, number.as_str()).ok();
    let country = parsed.as_ref().and_then(|parsed| parsed.country().id());
    let Some(country) = country else {
        report.warn(
            "forward number",
            format!("{shown} belongs to no known country"),
            format!("make sure that it can be dialled: {GEO_PERMISSIONS}"),
        );
        return;
    };
    match parsed.as_ref().is_some_and(phonenumber::is_valid) {
        true => report.ok("forward number", format!("{shown} is a valid number")),
        false => report.warn(
            "forward number",
            format!("{shown} is not a valid number by that country's numbering plan"),
            "check FORWARD_TO_NUMBER digit by digit",
        ),
    }
    let code = country.as_ref();
    let permissions = api.client.dialing_permissions(code).await;
    let permissions = permissions.doing("read the geo permissions");
    let Some(permissions) = report.read("geo permissions", permissions) else {
        return;
    };
    match permissions {
        None => report.warn(
            "geo permissions",
            format!("Twilio knows no country {code}"),
            format!("look for it in {GEO_PERMISSIONS}"),
        ),
        Some(country) if !country.low_risk_numbers_enabled => report.fail(
            "geo permissions",
            format!("calls to {} ({code}) are not allowed", country.name),
            format!("enable the country in {GEO_PERMISSIONS}"),
        ),
        Some(country) => {
            let every_prefix = country.high_risk_special_numbers_enabled
                && country.high_risk_tollfraud_numbers_enabled;
            let special = match every_prefix {
                true => "",
                false => {
                    "; whether the number has a high-risk prefix, which is not allowed, can't be \
                     checked"
                }
            };
            report.ok(
                "geo permissions",
                format!("calls to {} ({code}) are allowed{special}", country.name),
            );
        }
    }
}
