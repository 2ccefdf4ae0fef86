//! The page for a browser: how everything stands, made on the server from an [`Overview`], and dead
//! letters replayed or discarded by whoever has the token.
//!
//! It works without JavaScript; a few lines of it refresh the page. Nothing in it comes from elsewhere.

mod change;
mod refusal;
mod server;
mod sessions;
mod settings;
mod site;
mod view;

use std::sync::Arc;

use async_trait::async_trait;
use overview::{Overview, Watcher};
use queue::Queue;

pub use settings::{PageArgs, PageSettings, Urls};

/// Knows how everything stands.
#[async_trait]
pub trait Source: Send + Sync {
    /// How everything stands now.
    async fn overview(&self) -> Arc<Overview>;

    /// Dead letters were replayed or discarded: the next overview is to show that.
    async fn dead_letters_changed(&self);
}

#[async_trait]
impl Source for Watcher {
    async fn overview(&self) -> Arc<Overview> {
        self.overview().await
    }

    async fn dead_letters_changed(&self) {
        self.look_again().await;
    }
}

/// The page.
pub struct Page {
    sites: site::Sites,
    sessions: sessions::Sessions,
    source: Arc<dyn Source>,
    queue: Arc<dyn Queue>,
}

impl Page {
    /// A page that shows what `source` knows, and settles the dead letters of `queue`.
    pub fn new(settings: &PageSettings, source: Arc<dyn Source>, queue: Arc<dyn Queue>) -> Self {
        Self {
            sites: site::Sites::of(settings),
            sessions: sessions::Sessions::new(settings.token.clone()),
            source,
            queue,
        }
    }
}
