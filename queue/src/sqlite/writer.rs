//! The thread that makes all changes to the file.
//!
//! It makes all waiting changes in one transaction, syncs once, and only then answers: however many
//! publish at a time, they share a sync. The same transaction takes messages for the consumers.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::change::{Change, Limits, Outcome, Pending};
use super::database::{Database, is_damage, is_store_failure};
use super::failure::Failure;
use super::handle::{Command, Status};
use super::intents::{Ages, Readers};
use super::lock::FileLock;
use super::messages::{self, Delivered, Return};
use super::outcomes;
use super::subscribers::Subscribers;
use crate::{Health, Lane};

/// How often a consumer that waits looks for what other processes published: the more often, the
/// sooner after the last message.
const POLL_OFTEN: Duration = Duration::from_millis(1);
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// How often a standby looks whether it is its turn to consume.
const STANDBY_INTERVAL: Duration = Duration::from_millis(100);

/// How often it looks after the file while there is nothing to do.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// How often it tries again when the store has failed.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// The most that one transaction does, so that none takes long.
const MAX_CHANGES: usize = 1024;
const MAX_DELIVERIES: usize = 256;
const MAX_TICKED: u32 = 1024;

pub(super) struct Writer {
    db: Database,
    inbox: Receiver<Command>,
    status: Arc<Status>,
    limits: Limits,
    subscribers: Subscribers,
    /// Held while this process consumes.
    consuming: Option<FileLock>,
    /// When there was a message last.
    last_ready: Instant,
    readers: Readers,
    ages: Ages,
    /// What must still be given back, because the store failed at the time.
    owed: Vec<Change>,
    next_tick: Instant,
    /// Why the store fails at the moment, if it does.
    failure: Option<String>,
}

impl Writer {
    pub(super) fn new(
        db: Database,
        inbox: Receiver<Command>,
        status: Arc<Status>,
        limits: Limits,
    ) -> Self {
        Self {
            db,
            inbox,
            status,
            limits,
            subscribers: Subscribers::default(),
            consuming: None,
            last_ready: Instant::now(),
            readers: Readers::default(),
            ages: Ages::default(),
            owed: Vec::new(),
            next_tick: Instant::now(),
            failure: None,
        }
    }

    /// Works until the queue is closed, or the last handle is dropped.
    pub(super) fn run(mut self) {
        let _ended = Ended(self.status.clone());
        while let Some(commands) = self.wait() {
            if self.round(commands).is_break() {
                break;
            }
        }
        self.status.has_ended.store(true, Ordering::Release);
        if self.consuming.is_some()
            && let Err(error) = self.give_back_all()
        {
            // The next process that consumes does it.
            tracing::warn!(queue = %self.db, %error, "could not give deliveries back on closing");
        }
    }

    /// Waits for commands, or until there is something to do without one.
    fn wait(&self) -> Option<Vec<Command>> {
        let timeout = match self.consuming {
            _ if self.failure.is_some() => RETRY_INTERVAL,
            _ if !self.owed.is_empty() => Duration::ZERO,
            Some(_) if self.subscribers.credit().next().is_some() => {
                (self.last_ready.elapsed() / 16).clamp(POLL_OFTEN, POLL_INTERVAL)
            }
            None if !self.subscribers.is_empty() => STANDBY_INTERVAL,
            _ => IDLE_INTERVAL,
        };
        let until_read = |at: Instant| at.saturating_duration_since(Instant::now());
        let next_read = self.readers.next_read().map(until_read);
        let timeout = next_read.map_or(timeout, |wait| timeout.min(wait));
        let first = match self.inbox.recv_timeout(timeout) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        let commands = first.into_iter().chain(self.inbox.try_iter());
        Some(commands.take(MAX_CHANGES).collect())
    }

    fn round(&mut self, commands: Vec<Command>) -> ControlFlow<()> {
        let (changes, flow) = self.sort(commands);
        if self.failure.is_some() && changes.is_empty() {
            self.try_store();
        }
        if self.failure.is_none() {
            let ready = self.db.is_in_place().and_then(|()| self.try_to_consume());
            self.note(ready.err().as_ref());
        }
        let wanted: Vec<_> = match self.consuming {
            Some(_) => self.subscribers.credit().collect(),
            None => Vec::new(),
        };
        let any_ready = self.any_ready(&wanted);
        if any_ready {
            self.last_ready = Instant::now();
        }
        if any_ready || !changes.is_empty() {
            self.perform(changes, &wanted);
        }
        if let Err(error) = self.tidy() {
            self.note(Some(&error));
        }
        flow
    }

    /// Returns the changes among the commands, and carries out the others.
    fn sort(&mut self, commands: Vec<Command>) -> (Vec<Pending>, ControlFlow<()>) {
        let mut changes: Vec<_> = self.owed.drain(..).map(Pending::unattended).collect();
        for command in commands {
            match command {
                Command::Do(pending) if pending.is_given_up() => {}
                Command::Do(pending) => {
                    if let Change::Settle {
                        consumer: Some(consumer),
                        ..
                    } = &pending.change
                    {
                        self.subscribers.settled(*consumer);
                    }
                    changes.push(pending);
                }
                Command::Subscribe {
                    consumer,
                    lane,
                    prefetch,
                    deliveries,
                } => self.subscribers.add(consumer, lane, prefetch, deliveries),
                Command::Unsubscribe {
                    consumer,
                    mut unseen,
                } => {
                    self.subscribers.remove(consumer);
                    while let Ok(delivered) = unseen.try_recv() {
                        let back = Change::give_back(delivered.token, Return::Unseen);
                        changes.push(Pending::unattended(back));
                    }
                }
                Command::Read(reading) => self.readers.add(reading),
                Command::Close => return (changes, ControlFlow::Break(())),
            }
        }
        (changes, ControlFlow::Continue(()))
    }

    /// Becomes the process that consumes, if we have a consumer and no other process is it. What the
    /// last one left behind goes back to the queue.
    fn try_to_consume(&mut self) -> rusqlite::Result<()> {
        if self.consuming.is_some() || self.subscribers.is_empty() {
            return Ok(());
        }
        let Some(lock) = FileLock::to_consume(self.db.path())? else {
            if !self.status.stands_by.swap(true, Ordering::Relaxed) {
                tracing::info!(queue = %self.db, "another process consumes the queue: standing by");
            }
            return Ok(());
        };
        let left = self.give_back_all()?;
        if self.status.stands_by.swap(false, Ordering::Relaxed) || left > 0 {
            tracing::warn!(queue = %self.db, left, "taking over from a process that is gone");
        }
        self.consuming = Some(lock);
        Ok(())
    }

    /// Does what nobody waits for. Success says nothing about the store: reading may work while
    /// writing fails.
    fn tidy(&mut self) -> rusqlite::Result<()> {
        let (db, now) = (self.db.connection(), Instant::now());
        if self.readers.next_read().is_some_and(|at| at <= now) {
            self.readers.read(db)?;
        }
        if self.consuming.is_none() {
            return Ok(());
        }
        // A stopped consumer may still be working on its deliveries.
        if self.subscribers.is_empty() && !messages::any_unacked(db)? {
            self.consuming = None;
        } else if self.next_tick <= now {
            self.next_tick = now + IDLE_INTERVAL;
            self.tick()?;
            self.db.shrink()?;
        }
        Ok(())
    }

    /// Moves on what has waited until later, and forgets what was told long ago.
    fn tick(&mut self) -> rusqlite::Result<()> {
        let (now, later) = (Timestamp::now(), self.limits.later);
        let wait = messages::longest_wait(self.db.connection(), now)?;
        let any_due = wait.is_some_and(|wait| wait >= later || wait < 0);
        if any_due || outcomes::any_old(self.db.connection(), now)? {
            self.db.transaction(|tx| {
                messages::move_on(tx, now, later, MAX_TICKED)?;
                outcomes::trim(tx, now, MAX_TICKED)
            })?;
        }
        Ok(())
    }

    fn give_back_all(&mut self) -> rusqlite::Result<usize> {
        let limit = self.limits.deliveries;
        self.db.transaction(|tx| messages::give_back_all(tx, limit))
    }

    /// Asked often, so it must not write.
    fn any_ready(&mut self, wanted: &[(Lane, usize)]) -> bool {
        let mut ready = Ok(false);
        for (lane, _) in wanted {
            if matches!(ready, Ok(false)) {
                ready = messages::any_ready(self.db.connection(), *lane);
            }
        }
        if let Err(error) = &ready {
            self.note(Some(error));
        }
        ready.unwrap_or_default()
    }

    /// Makes the changes and takes the messages that are `wanted`, in one transaction; then answers and
    /// delivers.
    fn perform(&mut self, pending: Vec<Pending>, wanted: &[(Lane, usize)]) {
        let limits = self.limits;
        let ages = &mut self.ages;
        let done = self.db.transaction(|tx| {
            let outcomes = pending
                .iter()
                .map(|pending| pending.change.perform(tx, limits))
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let appended = outcomes.iter().filter_map(Outcome::appended);
            if let Some(first) = appended.clone().min() {
                ages.trim(tx, Instant::now(), first, appended.count())?;
            }
            let mut delivered = Vec::new();
            for (lane, wanted) in wanted {
                let limit = MAX_DELIVERIES.min(*wanted);
                delivered.extend(messages::deliver(tx, *lane, limit)?);
            }
            Ok((outcomes, delivered))
        });
        match done {
            Ok((outcomes, delivered)) => {
                self.note(None);
                self.hand_out(delivered);
                for (pending, outcome) in pending.into_iter().zip(outcomes) {
                    let outcome = self.read_back(&pending.change, outcome);
                    pending.answer(outcome);
                }
            }
            // One of the changes failed, not the store. The others must not suffer for it.
            Err(error) if pending.len() > 1 && !is_store_failure(&error) => {
                for pending in pending {
                    self.perform(vec![pending], &[]);
                }
            }
            Err(error) => {
                self.note(Some(&error));
                let failure = Failure::Storage(format!("{}: {error}", self.db));
                for pending in pending {
                    if is_store_failure(&error) {
                        self.owed.extend(pending.change.owes());
                    }
                    pending.answer(Err(failure.clone()));
                }
            }
        }
    }

    /// Tells the reader of a new intent everything up to it.
    fn read_back(&mut self, change: &Change, outcome: Outcome) -> Result<Outcome, Failure> {
        if let (Change::Append(_, reading), Outcome::Appended(seq)) = (change, outcome) {
            self.ages.note(Instant::now(), seq);
            reading.reach(self.db.connection(), seq)?;
        }
        Ok(outcome)
    }

    fn hand_out(&mut self, delivered: Vec<Delivered>) {
        for untaken in self.subscribers.hand_out(delivered) {
            self.owed
                .push(Change::give_back(untaken.token, Return::Unseen));
        }
    }

    /// Finds out whether the store works again.
    fn try_store(&mut self) {
        let tried = self.db.transaction(|tx| messages::touch(tx));
        let tried = tried.and_then(|()| self.try_to_consume());
        self.note(tried.err().as_ref());
    }

    /// Updates the health by how the store answered.
    fn note(&mut self, error: Option<&rusqlite::Error>) {
        match error {
            None => {
                if self.failure.take().is_some() {
                    tracing::info!(queue = %self.db, "the queue's store works again");
                    self.set_health(Health::Up);
                }
            }
            Some(error) if is_store_failure(error) => {
                let reason = format!("{}: {error}", self.db);
                if self.failure.is_none() {
                    tracing::error!(reason, "the queue's store fails");
                }
                self.set_health(if is_damage(error) {
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

    fn set_health(&self, health: Health) {
        *self.status.health.lock() = health;
    }
}

/// Tells the others that the thread has ended, however it did.
struct Ended(Arc<Status>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
        *self.0.health.lock() = if std::thread::panicking() {
            Health::Broken(
                "the queue's writer has stopped because of a bug in this program: restart it"
                    .to_owned(),
            )
        } else {
            Health::Down("the queue is closed".to_owned())
        };
    }
}
