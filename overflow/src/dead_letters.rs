//! `overflow dead-letters`: what could not be done, and what becomes of it.

use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;
use queue::{DeadLetter, DeadLetterId, Filter, QueueUrl, Reason};
use serde::Serialize;
use service::settings::{QueueArgs, QueueSettings};
use service::{Problems, out};

/// The requests that could not be done.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    action: ActionArgs,

    #[command(flatten)]
    queue: QueueArgs,

    /// Print JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Clone, Subcommand)]
enum ActionArgs {
    /// List them, oldest first, without taking them
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Show one whole
    Show {
        /// Its ID, as `list` shows it
        id: DeadLetterId,
    },
    /// Put them back on the queue: the redirector asks Twilio whether the caller still waits
    Replay(Chosen),
    /// Remove them for good
    Discard(Chosen),
}

#[derive(Debug, Clone, clap::Args)]
struct Chosen {
    /// Their IDs, as `list` shows them
    #[arg(required_unless_present = "all")]
    ids: Vec<DeadLetterId>,

    /// All that the filters leave
    #[arg(long, conflicts_with = "ids")]
    all: bool,

    #[command(flatten)]
    which: Which,

    /// Only say which they would be
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Default, clap::Args)]
struct Which {
    /// Only those with this reason: expired, no_plan, refused, unauthorized, undecodable, panicked
    /// or delivery_limit
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,

    /// Only those at least this old, for example 15m
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,

    /// Only those at most this old, for example 1h
    #[arg(long, value_name = "DURATION")]
    newer_than: Option<String>,
}

impl Which {
    fn resolve(self, ids: Vec<DeadLetterId>, problems: &mut Problems) -> Filter {
        let mut age = |flag: &str, value: Option<String>| {
            let given = value.is_some();
            let age = problems.duration(flag, value, Duration::ZERO, "15m");
            given.then_some(age)
        };
        Filter {
            older_than: age("--older-than", self.older_than),
            newer_than: age("--newer-than", self.newer_than),
            reason: self.reason.as_deref().map(Reason::from),
            ids,
        }
    }
}

/// What to do with which.
pub(crate) struct DeadLetterCommand {
    queue: QueueSettings,
    action: Action,
    filter: Filter,
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    List,
    Show,
    Replay,
    Discard,
}

impl DeadLettersArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<DeadLetterCommand> {
        let queue = self.queue.resolve(problems);
        let (action, filter) = match self.action {
            ActionArgs::List { which } => (Action::List, which.resolve(Vec::new(), problems)),
            ActionArgs::Show { id } => (Action::Show, Which::default().resolve(vec![id], problems)),
            ActionArgs::Replay(chosen) => chosen.resolve(Action::Replay, problems),
            ActionArgs::Discard(chosen) => chosen.resolve(Action::Discard, problems),
        };
        Some(DeadLetterCommand {
            queue: queue?,
            action,
            filter,
            json: self.json,
        })
    }
}

impl Chosen {
    fn resolve(self, action: Action, problems: &mut Problems) -> (Action, Filter) {
        let filter = self.which.resolve(self.ids, problems);
        (if self.dry_run { Action::List } else { action }, filter)
    }
}

/// Does it, and says what was done.
pub(crate) async fn run(command: DeadLetterCommand) -> anyhow::Result<()> {
    let queue = command
        .queue
        .open_existing()
        .await
        .with_context(|| format!("cannot use the queue {}", command.queue.url))?;
    let done = match command.action {
        Action::List => queue.list(&command.filter).await.map(|letters| {
            print(&letters, command.json, |letters| {
                table(letters, &command.queue.url)
            })
        }),
        Action::Show => queue.list(&command.filter).await.map(|letters| {
            print(&letters, command.json, |letters| {
                letters.iter().map(whole).collect()
            })
        }),
        Action::Replay => {
            let moved = queue.replay(&command.filter).await;
            moved.map(|ids| print_ids("replayed", &ids, command.json))
        }
        Action::Discard => {
            let removed = queue.discard(&command.filter).await;
            removed.map(|ids| print_ids("discarded", &ids, command.json))
        }
    };
    queue.close().await;
    let found = done.context("the dead letters cannot be reached")??;
    let missing = command.filter.ids.iter().filter(|id| !found.contains(id));
    let missing: Vec<_> = missing.map(ToString::to_string).collect();
    if !missing.is_empty() {
        anyhow::bail!("no such dead letter: {}", missing.join(", "));
    }
    Ok(())
}

/// One dead letter as JSON shows it.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a DeadLetterId,
    died_at: Timestamp,
    reason: &'a Reason,
    attempts: u32,
    last_error: Option<&'a str>,
    trace_id: Option<&'a str>,
    request: Option<queue::RedirectRequest>,
    /// The body, where it is no request of this version.
    body: Option<String>,
}

impl<'a> From<&'a DeadLetter> for Shown<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        let request = letter.request();
        Self {
            id: &letter.id,
            died_at: letter.died_at,
            reason: &letter.cause.reason,
            attempts: letter.cause.attempts,
            last_error: letter.cause.last_error.as_deref(),
            trace_id: letter
                .message
                .traceparent
                .as_ref()
                .map(queue::TraceParent::trace_id),
            body: request
                .is_none()
                .then(|| String::from_utf8_lossy(&letter.message.body).into_owned()),
            request,
        }
    }
}

fn print(
    letters: &[DeadLetter],
    json: bool,
    text: impl Fn(&[DeadLetter]) -> String,
) -> anyhow::Result<Vec<DeadLetterId>> {
    if json {
        let shown: Vec<_> = letters.iter().map(Shown::from).collect();
        out::line(serde_json::to_string_pretty(&shown)?);
    } else {
        out::line(text(letters).trim_end());
    }
    Ok(letters.iter().map(|letter| letter.id.clone()).collect())
}

fn print_ids(done: &str, ids: &[DeadLetterId], json: bool) -> anyhow::Result<Vec<DeadLetterId>> {
    if json {
        out::line(serde_json::to_string_pretty(ids)?);
    } else {
        for id in ids {
            out::line(format_args!("{done} {id}"));
        }
        out::line(format_args!("{} {done}", ids.len()));
    }
    Ok(ids.to_vec())
}

fn table(letters: &[DeadLetter], queue: &QueueUrl) -> String {
    if letters.is_empty() {
        return format!("no dead letters in {}\n", queue.absolute());
    }
    let mut text = format!(
        "{:<34}  {:<20}  {:<14}  {:>8}  {:<34}  LAST ERROR\n",
        "ID", "DIED", "REASON", "ATTEMPTS", "CALL"
    );
    for letter in letters {
        let call = letter
            .request()
            .map_or_else(|| "?".to_owned(), |request| request.call_sid.to_string());
        text.push_str(&format!(
            "{:<34}  {:<20}  {:<14}  {:>8}  {call:<34}  {}\n",
            letter.id,
            format!("{:.0}", letter.died_at),
            letter.cause.reason,
            letter.cause.attempts,
            letter.cause.last_error.as_deref().unwrap_or("-"),
        ));
    }
    text
}

fn whole(letter: &DeadLetter) -> String {
    let shown = Shown::from(letter);
    let mut text = format!(
        "id          {}\ndied        {:.0}\nreason      {}\nattempts    {}\nlast error  {}\n",
        shown.id,
        shown.died_at,
        shown.reason,
        shown.attempts,
        shown.last_error.unwrap_or("-"),
    );
    if let Some(trace_id) = shown.trace_id {
        text.push_str(&format!("trace       {trace_id}\n"));
    }
    match (&shown.request, &shown.body) {
        (Some(request), _) => text.push_str(&format!(
            "call        {}\ntask        {}\ntask queue  {}\nworkspace   {}\nentered     {:.0}\n",
            request.call_sid,
            request.task_sid,
            request.task_queue_sid,
            request.workspace_sid,
            request.entered_at,
        )),
        (None, Some(body)) => text.push_str(&format!("body        {body}\n")),
        (None, None) => {}
    }
    text
}
