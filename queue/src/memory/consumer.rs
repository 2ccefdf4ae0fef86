//! Consumers and their deliveries.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Operation;
use super::broker::{State, Turn, Unacked};
use super::client::Client;
use crate::traits::Settle;
use crate::{Cause, Consumer, Delivery, Lane, QueueError, RawMessage};

pub(super) struct MemoryConsumer {
    client: Arc<Client>,
    number: u64,
    lane: Lane,
    prefetch: usize,
    stopped: bool,
}

impl MemoryConsumer {
    pub(super) fn new(client: Arc<Client>, lane: Lane, prefetch: usize) -> Self {
        let number = {
            let mut state = client.broker.state();
            let number = state.number();
            let turn = Turn {
                client: client.name.clone(),
                lane,
                last_served: 0,
                waiting: false,
            };
            state.consumers.insert(number, turn);
            number
        };
        Self {
            client,
            number,
            lane,
            prefetch,
            stopped: false,
        }
    }

    fn take(&self, state: &mut State) -> Option<Result<Delivery, QueueError>> {
        let client = &self.client;
        if client.closed.load(Ordering::Relaxed) {
            let closed = QueueError::Unavailable("the queue was closed".to_owned());
            return Some(Err(closed));
        }
        let connection = state.connection(&client.name)?;
        let mine = |unacked: &&Unacked| unacked.consumer == self.number;
        let has_room = state.unacked.values().filter(mine).count() < self.prefetch;
        self.turn(state)?.waiting = has_room;
        if !has_room || !state.is_its_turn(self.number) {
            return None;
        }
        let (number, stored) = state.first_ready(self.lane)?;
        let delivery = state.number();
        let turn = self.turn(state)?;
        (turn.waiting, turn.last_served) = (false, delivery);
        let settle = Box::new(MemorySettle {
            client: Arc::clone(client),
            number,
            delivery,
            settled: false,
        });
        let (redelivered, deliveries) = (stored.redelivered, stored.deliveries);
        let message = stored.message.clone();
        let unacked = Unacked {
            stored,
            delivery,
            connection,
            consumer: self.number,
        };
        state.unacked.insert(number, unacked);
        Some(Ok(Delivery::new(message, redelivered, deliveries, settle)))
    }

    fn turn<'a>(&self, state: &'a mut State) -> Option<&'a mut Turn> {
        state.consumers.get_mut(&self.number)
    }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        self.client.alive().await;
        // However this ends, it is another consumer's turn.
        let waits = Waits(self);
        let taken = self.client.broker.wait_for(|state| match self.stopped {
            true => None,
            false => self.take(state),
        });
        let delivery = taken.await;
        drop(waits);
        delivery
    }

    async fn stop(&mut self) {
        self.stopped = true;
        let broker = &self.client.broker;
        broker.change(|state| state.consumers.remove(&self.number));
    }
}

/// A consumer that waits for a delivery.
struct Waits<'a>(&'a MemoryConsumer);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let broker = &self.0.client.broker;
        let mut state = broker.state();
        if let Some(turn) = self.0.turn(&mut state) {
            turn.waiting = false;
        }
        if !state.ready.is_empty() {
            drop(state);
            broker.change(|_| {});
        }
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.client
            .broker
            .change(|state| state.consumers.remove(&self.number));
    }
}

struct MemorySettle {
    client: Arc<Client>,
    number: u64,
    delivery: u64,
    settled: bool,
}

impl MemorySettle {
    /// Takes the message off the queue, and does `work` with it.
    async fn settle(
        mut self: Box<Self>,
        work: impl FnOnce(&mut State, RawMessage),
    ) -> Result<(), QueueError> {
        let gone = || QueueError::DeliveryLost("its connection is gone".to_owned());
        let (number, delivery) = (self.number, self.delivery);
        let settled = self.client.ask(Operation::Settle, |state, _| {
            if !state.is_held(number, delivery) {
                return Err(gone());
            }
            if let Some(unacked) = state.unacked.remove(&number) {
                work(state, unacked.stored.message);
            }
            Ok(())
        });
        let settled = settled.await?;
        self.settled = true;
        settled
    }

    fn give_back(&self, counted: bool) {
        let limit = self.client.options.delivery_limit;
        self.client.broker.change(|state| {
            if state.is_held(self.number, self.delivery) {
                state.give_back(self.number, counted, limit);
            }
        });
    }
}

#[async_trait]
impl Settle for MemorySettle {
    async fn ack(self: Box<Self>) -> Result<(), QueueError> {
        self.settle(|_, _| {}).await
    }

    async fn dead_letter(
        self: Box<Self>,
        _: &RawMessage,
        cause: &Cause,
        died_at: Timestamp,
    ) -> Result<(), QueueError> {
        self.settle(|state, message| state.dead_letter(message, cause.clone(), died_at))
            .await
    }

    async fn panicked(self: Box<Self>, _: &RawMessage) -> Result<(), QueueError> {
        self.settle(|state, mut message| {
            message.panics += 1;
            let lane = message.lane_again();
            state.insert(message, lane);
        })
        .await
    }

    async fn release(mut self: Box<Self>) -> Result<(), QueueError> {
        let held = !self.is_lost();
        self.give_back(false);
        self.settled = true;
        held.then_some(())
            .ok_or_else(|| QueueError::DeliveryLost("its connection is gone".to_owned()))
    }

    fn is_lost(&self) -> bool {
        let state = self.client.broker.state();
        !state.is_held(self.number, self.delivery)
    }
}

impl Drop for MemorySettle {
    fn drop(&mut self) {
        if !self.settled {
            self.give_back(true);
        }
    }
}
