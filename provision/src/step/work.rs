//! Where steps are carried out. Each leaves Twilio in a state from which another run of the command
//! goes on: what is replaced is written down before, what is restored is forgotten after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use twilio::WorkspaceSid;
use twilio::rest::{Client, RestError, Subscription, Workflow};

use crate::configuration::Configuration;
use crate::console::Console;
use crate::error::{Doing, Error, Result};
use crate::record::Record;
use crate::site::Site;
use crate::stream::Stream;
use crate::unmade::yet_to_be_made;

/// Steps being carried out.
pub(crate) struct Work<'a, 'c> {
    pub(crate) site: &'a mut Site,
    pub(crate) console: &'a mut Console<'c>,
    /// Whether there is a record: where teardown finds none, it makes none.
    pub(crate) keeps_record: bool,
    /// What was made, by what stood for it.
    pub(crate) made: BTreeMap<String, String>,
}

impl Work<'_, '_> {
    /// Twilio, and the workspace. Clones of a client share its connections.
    pub(crate) fn twilio(&self) -> (Client, WorkspaceSid) {
        (self.site.api.client.clone(), self.site.workspace())
    }

    pub(crate) fn say(&mut self, text: impl Display) {
        self.console.line(format_args!("✓ {text}"));
    }

    /// Writes it down.
    pub(crate) fn remember(&mut self, change: impl FnOnce(&mut Record)) -> Result<()> {
        change(&mut self.site.record);
        match self.keeps_record {
            true => self.site.record.write(&self.site.state_file),
            false => Ok(()),
        }
    }

    /// A resource of ours was made, or set right.
    pub(crate) fn set_up<S: Display>(
        &mut self,
        kind: &str,
        name: &str,
        is_new: bool,
        made: Result<S, RestError>,
    ) -> Result<S> {
        let sid = made.doing(format!("set up {kind} {name}"))?;
        let done = if is_new { "created" } else { "updated" };
        self.say(format_args!("{done} {kind} {name} ({sid})"));
        self.made.insert(yet_to_be_made(name), sid.to_string());
        Ok(sid)
    }

    /// Changes something that isn't ours. What is `replaced` is recorded before; where nothing is,
    /// this restores what was recorded, which is then forgotten.
    pub(crate) async fn replace<T, R>(
        &mut self,
        replaced: Option<T>,
        record_it: impl Fn(&mut Record, Option<T>),
        request: impl Future<Output = Result<R, RestError>>,
        doing: &str,
        done: &str,
    ) -> Result<()> {
        let restores = replaced.is_none();
        if !restores {
            self.remember(|record| record_it(record, replaced))?;
        }
        request.await.doing(doing)?;
        self.say(done);
        if restores {
            self.remember(|record| record_it(record, None))?;
        }
        Ok(())
    }

    /// Reads again what is about to be changed, and stops if somebody else has changed it since.
    pub(crate) async fn check_unchanged<R, T: PartialEq>(
        &self,
        what: &str,
        found: &R,
        again: impl Future<Output = Result<Option<R>, RestError>>,
        part: impl Fn(&R) -> T,
    ) -> Result<()> {
        let now = again.await.doing(format!("read {what} again"))?;
        match now.is_some_and(|now| part(&now) == part(found)) {
            true => Ok(()),
            false => Err(Error::ChangedMeanwhile(what.to_owned())),
        }
    }

    /// The same for a workflow, whichever way its configuration is written.
    pub(crate) async fn check_workflow(&self, found: &Workflow) -> Result<()> {
        let (client, workspace) = self.twilio();
        let what = format!("workflow {} ({})", found.friendly_name, found.sid);
        let again = client.workflow(&workspace, &found.sid);
        let part = |workflow: &Workflow| {
            let text = &workflow.configuration;
            let configuration = Configuration::parse(text).map_err(|_| text.clone());
            (configuration, workflow.task_reservation_timeout)
        };
        self.check_unchanged(&what, found, again, part).await
    }

    /// The same for who has subscribed to a sink.
    pub(crate) async fn check_subscriptions(&self, stream: &Stream) -> Result<()> {
        let (client, sid) = (self.twilio().0, stream.sink.sid);
        let what = format!("what Event Streams sink {sid} is subscribed to");
        let again = async { client.subscriptions(&sid).await.map(Some) };
        let part = |subscriptions: &Vec<Subscription>| -> BTreeSet<_> {
            subscriptions.iter().map(|one| one.sid).collect()
        };
        let found = &stream.subscriptions;
        self.check_unchanged(&what, found, again, part).await
    }

    /// A value, with what was made in place of what stood for it.
    pub(crate) fn fill_in(&self, value: String) -> String {
        self.made.get(&value).cloned().unwrap_or(value)
    }

    /// The same for all strings of a JSON text.
    pub(crate) fn fill_in_json(&self, json: &str) -> String {
        self.made
            .iter()
            .fold(json.to_owned(), |json, (name, made)| {
                json.replace(&format!("\"{name}\""), &format!("\"{made}\""))
            })
    }
}
