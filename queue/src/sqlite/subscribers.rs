//! The consumers of this process, as the writer thread sees them.

use tokio::sync::mpsc::UnboundedSender;

use super::change::ConsumerId;
use super::messages::Delivered;
use crate::Lane;

/// Who waits for deliveries, and for how many each.
#[derive(Default)]
pub(super) struct Subscribers {
    list: Vec<Subscriber>,
    turn: usize,
}

struct Subscriber {
    consumer: ConsumerId,
    lane: Lane,
    /// How many more deliveries it may have at the moment.
    credit: usize,
    deliveries: UnboundedSender<Delivered>,
}

impl Subscribers {
    pub(super) fn add(
        &mut self,
        consumer: ConsumerId,
        lane: Lane,
        prefetch: u16,
        deliveries: UnboundedSender<Delivered>,
    ) {
        self.list.push(Subscriber {
            consumer,
            lane,
            credit: usize::from(prefetch.max(1)),
            deliveries,
        });
    }

    pub(super) fn remove(&mut self, consumer: ConsumerId) {
        self.list.retain(|other| other.consumer != consumer);
    }

    /// One of its deliveries is settled.
    pub(super) fn settled(&mut self, consumer: ConsumerId) {
        if let Some(subscriber) = self.list.iter_mut().find(|s| s.consumer == consumer) {
            subscriber.credit += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The lanes in which they can take deliveries now, and how many together.
    pub(super) fn credit(&self) -> impl Iterator<Item = (Lane, usize)> {
        let credit = |lane| self.of(lane).map(|index| self.list[index].credit).sum();
        let all = Lane::ALL.into_iter().map(move |lane| (lane, credit(lane)));
        all.filter(|(_, credit)| *credit > 0)
    }

    /// Those whose turn it may be in a lane. One at a time takes outcomes.
    fn of(&self, lane: Lane) -> impl Iterator<Item = usize> {
        let limit = match lane {
            Lane::Outcomes => 1,
            _ => usize::MAX,
        };
        let all = (0..self.list.len()).filter(move |index| self.list[*index].lane == lane);
        all.take(limit)
    }

    /// Hands the messages out in turns, and returns those that nobody took.
    pub(super) fn hand_out(&mut self, messages: Vec<Delivered>) -> Vec<Delivered> {
        let mut untaken = Vec::new();
        for message in messages {
            match self.next_in_turn(message.lane) {
                Some(subscriber) => {
                    subscriber.credit -= 1;
                    if let Err(error) = subscriber.deliveries.send(message) {
                        untaken.push(error.0);
                    }
                }
                None => untaken.push(message),
            }
        }
        untaken
    }

    fn next_in_turn(&mut self, lane: Lane) -> Option<&mut Subscriber> {
        let count = self.list.len();
        let next = self
            .of(lane)
            .filter(|index| self.list[*index].credit > 0)
            .min_by_key(|index| (index + count - self.turn % count) % count)?;
        self.turn = next + 1;
        self.list.get_mut(next)
    }
}
