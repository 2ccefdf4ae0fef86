//! The tables of what processes say, and of whether somebody watches.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Result as SqlResult, params};

/// For how long it holds that somebody watches.
const HOLDS: Duration = Duration::from_secs(5);

/// What is older is of a process that is gone.
const KEPT: Duration = Duration::from_secs(60);

/// Somebody watches from `now` on, for a while. The caller holds the transaction.
pub(super) fn watch(db: &Connection, now: Timestamp) -> SqlResult<()> {
    let until = (now + HOLDS).as_millisecond();
    db.prepare_cached("UPDATE watching SET until = ?")?
        .execute([until])?;
    Ok(())
}

/// What the process says takes the place of what it said before. The caller holds the transaction.
pub(super) fn say(db: &Connection, process: i64, said: &[u8]) -> SqlResult<()> {
    let now = Timestamp::now();
    db.prepare_cached("DELETE FROM reports WHERE process = ? OR at < ?")?
        .execute([process, (now - KEPT).as_millisecond()])?;
    db.prepare_cached("INSERT INTO reports (process, at, body) VALUES (?, ?, ?)")?
        .execute(params![process, now.as_millisecond(), said])?;
    Ok(())
}

/// Whether somebody watches.
pub(super) fn is_watched(db: &Connection) -> SqlResult<bool> {
    let now = Timestamp::now().as_millisecond();
    db.prepare_cached("SELECT until > ? FROM watching")?
        .query_row([now], |row| row.get(0))
}

/// The last report that there is.
pub(super) fn last(db: &Connection) -> SqlResult<i64> {
    db.prepare_cached("SELECT coalesce(max(seq), 0) FROM reports")?
        .query_row([], |row| row.get(0))
}

/// Those after it.
pub(super) fn read_after(db: &Connection, last: i64) -> SqlResult<Vec<(i64, Vec<u8>)>> {
    let mut statement =
        db.prepare_cached("SELECT seq, body FROM reports WHERE seq > ? ORDER BY seq")?;
    let rows = statement.query_map([last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
