//! The consumers of this process, as the writer thread sees them.

use tokio::sync::mpsc::UnboundedSender;

use super::change::ConsumerId;
use super::messages::Delivered;

/// Who waits for deliveries, and for how many each.
#[derive(Default)]
pub(super) struct Subscribers {
    list: Vec<Subscriber>,
    turn: usize,
}

struct Subscriber {
    consumer: ConsumerId,
    /// How many more deliveries it may have at the moment.
    credit: usize,
    deliveries: UnboundedSender<Delivered>,
}

impl Subscribers {
    pub(super) fn add(
        &mut self,
        consumer: ConsumerId,
        prefetch: u16,
        deliveries: UnboundedSender<Delivered>,
    ) {
        self.list.push(Subscriber {
            consumer,
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

    /// How many deliveries they can take together now.
    pub(super) fn credit(&self) -> usize {
        self.list.iter().map(|subscriber| subscriber.credit).sum()
    }

    /// Hands the messages out in turns, and returns those that nobody took.
    pub(super) fn hand_out(&mut self, messages: Vec<Delivered>) -> Vec<Delivered> {
        let mut untaken = Vec::new();
        for message in messages {
            match self.next_in_turn() {
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

    fn next_in_turn(&mut self) -> Option<&mut Subscriber> {
        let count = self.list.len();
        let next = (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|&index| self.list[index].credit > 0)?;
        self.turn = next + 1;
        self.list.get_mut(next)
    }
}
