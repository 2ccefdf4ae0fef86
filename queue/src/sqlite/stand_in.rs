//! Which queue a file's messages are meant for, if it stands in for another queue.

use rusqlite::{Connection, OptionalExtension, Result};

use super::database::Database;
use super::messages;
use crate::{OnBroker, QueueError};

/// Created only when needed, so that it takes no new version of the schema.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS stands_in_for (hosts TEXT NOT NULL, queue TEXT NOT NULL) STRICT";

/// Claims the file for `queue`, unless it holds messages for another queue.
pub(super) fn claim(db: &mut Database, queue: &OnBroker) -> std::result::Result<(), QueueError> {
    let others = db.transaction(|tx| {
        tx.execute_batch(TABLE)?;
        let before = claimed(tx)?.filter(|before| !before.may_be(queue));
        if before.is_some() && !messages::are_none(tx)? {
            return Ok(before);
        }
        tx.execute("DELETE FROM stands_in_for", [])?;
        tx.execute(
            "INSERT INTO stands_in_for (hosts, queue) VALUES (?, ?)",
            (queue.hosts.join(" "), &queue.queue),
        )?;
        Ok(None)
    });
    match others {
        Ok(None) => Ok(()),
        Ok(Some(other)) => Err(QueueError::Mismatch(format!(
            "{db} holds requests for the queue {other}, not for {queue}: name another file; or, if \
             that queue has only moved, name its former host in QUEUE_URL as well until the file is \
             empty (amqp://USER:PASSWORD@NEW,FORMER/VHOST)"
        ))),
        Err(error) => Err(QueueError::Storage(format!("{db}: {error}"))),
    }
}

fn claimed(db: &Connection) -> Result<Option<OnBroker>> {
    db.query_row("SELECT hosts, queue FROM stands_in_for", [], |row| {
        let hosts: String = row.get(0)?;
        Ok(OnBroker {
            hosts: hosts.split(' ').map(str::to_owned).collect(),
            queue: row.get(1)?,
        })
    })
    .optional()
}
