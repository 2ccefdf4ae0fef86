//! Callers on hold without a task: it ended, and nobody told us. TaskRouter doesn't list tasks that
//! have ended, so only the voice queue knows of such a caller.

use std::collections::{BTreeMap, HashMap, HashSet};

use queue::{RedirectRequest, Source};
use service::Plan;
use twilio::WorkspaceSid;

use super::Sweeper;
use super::take_up::Found;
use crate::deadline::Deadline;
use crate::lookup::LookFailure;
use crate::members::Listed;

impl Sweeper {
    pub(super) async fn sweep_callers(
        &mut self,
        backlog: bool,
        deadline: &Deadline,
    ) -> Result<Found, LookFailure> {
        let plans = self.shared.plans.clone();
        let mut rescuers: BTreeMap<WorkspaceSid, Vec<&Plan>> = BTreeMap::new();
        for plan in plans.iter().filter(|plan| plan.rescue) {
            if let Some(workspace) = self.workspace(plan, deadline).await? {
                rescuers.entry(workspace).or_default().push(plan);
            }
        }
        let mut before = std::mem::take(&mut self.callers);
        let mut now = HashMap::new();
        let mut found = Found::Nobody;
        for (workspace, plans) in rescuers {
            for request in self.without_task(workspace, &plans, deadline).await? {
                let call = request.call_sid;
                let mut seen = before.remove(&call).unwrap_or_default();
                if seen
                    .take_up(request, self.settings.grace, backlog, &self.shared)
                    .await
                {
                    found = Found::Some;
                }
                now.insert(call, seen);
            }
        }
        self.callers = now;
        Ok(found)
    }

    /// Requests for the callers of a workspace who have waited for the grace period and for whom no
    /// task stands, as far as their workflow leads to one of the plans.
    async fn without_task(
        &self,
        workspace: WorkspaceSid,
        plans: &[&Plan],
        deadline: &Deadline,
    ) -> Result<Vec<RedirectRequest>, LookFailure> {
        let lookup = &self.shared.lookup;
        let mut requests = Vec::new();
        for workflow in lookup.workflows(&workspace, deadline).await?.iter() {
            let mut plans = plans.iter();
            let plan = plans.find(|plan| workflow.leads_to(&plan.task_queue_sid));
            let (Some(plan), Some(account_sid)) = (plan, workflow.account_sid) else {
                continue;
            };
            let members = self.members(account_sid, workflow.sid, deadline).await?;
            let Listed::Callers(callers) = &members.listed else {
                continue;
            };
            for (call_sid, enqueued_at) in callers {
                let Some(enqueued_at) = *enqueued_at else {
                    continue;
                };
                if self.shared.time.age(enqueued_at) < self.settings.grace {
                    continue;
                }
                let task_sid = call_sid.stand_in_task(enqueued_at);
                requests.push(RedirectRequest {
                    event_sid: task_sid.stand_in_event(),
                    account_sid,
                    workspace_sid: workspace,
                    task_sid,
                    call_sid: *call_sid,
                    task_queue_sid: plan.task_queue_sid,
                    workflow_sid: Some(workflow.sid),
                    entered_at: enqueued_at,
                    task_created_at: None,
                    source: Source::Rescue,
                    verify: false,
                    requeued_at: None,
                    caller: twilio::Caller::default(),
                });
            }
        }
        if requests.is_empty() {
            return Ok(requests);
        }
        // Where a task doesn't tell its call, it may be that of anybody.
        let Some(open) = lookup.open_tasks(&workspace, deadline).await? else {
            return Ok(Vec::new());
        };
        let with_task: HashSet<_> = open.iter().filter_map(|task| task.call_sid).collect();
        requests.retain(|request| !with_task.contains(&request.call_sid));
        Ok(requests)
    }
}
