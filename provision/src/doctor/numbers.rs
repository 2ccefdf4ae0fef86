//! Does a phone number lead to the Studio flow?

use twilio::rest::IncomingNumber;

use super::report::Report;
use super::report_error;
use crate::api::Api;
use crate::error::Doing;
use crate::inventory::Inventory;

pub(super) async fn check(api: &Api, inventory: &Inventory, report: &mut Report) {
    // Without our flow, one of the user's own leads to the workflow.
    let Some(flow) = &inventory.flow else { return };
    if flow.status != "published" {
        report.fail(
            "Studio flow",
            format!("{:?} ({}) is not published", flow.friendly_name, flow.sid),
            "run `overflow setup`, or publish it in Console > Studio",
        );
    }
    let numbers = api
        .client
        .incoming_numbers(&api.account, None)
        .await
        .doing("list the phone numbers");
    let numbers = match numbers {
        Ok(numbers) => numbers,
        Err(error) => return report_error("number", &error, report),
    };
    let end = format!("/Flows/{}", flow.sid);
    let leading: Vec<_> = numbers
        .iter()
        .filter(|number| number.voice.url.ends_with(&end))
        .collect();
    if leading.is_empty() {
        report.warn(
            "number",
            format!("no phone number leads to Studio flow {}", flow.sid),
            "run `overflow setup --number +…`, unless a flow of yours leads to the workflow",
        );
    }
    for number in leading {
        match overruled_by(number) {
            None => report.ok(
                "number",
                format!("{} leads to Studio flow {}", number.sid, flow.sid),
            ),
            Some(by) => report.fail(
                "number",
                format!(
                    "{} is answered by {by}, which wins over the Studio flow",
                    number.sid
                ),
                "take the number off it (Console > Phone Numbers > Voice configuration)",
            ),
        }
    }
}

fn overruled_by(number: &IncomingNumber) -> Option<String> {
    let application = number.voice_application();
    application
        .map(|sid| format!("TwiML application {sid}"))
        .or_else(|| number.trunk().map(|sid| format!("SIP trunk {sid}")))
}
