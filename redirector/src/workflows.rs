//! Where workflows lead: which plan rescues the callers of one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use twilio::rest::Workflow;
use twilio::{WorkflowSid, WorkspaceSid};

use crate::deadline::Deadline;
use crate::limiter::Class;
use crate::lookup::{LookFailure, Lookup};

/// How long a list is good. Workflows change by hand, now and then.
const GOOD_FOR: Duration = Duration::from_secs(60);

impl Lookup {
    /// A workflow, as it was at most a minute ago; `None` if Twilio lists none with that SID.
    pub(crate) async fn workflow(
        &self,
        workspace: &WorkspaceSid,
        sid: &WorkflowSid,
        deadline: &Deadline,
    ) -> Result<Option<Workflow>, LookFailure> {
        let find = |list: &[Workflow]| list.iter().find(|known| known.sid == *sid).cloned();
        let known = self.known_workflows.lock().get(workspace).cloned();
        if let Some((at, workflows)) = known
            && at.elapsed() < GOOD_FOR
            && let Some(workflow) = find(&workflows)
        {
            return Ok(Some(workflow));
        }
        Ok(find(&self.workflows(workspace, deadline).await?))
    }

    /// The workflows of a workspace, as they are now.
    pub(crate) async fn workflows(
        &self,
        workspace: &WorkspaceSid,
        deadline: &Deadline,
    ) -> Result<Arc<[Workflow]>, LookFailure> {
        let now = Instant::now();
        let list = || self.client.workflows(workspace);
        let workflows = self.with_taskrouter(Class::Look, deadline, list).await?;
        let workflows: Arc<[Workflow]> = workflows.into();
        let listed = (now, Arc::clone(&workflows));
        self.known_workflows.lock().insert(*workspace, listed);
        Ok(workflows)
    }
}
