//! Lists of tasks, completed by what only the single task tells.

use twilio::rest::{Listed, Task};
use twilio::{TaskAttributes, TaskQueueSid, WorkspaceSid};

use crate::deadline::Deadline;
use crate::limiter::Class;
use crate::lookup::{LookFailure, Lookup};

/// How many tasks are read singly for one list: the others have their turn with the next one.
const FETCHES: usize = 20;
/// How many tasks' attributes are remembered.
const MAX_KNOWN: usize = 20_000;

impl Lookup {
    /// The tasks pending in a task queue. Some may be without attributes.
    pub(crate) async fn pending_tasks(
        &self,
        workspace: &WorkspaceSid,
        task_queue: &TaskQueueSid,
        deadline: &Deadline,
    ) -> Result<Vec<Task>, LookFailure> {
        let list = || self.client.pending_tasks(workspace, task_queue);
        let tasks = self.with_taskrouter(Class::Look, deadline, list).await?;
        let (tasks, _) = self.complete(workspace, tasks, deadline).await?;
        Ok(tasks)
    }

    /// The attributes of each task of a workspace that has not ended; `None` where those of some
    /// are not known yet.
    pub(crate) async fn open_tasks(
        &self,
        workspace: &WorkspaceSid,
        deadline: &Deadline,
    ) -> Result<Option<Vec<TaskAttributes>>, LookFailure> {
        let list = || self.client.open_tasks(workspace);
        let tasks = self.with_taskrouter(Class::Look, deadline, list).await?;
        let (tasks, complete) = self.complete(workspace, tasks, deadline).await?;
        let attributes = tasks.into_iter().filter_map(|task| task.attributes);
        Ok(complete.then(|| attributes.collect()))
    }

    /// Adds attributes where the list has none. Whether nothing is missing now.
    async fn complete(
        &self,
        workspace: &WorkspaceSid,
        listed: Listed<Task>,
        deadline: &Deadline,
    ) -> Result<(Vec<Task>, bool), LookFailure> {
        let mut complete = listed.unreadable == 0;
        let mut fetches = FETCHES;
        let mut tasks = Vec::with_capacity(listed.items.len());
        for mut task in listed.items {
            if task.attributes.is_none() {
                task.attributes = self.known_tasks.lock().get(&task.sid).copied();
            }
            if task.attributes.is_none() && fetches > 0 {
                fetches -= 1;
                let fetch = || self.client.task(workspace, &task.sid);
                let fetched = self.with_taskrouter(Class::Look, deadline, fetch).await?;
                // It has ended since, or Twilio is wrong: the next list tells.
                complete &= fetched.is_some();
                // A task whose attributes can't be read has no call that we know of.
                let attributes = fetched.map(|task| task.attributes.unwrap_or_default());
                if let Some(attributes) = attributes {
                    let mut known = self.known_tasks.lock();
                    if known.len() >= MAX_KNOWN {
                        known.clear();
                    }
                    known.insert(task.sid, attributes);
                }
                task.attributes = attributes;
            } else {
                complete &= task.attributes.is_some();
            }
            tasks.push(task);
        }
        Ok((tasks, complete))
    }
}
