//! Channels to borrow.

use std::ops::Deref;
use std::sync::Arc;

use lapin::Channel;
use lapin::options::ConfirmSelectOptions;
use lapin::protocol::constants::REPLY_SUCCESS;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::{Unanswered, answer};
use super::link::Link;

/// What a link's channels are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Each channel confirms what is published on it.
    Publishing,
    /// Consuming, asking and declaring.
    Consuming,
}

/// RabbitMQ allows 2047 channels per connection by default. Beyond this many publishes at a time
/// more don't go faster.
const PUBLISHING_CHANNELS: usize = 128;
const CONSUMING_CHANNELS: usize = 1500;

/// The channels of one link that nobody uses at the moment, and how many more there may be.
pub(super) struct Channels {
    role: Role,
    idle: Mutex<Vec<Channel>>,
    permits: Arc<Semaphore>,
}

impl Channels {
    pub(super) fn new(role: Role) -> Self {
        let limit = match role {
            Role::Publishing => PUBLISHING_CHANNELS,
            Role::Consuming => CONSUMING_CHANNELS,
        };
        Self {
            role,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(limit)),
        }
    }

    /// A channel for one's own use, waiting for one if all are in use.
    pub(super) async fn borrow(link: &Arc<Link>) -> Result<Borrowed, Unanswered> {
        let channels = &link.channels;
        // Never closed, so this never fails.
        let permit = channels.permits.clone().acquire_owned().await.ok();
        if let Some(channel) = channels.take_idle() {
            return Ok(Borrowed::new(channel, link, permit));
        }
        let channel = answer(link.connection.create_channel()).await?;
        let borrowed = Borrowed::new(channel, link, permit);
        if channels.role == Role::Publishing {
            answer(borrowed.confirm_select(ConfirmSelectOptions::default())).await?;
        }
        Ok(borrowed)
    }

    fn take_idle(&self) -> Option<Channel> {
        let mut idle = self.idle.lock();
        // Those that the broker closed meanwhile are dropped here.
        std::iter::from_fn(|| idle.pop()).find(|channel| channel.status().connected())
    }
}

/// A channel in use. Dropped, it is closed, since nobody knows what is still under way on it; who
/// does know gives it back.
pub(super) struct Borrowed {
    channel: Channel,
    link: Arc<Link>,
    is_clean: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Borrowed {
    fn new(channel: Channel, link: &Arc<Link>, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            channel,
            link: link.clone(),
            is_clean: false,
            _permit: permit,
        }
    }

    /// For the next one: nothing is under way on it.
    pub(super) fn give_back(mut self) {
        self.is_clean = true;
        self.link.channels.idle.lock().push(self.channel.clone());
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Whether it can still be used.
    pub(super) fn is_open(&self) -> bool {
        self.channel.status().connected() && self.link.is_up()
    }
}

impl Deref for Borrowed {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if !self.is_clean && self.is_open() {
            let channel = self.channel.clone();
            // Closed by us rather than by lapin, which gives up the whole connection where a
            // close of its own crosses one of the broker's.
            self.link.runtime.spawn(async move {
                let _ = answer(channel.close(REPLY_SUCCESS, "OK".into())).await;
            });
        }
    }
}
