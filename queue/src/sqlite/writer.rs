//! The thread that alone changes the file.
//!
//! It takes all that waits, does it as one transaction, syncs once, and only then answers: however
//! many publish at a time, they share a sync. Consumers are served from here as well, in the same
//! transaction as the publishes that they wait for.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::database::{Database, Durability, is_damage, is_store_failure};
use super::intents::{Ages, Reading};
use super::membership::Membership;
use super::shared::{Command, Failure, State};
use super::subscribers::Subscribers;
use super::tables::{self, Leased};
use super::work::{Job, Limits, Verdict, Work};
use crate::Health;

/// How often a consumer that waits looks for what other processes did.
const POLL: Duration = Duration::from_millis(25);

/// How often readers of the log of intents are told what other processes wrote there.
const READ: Duration = Duration::from_secs(1);

/// How often the file is looked after while nothing is to be done.
const LOOK: Duration = Duration::from_secs(1);

/// How often a store that failed is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// What one transaction does at the most, so that none takes long.
const MAX_JOBS: usize = 1024;
const MAX_LEASES: usize = 256;

pub(super) struct Writer {
    db: Database,
    inbox: Receiver<Command>,
    state: Arc<State>,
    limits: Limits,
    membership: Membership,
    subscribers: Subscribers,
    readings: Vec<Weak<Reading>>,
    /// When to read the log of intents; `None` while nobody wants to know.
    next_read: Option<Instant>,
    ages: Ages,
    /// Our name in the file, once we consume or lease.
    owner: Option<i64>,
    /// When to show that we live; `None` while we hold nothing.
    next_beat: Option<Instant>,
    /// What must still go back, as the store failed when it should have.
    owed: Vec<Work>,
    /// Whether there may be messages that nobody has.
    may_be_ready: bool,
    /// What the file looked like when last compared.
    version: i64,
    /// How the store failed, while it does.
    failure: Option<String>,
}

/// What is to be done between two waits.
struct Round {
    /// Unsynced, and so done first: nobody is to wait for a sync in vain.
    quick: Vec<Job>,
    synced: Vec<Job>,
    flow: ControlFlow<()>,
}

impl Writer {
    pub(super) fn new(
        db: Database,
        inbox: Receiver<Command>,
        state: Arc<State>,
        limits: Limits,
        membership: Membership,
    ) -> Self {
        Self {
            db,
            inbox,
            state,
            limits,
            membership,
            subscribers: Subscribers::default(),
            readings: Vec::new(),
            next_read: None,
            ages: Ages::default(),
            owner: None,
            next_beat: None,
            owed: Vec::new(),
            may_be_ready: true,
            version: 0,
            failure: None,
        }
    }

    /// Works until it is told to close, or nobody is left to tell it anything.
    pub(super) fn run(mut self) {
        let _ended = Ended(self.state.clone());
        while let Some(commands) = self.wait() {
            if self.round(commands).is_break() {
                break;
            }
        }
        if let Err(error) = self.membership.leave(&mut self.db) {
            tracing::warn!(queue = %self.db, %error, "couldn't give deliveries back on closing");
        }
    }

    /// Waits for commands, or until there is something to do without any.
    fn wait(&self) -> Option<Vec<Command>> {
        let hungry = self.subscribers.credit() > 0;
        let failing = self.failure.is_some();
        let now = Instant::now();
        let patience = [
            Some(if failing { RETRY } else { LOOK }),
            (hungry && !failing).then_some(POLL),
            (!self.owed.is_empty() && !failing).then_some(Duration::ZERO),
            self.next_beat.map(|at| at.saturating_duration_since(now)),
            self.next_read.map(|at| at.saturating_duration_since(now)),
        ];
        let patience = patience.into_iter().flatten().min().unwrap_or(LOOK);
        let first = match self.inbox.recv_timeout(patience) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        Some(
            first
                .into_iter()
                .chain(self.inbox.try_iter())
                .take(MAX_JOBS)
                .collect(),
        )
    }

    fn round(&mut self, commands: Vec<Command>) -> ControlFlow<()> {
        let Round {
            mut quick,
            synced,
            flow,
        } = self.sort(commands);
        if self.failure.is_none()
            && let Err(gone) = self.db.is_in_place()
        {
            self.note(Some(&gone));
        }
        self.beat_if_due();
        if self.owner.is_none() {
            self.refuse_leases(&mut quick);
        }
        if self.failure.is_some() && quick.is_empty() && synced.is_empty() {
            self.try_store();
        }
        if !quick.is_empty() {
            self.perform(quick, Durability::Process, 0);
        }
        let wanted = self.wanted();
        if !synced.is_empty() || (wanted > 0 && self.finds_ready()) {
            self.perform(synced, Durability::Power, wanted);
        }
        self.read_if_due();
        flow
    }

    fn sort(&mut self, commands: Vec<Command>) -> Round {
        let mut round = Round {
            quick: self.owed.drain(..).map(Job::unattended).collect(),
            synced: Vec::new(),
            flow: ControlFlow::Continue(()),
        };
        for command in commands {
            match command {
                Command::Do(job) if job.is_given_up() => {}
                Command::Do(job) => {
                    if let Some(consumer) = job.work.settles_for() {
                        self.subscribers.settled(consumer);
                    }
                    if self.owner.is_none() && job.work.takes_lease() {
                        self.next_beat = Some(Instant::now());
                    }
                    match job.work.durability() {
                        Durability::Process => round.quick.push(job),
                        Durability::Power => round.synced.push(job),
                    }
                }
                Command::Subscribe {
                    consumer,
                    prefetch,
                    deliveries,
                } => {
                    self.subscribers.add(consumer, prefetch, deliveries);
                    self.next_beat = Some(Instant::now());
                }
                Command::Unsubscribe {
                    consumer,
                    mut unseen,
                } => {
                    self.subscribers.remove(consumer);
                    self.next_beat = Some(Instant::now());
                    while let Ok(leased) = unseen.try_recv() {
                        let work = Work::give_back_unseen(leased.token);
                        round.quick.push(Job::unattended(work));
                    }
                }
                Command::Read(reading) => {
                    self.readings.push(reading);
                    self.next_read = Some(Instant::now());
                }
                Command::Close => {
                    round.flow = ControlFlow::Break(());
                    break;
                }
            }
        }
        round
    }

    /// Nothing can be leased to who could not say that he lives.
    fn refuse_leases(&self, jobs: &mut Vec<Job>) {
        let reason = self.failure.clone().unwrap_or_default();
        for job in jobs.extract_if(.., |job| job.work.takes_lease()) {
            job.answer(Err(Failure::Storage(reason.clone())));
        }
    }

    fn beat_if_due(&mut self) {
        let begun = Instant::now();
        if self.next_beat.is_none_or(|at| at > begun) {
            return;
        }
        let beat = self.membership.beat(&mut self.db, self.subscribers.len());
        self.next_beat = Some(match beat {
            Ok(ref beat) => {
                let before = self.owner.replace(beat.owner);
                let is_new = before != self.owner;
                if is_new && before.is_some() {
                    tracing::warn!(
                        queue = %self.db,
                        "we were silent for so long that others took over our deliveries"
                    );
                }
                self.state.has_beaten(beat.owner, begun);
                self.may_be_ready |= is_new || beat.gave_back;
                begun + self.membership.interval()
            }
            Err(_) => begun + RETRY.min(self.membership.interval()),
        });
        let outcome = beat.and_then(|_| self.db.shrink());
        self.note(outcome.as_ref().err());
    }

    fn read_if_due(&mut self) {
        let now = Instant::now();
        if self.next_read.is_none_or(|at| at > now) {
            return;
        }
        self.readings.retain(|reading| reading.strong_count() > 0);
        self.next_read = (!self.readings.is_empty()).then(|| now + READ);
        let db = self.db.connection();
        let mut readings = self.readings.iter().filter_map(Weak::upgrade);
        let read = readings.try_for_each(|reading| reading.catch_up(db));
        self.note(read.as_ref().err());
    }

    /// How many messages to lease now.
    fn wanted(&mut self) -> usize {
        let credit = self.subscribers.credit();
        // What is leased to an owner who can't say that he lives is lost at once: it would go back
        // and forth until it were a dead letter.
        let lost = |owner| self.state.may_be_lost(owner);
        if credit == 0 || self.owner.is_none_or(lost) {
            return 0;
        }
        match self.db.version() {
            Ok(version) => {
                self.may_be_ready |= version != self.version;
                self.version = version;
            }
            Err(error) => self.note(Some(&error)),
        }
        credit.min(MAX_LEASES)
    }

    /// Whether a transaction to lease messages would find any.
    fn finds_ready(&mut self) -> bool {
        if self.may_be_ready {
            match tables::any_ready(self.db.connection()) {
                Ok(ready) => self.may_be_ready = ready,
                Err(error) => {
                    self.note(Some(&error));
                    return false;
                }
            }
        }
        self.may_be_ready
    }

    /// Does the jobs, leases up to `wanted` messages, commits, answers and hands out.
    fn perform(&mut self, jobs: Vec<Job>, durability: Durability, wanted: usize) {
        let (owner, limits) = (self.owner, self.limits);
        let ages = &mut self.ages;
        let done = self.db.transaction(durability, |tx| {
            let verdicts = jobs
                .iter()
                .map(|job| job.work.perform(tx, owner, limits))
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let appended = verdicts.iter().filter_map(Verdict::appended);
            if let Some(first) = appended.clone().min() {
                ages.trim(tx, Instant::now(), first, appended.count())?;
            }
            let leased = match owner {
                Some(owner) if wanted > 0 => tables::lease(tx, owner, wanted)?,
                _ => Vec::new(),
            };
            Ok((verdicts, leased))
        });
        match done {
            Ok((verdicts, leased)) => {
                self.note(None);
                if wanted > 0 {
                    self.may_be_ready = leased.len() == wanted;
                }
                self.hand_out(leased);
                for (job, verdict) in jobs.into_iter().zip(verdicts) {
                    self.may_be_ready |= wanted == 0 && job.work.makes_ready();
                    let outcome = self.read_back(&job.work, verdict);
                    job.answer(outcome);
                }
            }
            // Not the store: one of the jobs. The others are not to suffer from it.
            Err(error) if jobs.len() > 1 && !is_store_failure(&error) => {
                for job in jobs {
                    self.perform(vec![job], durability, 0);
                }
            }
            Err(error) => {
                self.note(Some(&error));
                let failure = Failure::Storage(format!("{}: {error}", self.db));
                for job in jobs {
                    if is_store_failure(&error) {
                        self.owed.extend(job.work.owes());
                    }
                    job.answer(Err(failure.clone()));
                }
            }
        }
    }

    /// Tells the reader of an intent everything up to it.
    fn read_back(&mut self, work: &Work, verdict: Verdict) -> Result<Verdict, Failure> {
        if let (Work::Append(_, reading), Verdict::Appended(seq)) = (work, verdict) {
            self.ages.note(Instant::now(), seq);
            reading.reach(self.db.connection(), seq)?;
        }
        Ok(verdict)
    }

    fn hand_out(&mut self, leased: Vec<Leased>) {
        for untaken in self.subscribers.hand_out(leased) {
            self.owed.push(Work::give_back_unseen(untaken.token));
        }
    }

    /// Finds out whether the store works again.
    fn try_store(&mut self) {
        let tried = self
            .db
            .transaction(Durability::Process, |tx| tables::touch(tx));
        self.note(tried.as_ref().err());
    }

    /// Draws the conclusion from how the store answered.
    fn note(&mut self, error: Option<&rusqlite::Error>) {
        match error {
            None => {
                if self.failure.take().is_some() {
                    tracing::info!(queue = %self.db, "the queue's store works again");
                    self.state.set_health(Health::Up);
                }
            }
            Some(error) if is_store_failure(error) => {
                let reason = format!("{}: {error}", self.db);
                if self.failure.is_none() {
                    tracing::error!(reason, "the queue's store fails");
                }
                self.state.set_health(if is_damage(error) {
                    Health::Broken(reason.clone())
                } else {
                    Health::Down(reason.clone())
                });
                self.failure = Some(reason);
            }
            Some(error) => {
                tracing::error!(queue = %self.db, %error, "a change to the queue failed");
            }
        }
    }
}

/// Says that the thread ended, however it did.
struct Ended(Arc<State>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.has_ended();
        if std::thread::panicking() {
            self.0.set_health(Health::Broken(
                "the queue's writer has stopped by a fault of this program: restart it".to_owned(),
            ));
        } else {
            self.0
                .set_health(Health::Down("the queue is closed".to_owned()));
        }
    }
}
