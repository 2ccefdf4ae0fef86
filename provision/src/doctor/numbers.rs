//! Does a phone number lead to the Studio flow?

use twilio::rest::IncomingNumber;

use super::report::Report;
use crate::api::Api;
use crate::error::Doing;
use crate::inventory::{Inventory, answered_by};

pub(super) async fn check(api: &Api, inventory: &Inventory, report: &mut Report<'_>) {
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
    let flow = flow.sid;
    let end = format!("/Flows/{flow}");
    let is_leading = |number: &&IncomingNumber| number.voice.url.ends_with(&end);
    if !numbers.iter().any(|number| is_leading(&number)) {
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
