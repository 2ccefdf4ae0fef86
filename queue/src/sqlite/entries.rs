//! The entries of the log of intents, one statement each; the caller holds the transaction.

use rusqlite::{Connection, Result, params};

use crate::Intent;

/// An entry of the log of intents, perhaps a stranger's.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) seq: i64,
    id: Vec<u8>,
    incarnation: Vec<u8>,
    call_sid: String,
}

impl Entry {
    /// `None` where it can't be understood.
    pub(super) fn intent(&self) -> Option<Intent> {
        Some(Intent {
            id: u128::from_be_bytes(self.id.as_slice().try_into().ok()?),
            incarnation: u64::from_be_bytes(self.incarnation.as_slice().try_into().ok()?),
            call_sid: self.call_sid.parse().ok()?,
        })
    }
}

/// Appends to the log, and tells where.
pub(super) fn append(db: &Connection, intent: &Intent) -> Result<i64> {
    db.prepare_cached("INSERT INTO intents (id, incarnation, call_sid) VALUES (?, ?, ?)")?
        .insert(params![
            intent.id.to_be_bytes(),
            intent.incarnation.to_be_bytes(),
            intent.call_sid.as_str(),
        ])
}

/// Whether that very entry is still where it was.
pub(super) fn is_in_log(db: &Connection, entry: &Entry) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM intents WHERE seq = ? AND id = ?)")?
        .query_row(params![entry.seq, entry.id], |row| row.get(0))
}

/// Reads the log from behind the entry `seq` to its end.
pub(super) fn read_after(db: &Connection, seq: i64, mut read: impl FnMut(Entry)) -> Result<()> {
    let mut statement = db.prepare_cached(
        "SELECT seq, id, incarnation, call_sid FROM intents WHERE seq > ? ORDER BY seq",
    )?;
    let mut rows = statement.query([seq])?;
    while let Some(row) = rows.next()? {
        read(Entry {
            seq: row.get(0)?,
            id: row.get(1)?,
            incarnation: row.get(2)?,
            call_sid: row.get(3)?,
        });
    }
    Ok(())
}

/// Removes up to `limit` entries up to `seq`, the oldest first.
pub(super) fn trim(db: &Connection, seq: i64, limit: usize) -> Result<()> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = "DELETE FROM intents
               WHERE seq IN (SELECT seq FROM intents WHERE seq <= ? ORDER BY seq LIMIT ?)";
    db.prepare_cached(sql)?.execute([seq, limit])?;
    Ok(())
}
