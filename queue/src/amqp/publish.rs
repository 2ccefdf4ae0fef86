//! Publishing: a message is handed to the one task that publishes.

use tokio::sync::oneshot;

use super::client::Client;
use super::outgoing::Outgoing;
use super::publisher::{Submitted, lost};
use crate::QueueError;

impl Client {
    /// Returns once the broker has the message for good, or after the publish timeout. Many may be
    /// under way at once.
    pub(super) async fn publish(&self, outgoing: Outgoing) -> Result<(), QueueError> {
        let session = self.publishing.session()?;
        if let Some(reason) = session.blocked() {
            return Err(QueueError::Refused(reason));
        }
        let (outcome, told) = oneshot::channel();
        let attempt = async {
            let submitted = self.publisher.send(Submitted { outgoing, outcome });
            submitted.await.map_err(|_| lost())?;
            told.await.unwrap_or_else(|_| Err(lost()))
        };
        match tokio::time::timeout(self.publish_timeout, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => {
                session.check();
                Err(session.blocked().map_or(
                    QueueError::TimedOut(self.publish_timeout),
                    QueueError::Refused,
                ))
            }
        }
    }
}
