//! Does a phone number lead to the Studio flow?

use twilio::rest::IncomingNumber;
use twilio::{FlowSid, PhoneNumberSid};

use super::report::Report;
use crate::api::Api;
use crate::callers::{come_by_another_flow, leads_to};
use crate::error::{Doing, Result};
use crate::inventory::{Inventory, answered_by, unless_denied};

pub(super) async fn check(api: &Api, inventory: &Inventory, report: &mut Report<'_>) {
    let left = left(api, inventory).await;
    for (number, flow) in report.read("number", left).into_iter().flatten() {
        report.fail(
            "number",
            format!("{number} leads to Studio flow {flow}, which does not exist: its calls fail"),
            "run `overflow setup`, which makes it anew, or point the number elsewhere",
        );
    }
    // Without our flow, a flow of the user's leads to the workflow.
    let Some(flow) = &inventory.flow else { return };
    if flow.status != "published" {
        report.fail(
            "Studio flow",
            format!("{:?} ({}) is not published", flow.friendly_name, flow.sid),
            "run `overflow setup`, or publish it in Console > Studio",
        );
    }
    let numbers = api.client.incoming_numbers(&api.account, None).await;
    let numbers = numbers.doing("list the phone numbers");
    let Some(numbers) = report.read("number", numbers) else {
        return;
    };
    let definition = flow.definition.to_string();
    let flow = flow.sid;
    let is_leading = |number: &&IncomingNumber| leads_to(number, flow);
    if !numbers.iter().any(|number| is_leading(&number)) {
        let workflows = inventory.workflows.iter().map(|workflow| workflow.sid);
        let workflows: Vec<_> = workflows
            .filter(|sid| definition.contains(sid.as_str()))
            .collect();
        let others = come_by_another_flow(api, Some(flow), &workflows).await;
        if report.read("number", others) == Some(false) {
            report.nobody_calls();
        }
        report.warn(
            "number",
            format!("no phone number leads to Studio flow {flow}"),
            "run `overflow setup --number +…`, unless a flow of yours leads to the workflow",
        );
    }
    for number in numbers.iter().filter(is_leading) {
        let sid = number.sid;
        match answered_by(number) {
            None => report.ok("number", format!("{sid} leads to Studio flow {flow}")),
            Some(by) => report.fail(
                "number",
                format!("{sid} is answered by {by}, which wins over the Studio flow"),
                "take the number off it (Console > Phone Numbers > Voice configuration)",
            ),
        }
    }
}

/// The numbers that are still where setup pointed them, and the flow that isn't there any more.
async fn left(api: &Api, inventory: &Inventory) -> Result<Vec<(PhoneNumberSid, FlowSid)>> {
    let ours = inventory.flow.as_ref().map(|flow| flow.sid);
    let mut left = Vec::new();
    for (sid, recorded) in &inventory.numbers {
        let end = recorded.installed_url.rsplit('/').next();
        let flow: Option<FlowSid> = end.and_then(|end| end.parse().ok());
        let Some(flow) = flow.filter(|flow| Some(*flow) != ours) else {
            continue;
        };
        let number = api.client.incoming_number(&api.account, sid).await;
        let number = number.doing("read a phone number")?;
        if number.is_none_or(|number| number.voice.url != recorded.installed_url) {
            continue;
        }
        let found = api.client.flow(&flow).await.doing("read a Studio flow");
        // Not there, which is known only where Studio is.
        if let (Some(None), None) = (unless_denied(found)?.0, &inventory.no_studio) {
            left.push((*sid, flow));
        }
    }
    Ok(left)
}
