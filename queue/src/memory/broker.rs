//! What the broker holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Fate, Operation, Weather};
use crate::{Cause, Content, DeadLetter, DeadLetterId, Intent, Lane, Outcome, RawMessage, Reason};

/// A broker in memory. Clones share it.
#[derive(Clone)]
pub struct Broker(pub(super) Arc<Shared>);

pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes waiters in the order in which they came, so that a simulation can be repeated.
    changed: Notify,
    weather: Weather,
}

#[derive(Default)]
pub(super) struct State {
    next: u64,
    /// In order.
    pub(super) ready: BTreeMap<u64, Stored>,
    /// What processes said of themselves.
    pub(super) reports: Vec<Vec<u8>>,
    pub(super) watchers: usize,
    /// What was told to those who listen.
    pub(super) told: Vec<(Instant, Content)>,
    pub(super) unacked: BTreeMap<u64, Unacked>,
    pub(super) dead: Vec<DeadLetter>,
    /// Which connection holds each lock, and by which attempt it got it.
    pub(super) locks: BTreeMap<String, (Connection, u64)>,
    pub(super) log: Log,
    /// When each consumer was last served: they take turns.
    pub(super) consumers: BTreeMap<u64, Turn>,
    /// The connected clients, by name, each with the number of its connection.
    connected: BTreeMap<String, Connection>,
    killed: BTreeSet<String>,
    /// The IDs of all messages that were ever put here.
    taken: BTreeSet<String>,
}

/// One connection of one client.
pub(super) type Connection = u64;

pub(super) struct Stored {
    pub(super) message: RawMessage,
    pub(super) lane: Lane,
    pub(super) redelivered: bool,
    pub(super) deliveries: u32,
}

pub(super) struct Unacked {
    pub(super) stored: Stored,
    /// Tells it from an earlier delivery of the same message.
    pub(super) delivery: u64,
    pub(super) connection: Connection,
    pub(super) consumer: u64,
}

pub(super) struct Turn {
    /// The name of its client.
    pub(super) client: String,
    pub(super) lane: Lane,
    pub(super) last_served: u64,
    pub(super) waiting: bool,
}

/// The log of intents. Each time it is lost, a new generation begins.
#[derive(Default)]
pub(super) struct Log {
    pub(super) generation: u64,
    /// `None`: an entry that can't be read.
    pub(super) entries: Vec<(Instant, Option<Intent>)>,
}

impl Default for Broker {
    fn default() -> Self {
        Self::with_weather(Arc::new(|_: &str, _| Fate::default()))
    }
}

impl Broker {
    /// A broker in this weather.
    pub fn with_weather(weather: Weather) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            changed: Notify::new(),
            weather,
        }))
    }

    /// The process has a connection again.
    pub fn connect(&self, name: &str) {
        self.0.change(|state| {
            state.next += 1;
            let connection = state.next;
            state.connected.entry(name.to_owned()).or_insert(connection);
        });
    }

    /// The process loses its connection, and with it all that it holds.
    pub fn disconnect(&self, name: &str, delivery_limit: u32) {
        self.0.change(|state| {
            if let Some(connection) = state.connected.remove(name) {
                state.lose(connection, delivery_limit);
            }
        });
    }

    /// The process dies: it loses all that it holds, and nothing that it was doing goes on.
    pub fn kill(&self, name: &str, delivery_limit: u32) {
        self.disconnect(name, delivery_limit);
        self.0.change(|state| state.killed.insert(name.to_owned()));
    }

    /// The process has held its deliveries for too long, and loses them; its connection stays.
    pub fn time_out(&self, name: &str, delivery_limit: u32) {
        self.0.change(|state| {
            if let Some(connection) = state.connection(name) {
                state.give_back_all(connection, delivery_limit);
            }
        });
    }

    /// Puts a message on the queue, as a stranger would.
    pub fn put(&self, message: RawMessage) {
        self.0.change(|state| {
            let lane = message.lane();
            state.insert(message, lane);
        });
    }

    /// The log of intents is lost, and created again.
    pub fn lose_intents(&self) {
        self.lose_last_intents(usize::MAX);
    }

    /// The log of intents loses its last `count` entries.
    pub fn lose_last_intents(&self, count: usize) {
        self.0.change(|state| {
            state.log.generation += 1;
            let left = state.log.entries.len().saturating_sub(count);
            state.log.entries.truncate(left);
        });
    }

    /// Puts an unreadable entry into the log of intents.
    pub fn spoil_intents(&self) {
        self.0
            .change(|state| state.log.entries.push((Instant::now(), None)));
    }

    /// Whether a message with this ID was ever published.
    pub fn has_taken(&self, id: &str) -> bool {
        self.0.state().taken.contains(id)
    }

    /// What was told of callers' outcomes.
    pub fn told(&self) -> Vec<Outcome> {
        let state = self.0.state();
        let outcome = |told: &Content| match told {
            Content::Outcome(outcome) => Some(outcome.clone()),
            _ => None,
        };
        state
            .told
            .iter()
            .filter_map(|(_, told)| outcome(told))
            .collect()
    }

    /// The dead letters.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.0.state().dead.clone()
    }

    /// The messages on the queue, delivered or not.
    pub fn messages(&self) -> Vec<RawMessage> {
        let state = self.0.state();
        let unacked = state.unacked.values().map(|unacked| &unacked.stored);
        let all = state.ready.values().chain(unacked);
        all.map(|stored| stored.message.clone()).collect()
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_waiters();
        changed
    }

    /// Waits until `look` finds something. It is called now and after each change.
    pub(super) async fn wait_for<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.state()) {
                return found;
            }
            changed.await;
        }
    }

    /// Waits for the next change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn fate(&self, name: &str, operation: Operation) -> Fate {
        (self.weather)(name, operation)
    }
}

impl State {
    pub(super) fn connection(&self, name: &str) -> Option<Connection> {
        self.connected.get(name).copied()
    }

    pub(super) fn is_held(&self, number: u64, delivery: u64) -> bool {
        let held = self.unacked.get(&number);
        held.is_some_and(|held| held.delivery == delivery)
    }

    pub(super) fn is_killed(&self, name: &str) -> bool {
        self.killed.contains(name)
    }

    /// Whether no other waiting consumer has waited for longer. Outcomes go to the first there is.
    pub(super) fn is_its_turn(&self, consumer: u64) -> bool {
        let Some(mine) = self.consumers.get(&consumer) else {
            return false;
        };
        let mut others = self.consumers.iter().filter(|(_, turn)| {
            turn.lane == mine.lane && self.connected.contains_key(&turn.client)
        });
        match mine.lane {
            Lane::Outcomes => others.next().is_some_and(|(first, _)| *first == consumer),
            _ => !others.any(|(_, turn)| turn.waiting && turn.last_served < mine.last_served),
        }
    }

    /// How many messages there are in this lane, delivered or not.
    pub(super) fn length(&self, lane: Lane) -> u64 {
        let unacked = self.unacked.values().map(|unacked| &unacked.stored);
        let all = self.ready.values().chain(unacked);
        all.filter(|stored| stored.lane == lane).count() as u64
    }

    /// The first message that is ready in this lane.
    pub(super) fn first_ready(&mut self, lane: Lane) -> Option<(u64, Stored)> {
        let (number, _) = self.ready.iter().find(|(_, stored)| stored.lane == lane)?;
        self.ready.remove_entry(&number.clone())
    }

    /// What has waited in the lane for later until now moves on.
    pub(super) fn move_on(&mut self, number: u64) {
        // Those that came before it are as late, though their timers may not have been looked at yet.
        let waited = self.ready.range_mut(..=number).map(|(_, stored)| stored);
        for stored in waited.filter(|stored| stored.lane == Lane::Later) {
            stored.lane = Lane::Outcomes;
        }
    }

    pub(super) fn is_up(&self, connection: Connection) -> bool {
        self.connected.values().any(|up| *up == connection)
    }

    /// A new number.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn insert(&mut self, message: RawMessage, lane: Lane) -> u64 {
        let number = self.number();
        self.taken.extend(message.id.clone());
        let stored = Stored {
            message,
            lane,
            redelivered: false,
            deliveries: 0,
        };
        self.ready.insert(number, stored);
        number
    }

    /// Puts it back in its place, or among the dead letters if that happened too often.
    pub(super) fn give_back(&mut self, number: u64, counted: bool, delivery_limit: u32) {
        let Some(Unacked { mut stored, .. }) = self.unacked.remove(&number) else {
            return;
        };
        stored.redelivered = true;
        stored.deliveries += u32::from(counted);
        if stored.deliveries > delivery_limit {
            let cause = Cause {
                reason: Reason::DeliveryLimit,
                attempts: 0,
                last_error: None,
            };
            self.dead_letter(stored.message, cause, Timestamp::now());
        } else {
            self.ready.insert(number, stored);
        }
    }

    pub(super) fn dead_letter(&mut self, message: RawMessage, cause: Cause, died_at: Timestamp) {
        self.dead.push(DeadLetter {
            id: DeadLetterId::of(&message),
            died_at,
            cause,
            message,
        });
    }

    pub(super) fn lose(&mut self, connection: Connection, delivery_limit: u32) {
        self.give_back_all(connection, delivery_limit);
        self.locks.retain(|_, (holder, _)| *holder != connection);
    }

    fn give_back_all(&mut self, connection: Connection, delivery_limit: u32) {
        let lost = self.unacked.iter();
        let lost: Vec<u64> = lost
            .filter(|(_, unacked)| unacked.connection == connection)
            .map(|(number, _)| *number)
            .collect();
        for number in lost {
            self.give_back(number, true, delivery_limit);
        }
    }
}
