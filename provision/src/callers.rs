//! Does anybody call? By which flows callers get to a workflow.

use futures::{StreamExt, TryStreamExt, stream};
use twilio::rest::{Flow, IncomingNumber};
use twilio::{FlowSid, WorkflowSid};

use crate::api::Api;
use crate::error::{Doing, Result};
use crate::inventory::{answered_by, unless_denied};

/// How many flows are read at a time.
const AT_A_TIME: usize = 4;

/// All flows of the account, with their definitions.
pub(crate) async fn all_flows(api: &Api) -> Result<Vec<Flow>> {
    let listed = api.client.flows().await.doing("list the Studio flows")?;
    let read = stream::iter(listed).map(async |flow| {
        let read = api.client.flow(&flow.sid).await;
        read.doing("read a Studio flow")
    });
    let read: Vec<Option<Flow>> = read.buffered(AT_A_TIME).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

/// Whether calls to the number go to the flow, as far as its voice URL says.
pub(crate) fn leads_to(number: &IncomingNumber, flow: FlowSid) -> bool {
    number.voice.url.ends_with(&format!("/Flows/{flow}"))
}

/// Whether a number leads to the flow, or else another flow to one of the workflows. Where these
/// credentials may not look, it may be so.
pub(crate) async fn may_come(
    api: &Api,
    flow: Option<FlowSid>,
    workflows: &[WorkflowSid],
) -> Result<bool> {
    let numbers = api.client.incoming_numbers(&api.account, None).await;
    let numbers = unless_denied(numbers.doing("list the phone numbers"))?.0;
    let is_leading = |number: &IncomingNumber| {
        flow.is_some_and(|flow| leads_to(number, flow)) && answered_by(number).is_none()
    };
    if numbers.is_none_or(|numbers| numbers.iter().any(is_leading)) {
        return Ok(true);
    }
    come_by_another_flow(api, flow, workflows).await
}

/// Whether a flow other than that one leads to one of the workflows.
pub(crate) async fn come_by_another_flow(
    api: &Api,
    flow: Option<FlowSid>,
    workflows: &[WorkflowSid],
) -> Result<bool> {
    if workflows.is_empty() {
        return Ok(false);
    }
    let flows = unless_denied(all_flows(api).await)?.0;
    let is_leading = |other: &Flow| {
        let definition = other.definition.to_string();
        let mut workflows = workflows.iter();
        Some(other.sid) != flow && workflows.any(|sid| definition.contains(sid.as_str()))
    };
    Ok(flows.is_none_or(|flows| flows.iter().any(is_leading)))
}
