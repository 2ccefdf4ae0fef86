//! `overflow dead-letters`: the requests that could not be done.

mod shown;

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;
use provision::{Ask, AskTerminal};
use queue::{
    DeadLetterId, DeadLetters, Filter, Listed, Patient, Queue, QueueError, Reason, Settlement,
};
use service::process::Interrupted;
use service::settings::{QueueArgs, QueueSettings, Setting};
use service::{Problems, out};
use tokio_util::sync::CancellationToken;

use self::shown::{details, json, none, table};

/// How long the command waits for the broker after Ctrl-C.
const GIVING_BACK: Duration = Duration::from_millis(700);

/// How long it waits while somebody else is at the dead letters: a page that looks at them, for one.
const PATIENCE: Duration = Duration::from_secs(10);

const UNREACHED: &str = "the dead letters cannot be reached";

/// The requests that could not be done.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    action: ActionArgs,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    // Last: what follows them would stand under their heading.
    #[command(flatten)]
    queue: QueueArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum ActionArgs {
    /// List them, oldest first, without taking them
    List {
        /// How many at most
        #[arg(long, value_name = "N", default_value = "100")]
        limit: Setting<NonZeroUsize>,

        #[command(flatten)]
        which: Which,
    },
    /// Show one in full
    Show {
        /// Its ID, as `list` shows it
        id: DeadLetterId,
    },
    /// Put them back on the queue: the redirector asks Twilio whether the caller still waits
    Replay(Chosen),
    /// Remove them for good
    Discard {
        #[command(flatten)]
        chosen: Chosen,

        /// With --all: don't ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, clap::Args)]
struct Chosen {
    /// Their IDs, as `list` shows them
    ids: Vec<DeadLetterId>,

    /// All that match the filters
    #[arg(long, conflicts_with = "ids")]
    all: bool,

    #[command(flatten)]
    which: Which,

    /// Only list them
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Default, clap::Args)]
struct Which {
    /// Only those with this reason: expired, no_plan, refused, unauthorized, undecodable, panicked,
    /// not_notified or delivery_limit
    #[arg(long, value_name = "REASON", value_parser = known_reason)]
    reason: Option<Reason>,

    /// Only those at least this old, for example 15m
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,

    /// Only those at most this old, for example 1h
    #[arg(long, value_name = "DURATION")]
    newer_than: Option<String>,
}

impl Which {
    fn resolve(self, ids: Vec<DeadLetterId>, problems: &mut Problems) -> Filter {
        let now = Timestamp::now();
        // An empty one would choose all of them.
        let mut before = |flag: &str, age: Option<String>| {
            let is_given = age.is_some();
            let age: Setting<Option<Duration>> = Setting::named(flag.to_owned(), age);
            let age = problems.take(age.must(|age| age.is_some() || !is_given, "is empty"))?;
            Some(now.saturating_sub(age).unwrap_or(Timestamp::MIN))
        };
        Filter {
            died_by: before("--older-than", self.older_than),
            died_since: before("--newer-than", self.newer_than),
            reason: self.reason,
            ids,
        }
    }
}

/// A reason that there is.
fn known_reason(name: &str) -> Result<Reason, String> {
    match Reason::from(name) {
        Reason::Other(_) => {
            let known = [&Reason::OURS[..], &[Reason::DeliveryLimit]].concat();
            let known: Vec<_> = known.iter().map(Reason::as_str).collect();
            Err(format!("there are: {}", known.join(", ")))
        }
        reason => Ok(reason),
    }
}

/// What to do, and with which dead letters.
pub(crate) struct DeadLetterCommand {
    queue: QueueSettings,
    action: Action,
    filter: Filter,
    json: bool,
    /// Whether somebody is to be asked first.
    asks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// As many as that at most.
    List(usize),
    Show,
    Settle(Settlement),
}

impl DeadLettersArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<DeadLetterCommand> {
        let queue = self.queue.resolve(problems);
        let asks = match &self.action {
            ActionArgs::Discard { chosen, yes } => chosen.all && !chosen.dry_run && !yes,
            _ => false,
        };
        let (action, filter) = match self.action {
            ActionArgs::List { limit, which } => {
                let filter = which.resolve(Vec::new(), problems);
                (Action::List(problems.take(limit).get()), filter)
            }
            ActionArgs::Show { id } => (Action::Show, Which::default().resolve(vec![id], problems)),
            ActionArgs::Replay(chosen) => chosen.resolve(Settlement::Replay, problems),
            ActionArgs::Discard { chosen, .. } => chosen.resolve(Settlement::Discard, problems),
        };
        Some(DeadLetterCommand {
            queue: queue?,
            action,
            filter,
            json: self.json,
            asks,
        })
    }
}

impl Chosen {
    fn resolve(self, how: Settlement, problems: &mut Problems) -> (Action, Filter) {
        if self.ids.is_empty() && !self.all {
            problems.add_line("which? Name them by their IDs, as `list` shows them, or say --all");
        }
        let filter = self.which.resolve(self.ids, problems);
        match self.dry_run {
            true => (Action::List(usize::MAX), filter),
            false => (Action::Settle(how), filter),
        }
    }
}

/// Does it, and says what was done.
pub(crate) async fn run(command: DeadLetterCommand, stop: CancellationToken) -> anyhow::Result<()> {
    let work = async {
        let queue = command
            .queue
            .open_existing()
            .await
            .with_context(|| format!("cannot use the queue {}", command.queue.url))?;
        if command.asks && !is_agreed(&command, &*queue).await? {
            out::line("Nothing was discarded.");
            return Ok(());
        }
        let mut settled = Vec::new();
        let done = tokio::select! {
            done = act(&command, &*queue, &mut settled) => done,
            () = stop.cancelled() => Err(Interrupted.into()),
        };
        // Closing the connection gives back the letters that are held.
        let _ = tokio::time::timeout(GIVING_BACK, queue.close()).await;
        if let Action::Settle(how) = command.action {
            print_ids(how, &settled, command.json)?;
        }
        let found = [done?, settled].concat();
        let missing = command.filter.ids.iter().filter(|id| !found.contains(id));
        let missing: Vec<_> = missing.map(ToString::to_string).collect();
        if !missing.is_empty() {
            anyhow::bail!("no such dead letter: {}", missing.join(", "));
        }
        Ok(())
    };
    tokio::select! {
        biased;
        done = work => done,
        // If not even the queue answers.
        () = async { stop.cancelled().await; tokio::time::sleep(GIVING_BACK).await } => {
            Err(Interrupted.into())
        }
    }
}

/// Asks, naming how many it is about.
async fn is_agreed(command: &DeadLetterCommand, queue: &dyn Queue) -> anyhow::Result<bool> {
    let listed = oldest(queue, &command.filter, usize::MAX).await;
    let count = listed.context(UNREACHED)?.letters.len();
    let letters = if count == 1 { "letter" } else { "letters" };
    let url = &command.queue.url;
    let question = format!("Discard {count} dead {letters} in {url}, for good?");
    Ok(AskTerminal.confirm(&question).await?)
}

/// Shows the letters and returns their IDs, or settles them and adds their IDs to `settled`.
async fn act(
    command: &DeadLetterCommand,
    queue: &dyn Queue,
    settled: &mut Vec<DeadLetterId>,
) -> anyhow::Result<Vec<DeadLetterId>> {
    let filter = &command.filter;
    let limit = match command.action {
        Action::List(limit) => limit,
        Action::Show => usize::MAX,
        Action::Settle(how) => {
            let all = settle(queue, filter, how, settled).await;
            all.context(UNREACHED)?;
            return Ok(Vec::new());
        }
    };
    // Before they are looked at, which hides them from a broker's count.
    let all = queue.stats().await.context(UNREACHED)?.dead;
    let listed = oldest(queue, filter, limit).await;
    let Listed { letters, more } = listed.context(UNREACHED)?;
    if command.json {
        let mut shown: Vec<_> = letters.iter().map(json).collect();
        let shown = match command.action {
            Action::Show => shown.pop(),
            _ => Some(shown.into()),
        };
        if let Some(shown) = shown {
            out::line(serde_json::to_string_pretty(&shown)?);
        }
    } else if command.action == Action::Show {
        out::line(letters.iter().map(details).collect::<String>().trim_end());
    } else if letters.is_empty() && more == 0 {
        out::line(none(all, &command.queue.url));
    } else {
        out::line(table(&letters).trim_end());
    }
    if more > 0 && command.action != Action::Show {
        eprintln!("{more} more were not looked at: --limit N shows more");
    }
    Ok(letters.into_iter().map(|letter| letter.id).collect())
}

async fn oldest(queue: &dyn Queue, filter: &Filter, limit: usize) -> Result<Listed, QueueError> {
    Patient::new(queue, PATIENCE).oldest(filter, limit).await
}

/// Settles them, and shows a count on a terminal.
async fn settle(
    queue: &dyn Queue,
    filter: &Filter,
    how: Settlement,
    settled: &mut Vec<DeadLetterId>,
) -> Result<(), QueueError> {
    let is_seen = std::io::stderr().is_terminal();
    let mut done = |id| {
        settled.push(id);
        let count = settled.len();
        if is_seen && count.is_multiple_of(100) {
            eprint!("\r{count} {}", name(how));
        }
    };
    let letters = Patient::new(queue, PATIENCE);
    let all = letters.settle(filter, how, &mut done).await;
    if is_seen {
        // Over the count that was shown.
        eprint!("\r                    \r");
    }
    all
}

fn name(how: Settlement) -> &'static str {
    match how {
        Settlement::Replay => "replayed",
        Settlement::Discard => "discarded",
    }
}

fn print_ids(how: Settlement, ids: &[DeadLetterId], json: bool) -> anyhow::Result<()> {
    let done = name(how);
    if json {
        out::line(serde_json::to_string_pretty(ids)?);
    } else {
        for id in ids {
            out::line(format_args!("{done} {id}"));
        }
        out::line(format_args!("{} {done}", ids.len()));
    }
    Ok(())
}
