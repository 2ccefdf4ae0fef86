//! Which steps teardown is to take: first what leads callers to ours is put back, then what handles
//! them is deleted, then the queues.

use std::collections::BTreeMap;

use twilio::rest::{Client, IncomingNumber};
use twilio::{EVENTS_PATH, TaskQueueSid, WorkflowSid, without_overrides};

use crate::callback::{before_setup, shown};
use crate::configuration::{Configuration, before_extension};
use crate::site::Site;
use crate::step::Step;
use crate::stream::Stream;
use crate::wording::named;

/// What there is, and what setup wrote down of it.
pub(super) struct Planner<'a> {
    pub(super) site: &'a Site,
    pub(super) numbers: &'a [IncomingNumber],
    /// Where our event callback is posted, if that is known.
    pub(super) receiver: Option<&'a str>,
    /// Where Event Streams post for ingest, if that is known.
    pub(super) stream_receiver: Option<&'a str>,
    pub(super) re_evaluates: bool,
    pub(super) keep_resources: bool,
}

impl Planner<'_> {
    /// The steps, and whether they leave nothing of ours behind.
    pub(super) fn steps(&self) -> (Vec<Step>, bool) {
        let mut steps = Vec::new();
        self.restore_numbers(&mut steps);
        // Before the callback goes, so that no call is routed to a placeholder that nobody watches.
        let Some(restored) = self.restore_workflows(&mut steps) else {
            return (steps, false);
        };
        self.restore_callback(&mut steps);
        let complete = self.remove_streams(&mut steps);
        if self.keep_resources {
            return (steps, complete);
        }
        self.note_numbers_left(&mut steps);
        let complete = self.remove(&restored, &mut steps) && complete;
        (steps, complete)
    }

    fn restore_numbers(&self, steps: &mut Vec<Step>) {
        for (sid, replaced) in &self.site.record.numbers {
            match self.numbers.iter().find(|number| number.sid == *sid) {
                Some(number) if number.voice.url == replaced.installed_url => {
                    steps.push(Step::number(
                        number,
                        sid.as_str(),
                        replaced.previous.clone(),
                        None,
                    ));
                }
                Some(_) => steps.push(Step::note(format!(
                    "phone number {sid} was pointed elsewhere since setup: left as it is"
                ))),
                None => steps.push(Step::note(format!(
                    "phone number {sid} is no longer the account's: nothing to restore"
                ))),
            }
        }
    }

    fn note_numbers_left(&self, steps: &mut Vec<Step>) {
        let flow = self.site.inventory.flow.as_ref();
        let Some(webhook) = flow.and_then(|flow| flow.webhook_url.as_ref()) else {
            return;
        };
        let recorded = &self.site.record.numbers;
        let leading = self.numbers.iter().filter(|n| n.voice.url == *webhook);
        for number in leading.filter(|number| !recorded.contains_key(&number.sid)) {
            steps.push(Step::note(format!(
                "phone number {} leads to the Studio flow, and where it led before is not \
                 recorded: calls to it will fail until you point it elsewhere (Console > Phone \
                 Numbers)",
                number.sid
            )));
        }
    }

    /// Whether none of ours is left behind.
    fn remove_streams(&self, steps: &mut Vec<Step>) -> bool {
        let inventory = &self.site.inventory;
        let streams = inventory.streams.iter().filter(|stream| {
            let receiver = self.stream_receiver;
            receiver.is_none_or(|receiver| !stream.is_of_another_setup(receiver))
        });
        let (ours, others): (Vec<_>, Vec<_>) = streams.partition(|s| s.is_ours);
        steps.extend(ours.into_iter().map(Step::delete_stream));
        let record = &self.site.record;
        for stream in &others {
            steps.extend(Step::delete_subscriptions(stream));
        }
        let is_here = |stream: &&Stream| {
            let receiver = self.stream_receiver;
            receiver.is_none_or(|receiver| stream.posts_to(receiver))
                && !stream.has_failed()
                && stream.is_used_by_others()
        };
        steps.extend(others.into_iter().filter(is_here).map(|stream| {
            let (name, sid) = (&stream.sink.description, stream.sink.sid);
            Step::note(format!(
                "Event Streams sink {name} ({sid}), which setup did not make, still posts to ingest: \
                 delete it in the console"
            ))
        }));
        let Some(problem) = &inventory.no_event_streams else {
            return true;
        };
        let sink = record.sink.map(|sid| format!("sink {sid}"));
        let subscriptions = record.subscriptions.iter();
        let subscriptions = subscriptions.map(|sid| format!("subscription {sid}"));
        let left: Vec<_> = sink.into_iter().chain(subscriptions).collect();
        let notes = left
            .iter()
            .map(|it| Step::note(format!("{it} is left: {problem}")));
        steps.extend(notes);
        left.is_empty()
    }

    /// Returns the configurations that the workflows will have; `None` if one can't be read.
    fn restore_workflows(&self, steps: &mut Vec<Step>) -> Option<BTreeMap<WorkflowSid, String>> {
        let (mut restored, mut are_read) = (BTreeMap::new(), true);
        for (sid, replaced) in &self.site.record.extended_workflows {
            let Some(found) = self.site.inventory.workflows.iter().find(|w| w.sid == *sid) else {
                steps.push(Step::note(format!(
                    "workflow {sid} is gone: nothing to restore"
                )));
                continue;
            };
            let Some(configuration) = before_extension(&found.configuration, replaced) else {
                are_read = false;
                steps.push(Step::note(format!(
                    "workflow {} ({sid}) can't be read, and may lead to the placeholder still: what \
                     redirects its calls is kept. Take the placeholder out there (Console > \
                     TaskRouter > Workflows), then run teardown again",
                    found.friendly_name
                )));
                continue;
            };
            restored.insert(*sid, configuration.clone());
            let re_evaluates = self.re_evaluates;
            steps.push(Step::user_workflow(
                found,
                configuration,
                None,
                re_evaluates,
            ));
        }
        are_read.then_some(restored)
    }

    fn restore_callback(&self, steps: &mut Vec<Step>) {
        let workspace = &self.site.inventory.workspace;
        let replaced = self.site.record.callback.as_ref();
        let current = shown(&workspace.event_callback_url);
        let url = &workspace.event_callback_url;
        if let Some(emptied) = replaced.filter(|replaced| replaced.emptied(url)) {
            let (url, filter) = (&emptied.previous.url, &workspace.events_filter);
            let step = Step::callback(workspace, url.clone(), filter.clone(), None);
            steps.push(step);
        } else if let Some(before) = before_setup(workspace, replaced, self.receiver) {
            if replaced.is_some_and(|replaced| replaced.was_there(url)) {
                steps.push(Step::note(format!(
                    "the workspace's event callback, {current}, was there before setup: it is left"
                )));
            }
            let step = Step::callback(workspace, before.url, before.filter, None);
            steps.push(step);
            if replaced.is_none() {
                steps.push(Step::note(
                    "what the event callback was before setup is not recorded: it is emptied, its \
                     filter left",
                ));
            }
        } else if replaced.is_some() && !workspace.event_callback_url.is_empty() {
            steps.push(Step::note(format!(
                "the workspace's event callback was changed since setup, to {current}: left as it \
                 is"
            )));
        } else if self.receiver.is_none()
            && without_overrides(&workspace.event_callback_url).ends_with(EVENTS_PATH)
        {
            steps.push(Step::note(format!(
                "the workspace's event callback is {current}: if that is ours, run teardown with \
                 --public-url"
            )));
        }
    }

    /// Whether everything of ours is removed.
    fn remove(&self, restored: &BTreeMap<WorkflowSid, String>, steps: &mut Vec<Step>) -> bool {
        let inventory = &self.site.inventory;
        steps.extend(inventory.flow.as_ref().map(|flow| {
            let request = async |client: Client, _, sid| client.delete_flow(&sid).await;
            Step::delete("Studio flow", &flow.friendly_name, flow.sid, request)
        }));
        steps.extend(inventory.workflow.as_ref().map(|workflow| {
            let (name, sid) = (&workflow.friendly_name, workflow.sid);
            let request =
                async |client: Client, from, sid| client.delete_workflow(&from, &sid).await;
            Step::delete("workflow", name, sid, request)
        }));
        let mut complete = true;
        if let (Some(sid), Some(problem)) = (self.site.record.studio_flow, &inventory.no_studio) {
            complete = false;
            steps.push(Step::note(format!("Studio flow {sid} is left: {problem}")));
        }
        for queue in inventory.task_queues.values() {
            let (name, sid) = (&queue.friendly_name, queue.sid);
            let users = self.users_left(sid, restored);
            if users.is_empty() {
                let request =
                    async |client: Client, from, sid| client.delete_task_queue(&from, &sid).await;
                steps.push(Step::delete("task queue", name, sid, request));
                continue;
            }
            complete = false;
            let users = named("workflow", &users);
            steps.push(Step::note(format!(
                "task queue {name} is kept: it is used by {users}, and setup did not record that. Take \
                 it out there (Console > TaskRouter > Workflows), then run teardown again"
            )));
        }
        complete
    }

    /// The workflows that stay and lead to the task queue.
    fn users_left(
        &self,
        queue: TaskQueueSid,
        restored: &BTreeMap<WorkflowSid, String>,
    ) -> Vec<String> {
        let removed = self.site.inventory.workflow.as_ref().map(|w| w.sid);
        let stay = self.site.inventory.workflows.iter();
        stay.filter(|workflow| removed != Some(workflow.sid))
            .filter(|workflow| {
                let then = restored
                    .get(&workflow.sid)
                    .unwrap_or(&workflow.configuration);
                let queue = queue.as_str();
                Configuration::parse(then)
                    .map_or_else(|_| then.contains(queue), |then| then.leads_to(queue))
            })
            .map(|workflow| format!("{:?} ({})", workflow.friendly_name, workflow.sid))
            .collect()
    }
}
