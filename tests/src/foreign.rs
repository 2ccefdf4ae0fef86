//! What somebody else does to the queue.

use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::Stack;

/// A message as no process of ours would publish it.
#[derive(Debug, Clone, Copy)]
pub struct Foreign {
    /// `message-id`.
    pub id: &'static str,
    /// `type`.
    pub kind: &'static str,
    /// The body.
    pub body: &'static str,
}

impl Stack {
    /// Puts a message on the queue past all of our code.
    pub async fn put(&self, message: Foreign) {
        let [(_, url), (_, prefix)] = self.queue_settings();
        if let Some(file) = url.strip_prefix("sqlite:") {
            let file = rusqlite::Connection::open(file).unwrap();
            file.execute(
                "INSERT INTO messages (id, kind, body, published_at) VALUES (?, ?, ?, 0)",
                (message.id, message.kind, message.body.as_bytes()),
            )
            .unwrap();
            return;
        }
        let properties = BasicProperties::default()
            .with_message_id(message.id.into())
            .with_type(message.kind.into())
            .with_delivery_mode(2);
        let (_connection, channel) = operator(&url).await;
        channel
            .basic_publish(
                prefix.as_str().into(),
                format!("{prefix}.redirect").into(),
                BasicPublishOptions::default(),
                message.body.as_bytes(),
                properties,
            )
            .await
            .unwrap()
            .await
            .unwrap();
    }

    /// Declares a queue on the broker under a name of ours, as we would not.
    pub async fn declare_otherwise(&self) {
        let [(_, url), (_, prefix)] = self.queue_settings();
        let (_connection, channel) = operator(&url).await;
        let name = format!("{prefix}.redirect");
        let options = QueueDeclareOptions::durable();
        let declared = channel.queue_declare(name.into(), options, FieldTable::default());
        declared.await.unwrap();
    }

    /// Deletes the queue of requests, and says how many were in it.
    pub async fn delete_queue(&self) -> usize {
        let [(_, url), (_, prefix)] = self.queue_settings();
        let (_connection, channel) = operator(&url).await;
        let name = format!("{prefix}.redirect");
        let deleted = channel.queue_delete(name.into(), QueueDeleteOptions::default());
        usize::try_from(deleted.await.unwrap()).unwrap()
    }

    /// Deletes the embedded queue's file, and what SQLite keeps beside it.
    pub fn delete_file(&self) {
        let [(_, url), _] = self.queue_settings();
        for beside in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{beside}", &url["sqlite:".len()..]));
        }
    }
}

async fn operator(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default());
    let connection = connection.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}
