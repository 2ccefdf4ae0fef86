//! The steps of setup and teardown. A step is decided once: what is shown of it is what it does.

mod foreign;
mod work;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::pin::Pin;

use twilio::WorkspaceSid;
use twilio::rest::{Client, RestError};

pub(crate) use self::work::Work;
use crate::configuration::Configuration;
use crate::console::Console;
use crate::diff;
use crate::error::{Doing, Result};
use crate::site::Site;
use crate::stream::Stream;

/// One thing that is done, or left as it is, with what is shown of it.
pub(crate) struct Step {
    /// `+` is made, `~` changed, `-` deleted, `=` left as it is, `!` to be known.
    sign: char,
    text: String,
    details: Vec<String>,
    change: Option<Change>,
}

/// What a step does.
type Change = Box<dyn for<'w> FnOnce(&'w mut Work<'_, '_>) -> Done<'w>>;
type Done<'w> = Pin<Box<dyn Future<Output = Result<()>> + 'w>>;

impl Step {
    fn new(sign: char, text: String) -> Self {
        Self {
            sign,
            text,
            details: Vec::new(),
            change: None,
        }
    }

    /// Nothing is done: this is left as it is.
    pub(crate) fn keep(text: impl Into<String>) -> Self {
        Self::new('=', text.into())
    }

    /// Nothing is done: what can't be done, or what else the operator should know.
    pub(crate) fn note(text: impl Into<String>) -> Self {
        Self::new('!', text.into())
    }

    /// A resource of ours is made, or left as it is if it is there and nothing differs.
    pub(crate) fn resource(kind: &str, name: &str, sid: Option<impl Display>) -> Self {
        match sid {
            None => Self::new('+', format!("{kind} {name}")),
            Some(sid) => Self::keep(format!("{kind} {name} ({sid})")),
        }
    }

    /// A resource of ours is deleted.
    pub(crate) fn delete<S: Copy + Display + 'static>(
        kind: &'static str,
        name: &str,
        sid: S,
        request: impl AsyncFnOnce(Client, WorkspaceSid, S) -> Result<bool, RestError> + 'static,
    ) -> Self {
        let step = Self::new('-', format!("{kind} {name} ({sid})"));
        step.then(async move |work: &mut Work<'_, '_>| {
            let (client, workspace) = work.twilio();
            let deleted = request(client, workspace, sid).await;
            deleted.doing(format!("delete the {kind}"))?;
            work.say(format_args!("deleted {kind} {sid}"));
            Ok(())
        })
    }

    /// A sink is deleted, with its subscriptions. These first: a sink in use can't be deleted.
    pub(crate) fn delete_stream(stream: &Stream) -> Self {
        let (kind, sid) = ("Event Streams sink and subscription", stream.sink.sid);
        let step = Self::new('-', format!("{kind} {} ({sid})", stream.sink.description));
        let stream = stream.clone();
        step.then(async move |work: &mut Work<'_, '_>| {
            work.check_subscriptions(&stream).await?;
            let (client, _) = work.twilio();
            let doing = || format!("delete the {kind}");
            for subscription in &stream.subscriptions {
                let deleted = client.delete_subscription(&subscription.sid).await;
                deleted.doing(doing())?;
            }
            client.delete_sink(&sid).await.doing(doing())?;
            work.say(format_args!("deleted {kind} {sid}"));
            match work.site.record.sink == Some(sid) {
                true => work.remember(|record| record.sink = None),
                false => Ok(()),
            }
        })
    }

    /// Of a sink of the user's, the subscriptions that setup made are deleted.
    pub(crate) fn delete_subscriptions(stream: &Stream) -> Vec<Self> {
        let kind = "Event Streams subscription";
        let steps = stream.ours.iter().map(|&sid| {
            let step = Self::new(
                '-',
                format!("{kind} of sink {} ({sid})", stream.sink.description),
            );
            step.then(async move |work: &mut Work<'_, '_>| {
                let deleted = work.twilio().0.delete_subscription(&sid).await;
                deleted.doing(format!("delete the {kind}"))?;
                work.say(format_args!("deleted {kind} {sid}"));
                work.remember(|record| {
                    record.subscriptions.remove(&sid);
                })
            })
        });
        steps.collect()
    }

    /// A field of something that is there already.
    pub(crate) fn field(&mut self, name: &str, old: &str, new: &str) {
        if old != new {
            self.changes(vec![diff::field(name, old, new)]);
        }
    }

    /// How a workflow's configuration changes.
    pub(crate) fn configuration(&mut self, found: &str, wanted: &str) {
        let old = Configuration::parse(found);
        self.changes(match (old, Configuration::parse(wanted)) {
            (Ok(old), Ok(wanted)) => diff::json(old.value(), wanted.value()),
            (Err(problem), _) => vec![format!("its configuration is replaced: {problem}")],
            (_, Err(_)) => vec!["its configuration is replaced".to_owned()],
        });
    }

    /// Which tasks go by a workflow that changes.
    pub(crate) fn says_who_goes_by_it(&mut self, re_evaluates: bool) {
        if self.sign == '~' {
            self.details.push(match re_evaluates {
                true => "callers who wait already start in it again".to_owned(),
                false => "callers who wait already go on as before; --re-evaluate-tasks lets them \
                          start in it again"
                    .to_owned(),
            });
        }
    }

    /// What else differs, if anything does.
    pub(crate) fn changes(&mut self, changes: Vec<String>) {
        if !changes.is_empty() {
            self.sign = '~';
            self.details.extend(changes);
        }
    }

    /// What else the operator should know.
    pub(crate) fn details(&mut self, details: impl IntoIterator<Item = String>) {
        self.details.extend(details);
    }

    /// What is done, unless nothing differs.
    pub(crate) fn then<F>(mut self, change: F) -> Self
    where
        F: AsyncFnOnce(&mut Work<'_, '_>) -> Result<()> + 'static,
    {
        if self.sign != '=' {
            self.change = Some(Box::new(move |work| Box::pin(change(work))));
        }
        self
    }
}

/// Shows what is going to be done. Whether that is anything.
pub(crate) fn show(steps: &[Step], site: &Site, console: &mut Console<'_>) -> bool {
    let (workspace, account) = (&site.inventory.workspace, site.api.account);
    console.line(format_args!(
        "Workspace {:?} ({}) of account {account}:\n",
        workspace.friendly_name, workspace.sid
    ));
    for step in steps {
        console.line(format_args!("  {} {}", step.sign, step.text));
        for detail in &step.details {
            console.line(format_args!("      {detail}"));
        }
    }
    let count = |sign| steps.iter().filter(|step| step.sign == sign).count();
    console.line(format_args!(
        "\n{} to create, {} to change, {} to delete, {} as they should be.",
        count('+'),
        count('~'),
        count('-'),
        count('=')
    ));
    steps.iter().any(|step| step.change.is_some())
}

/// Does it.
pub(crate) async fn carry_out(
    steps: Vec<Step>,
    site: &mut Site,
    keeps_record: bool,
    console: &mut Console<'_>,
) -> Result<()> {
    let mut work = Work {
        site,
        console,
        keeps_record,
        made: BTreeMap::new(),
    };
    for change in steps.into_iter().filter_map(|step| step.change) {
        change(&mut work).await?;
    }
    Ok(())
}
