//! A node for tests that break it.

use std::sync::Arc;
use std::time::Duration;

use queue::Options;
use queue::amqp::AmqpQueue;
use rabbitmq::Node;
use tokio::sync::MutexGuard;

use crate::conformance::PATIENCE;

/// Everything has a limit. Which one doesn't matter here, since machines differ.
pub const SOON: Duration = Duration::from_secs(60);

/// The node of this file, for one test at a time: each of them breaks it.
pub struct Broken {
    pub node: &'static Node,
    _alone: MutexGuard<'static, ()>,
}

impl Broken {
    pub async fn node() -> Self {
        static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let alone = ALONE.lock().await;
        let node = tokio::task::spawn_blocking(Node::shared).await.unwrap();
        Self {
            node,
            _alone: alone,
        }
    }

    pub async fn does(&self, what: impl FnOnce(&Node) + Send + 'static) {
        let node = self.node;
        tokio::task::spawn_blocking(move || what(node))
            .await
            .unwrap();
    }

    /// What `rabbitmqctl` says.
    pub async fn says(&self, args: &'static [&'static str]) -> String {
        let node = self.node;
        let asked = tokio::task::spawn_blocking(move || node.ctl(args));
        asked.await.unwrap()
    }

    /// Has the broker close channels on which a message was not acknowledged for that long. A channel
    /// keeps the limit that it was opened with.
    pub async fn close_channels_after(&self, limit: Duration) {
        let limit = limit.as_millis();
        self.does(move |node| {
            node.ctl(&[
                "eval",
                &format!(
                    "application:set_env(rabbit, channel_tick_interval, {}), \
                     application:set_env(rabbit, consumer_timeout, {limit}).",
                    (limit / 3).min(60_000),
                ),
            ]);
        })
        .await;
    }

    pub async fn open(&self, prefix: &str, publish_timeout: Duration) -> Arc<AmqpQueue> {
        let options = Options {
            prefix: prefix.to_owned(),
            publish_timeout,
            ..Options::default()
        };
        let url = self.node.url().parse().unwrap();
        Arc::new(AmqpQueue::open(&[url], options).await.unwrap())
    }
}

pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE * 2, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "never {what}");
}
