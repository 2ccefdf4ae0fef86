//! Does a phone number lead to the Studio flow?

use super::report::Report;
use crate::api::Api;
use crate::error::Doing;
use crate::inventory::{Inventory, answered_by};

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
    let numbers = api.client.incoming_numbers(&api.account, None).await;
    let numbers = numbers.doing("list the phone numbers");
    let Some(numbers) = report.read("number", numbers) else {
        return;
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
        match answered_by(number) {
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
