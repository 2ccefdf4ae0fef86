//! Do ladders lead on? Twilio asks ingest what comes next, shows numbers of the account's, and must not
//! ring a number that brings the caller back.

use std::collections::BTreeSet;

use ladder::Hop;
use service::Plans;
use service::settings::TwilioSettings;
use twilio::rest::IncomingNumber;
use twilio::{AuthToken, E164, FlowSid, PublicUrl};

use super::flows::{enqueuing, leading};
use super::report::Report;
use crate::api::Api;
use crate::error::{Doing, Result};
use crate::inventory::Inventory;
use crate::post::{Answer, post};

/// Asks ingest, as Twilio would, what comes after the first step.
pub(super) async fn check_urls(
    twilio: &TwilioSettings,
    plans: &Plans,
    public_url: &PublicUrl,
    primary: Option<&AuthToken>,
    report: &mut Report<'_>,
) {
    let Some(token) = primary.or(twilio.auth_tokens.first()) else {
        return;
    };
    let params = [("DialCallStatus", "no-answer".to_owned())];
    for (plan, ladder) in plans.iter().filter_map(|plan| Some((plan, plan.ladder()?))) {
        let url = public_url.join(&ladder.first_path());
        let name = format!("plan {:?}", plan.name);
        match post(&url, &params, Some(token)).await {
            Ok(Answer {
                status: 200,
                ladder: Some(hash),
            }) if hash == ladder.hash() => {
                let found = format!("ingest says what follows the first step of {name}");
                report.ok("ladder", found);
            }
            Ok(Answer {
                status: 200,
                ladder: Some(_),
            }) => report.warn(
                "ladder",
                format!("ingest's {name} is not the one that stands here, or of another version"),
                "let ingest, redirector and this command have the same file of plans; restart both",
            ),
            Ok(Answer { status, .. }) => report.fail(
                "ladder",
                format!("what follows the first step of {name} was answered with {status}"),
                "let the proxy pass /ladder/… on to ingest; start this version of ingest, with \
                 these plans",
            ),
            Err(problem) => report.fail(
                "ladder",
                format!("nobody says what follows the first step of {name}: {problem}"),
                "start ingest (`overflow run`), and see that PUBLIC_URL leads to it from outside",
            ),
        }
    }
}

/// Tells ingest, as Twilio would, that a call to a plan's number has ended; without saying which.
pub(super) async fn check_endings(
    twilio: &TwilioSettings,
    plans: &Plans,
    public_url: &PublicUrl,
    primary: Option<&AuthToken>,
    report: &mut Report<'_>,
) {
    let told = plans
        .iter()
        .find(|plan| plan.ladder().is_none() && plans.tells(&plan.name));
    let token = primary.or(twilio.auth_tokens.first());
    let (Some(plan), Some(token)) = (told, token) else {
        return;
    };
    let path = Hop::of_number(plan.task_queue_sid.as_str()).path();
    match post(&public_url.join(&path), &[], Some(token)).await {
        Ok(Answer { status: 204, .. }) => {
            report.ok("endings", "ingest hears how calls to outside numbers end");
        }
        Ok(Answer { status, .. }) => report.fail(
            "endings",
            format!("how a call to an outside number ends was answered with {status}, not 204"),
            "let the proxy pass /ladder/… on to ingest, or set OUTCOMES=false; start this version \
             of ingest",
        ),
        Err(problem) => report.fail(
            "endings",
            format!("nobody hears how calls to outside numbers end: {problem}"),
            "start ingest (`overflow run`), and see that PUBLIC_URL leads to it from outside",
        ),
    }
}

/// Checks the numbers that are shown and those that are rung.
pub(super) async fn check_numbers(
    api: &Api,
    plans: &Plans,
    inventory: &Inventory,
    report: &mut Report<'_>,
) {
    for plan in plans.iter() {
        for number in plan.shown_numbers() {
            let owned = is_shown(api, &number).await;
            let number = format!("{number:?} of plan {:?}", plan.name);
            match report.read("caller ID", owned) {
                Some(true) => report.ok("caller ID", format!("{number} may be shown")),
                Some(false) => report.fail(
                    "caller ID",
                    format!("{number} is neither a number of the account's nor verified"),
                    "buy it or verify it (Console > Phone Numbers > Verified Caller IDs), or show \
                     another: Twilio doesn't dial with it (error 13214)",
                ),
                None => {}
            }
        }
        let workflows = leading(|queue| *queue == plan.task_queue_sid, inventory);
        for number in plan.numbers() {
            let loops = leads_back(api, &number, &workflows).await;
            if report.read("loop", loops) == Some(true) {
                report.fail(
                    "loop",
                    format!(
                        "{number:?} of plan {:?} leads back into a workflow with the same \
                         placeholder: nobody is reached there, and callers go round",
                        plan.name
                    ),
                    "ring a number that somebody answers",
                );
            }
        }
    }
}

/// The number, if it is the account's.
async fn owned(api: &Api, number: &E164) -> Result<Option<IncomingNumber>> {
    let like = api
        .client
        .incoming_numbers(&api.account, Some(number))
        .await;
    let like = like.doing("look for a phone number")?;
    Ok(like.into_iter().find(|own| own.is(number)))
}

/// Whether Twilio shows the number: it is the account's, or verified.
async fn is_shown(api: &Api, number: &E164) -> Result<bool> {
    if owned(api, number).await?.is_some() {
        return Ok(true);
    }
    let verified = api.client.is_verified(&api.account, number).await;
    verified.doing("look for a verified caller ID")
}

/// Whether the number is the account's, and its flow enqueues for one of the workflows.
async fn leads_back(api: &Api, number: &E164, workflows: &BTreeSet<String>) -> Result<bool> {
    let Some(flow) = owned(api, number).await?.as_ref().and_then(flow) else {
        return Ok(false);
    };
    let flow = api.client.flow(&flow).await.doing("read a Studio flow")?;
    Ok(flow.is_some_and(|flow| enqueuing(&flow.definition, workflows).next().is_some()))
}

/// The flow that answers a number.
fn flow(number: &IncomingNumber) -> Option<FlowSid> {
    number.voice.url.rsplit_once("/Flows/")?.1.parse().ok()
}
