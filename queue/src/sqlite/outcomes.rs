//! The table of what was told. The caller holds the transaction.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::{CallerEnd, Content, Message, RawMessage};

/// How long each line stays.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many are read at a time.
const BATCH: u32 = 256;

/// Adds a line, unless it is there already.
pub(super) fn insert(db: &Connection, told: &Content) -> Result<()> {
    let Some((plan, what)) = told.told() else {
        return Ok(());
    };
    let (at, caller, step, seconds) = match told {
        Content::Redirected(redirected) => (Some(redirected.redirected_at), None, None, None),
        Content::Outcome(told) => (
            Some(told.at),
            told.caller,
            told.step.as_deref(),
            told.seconds,
        ),
        _ => (None, None, None, None),
    };
    let message = Message::from(told.clone()).encode();
    db.prepare_cached(
        "INSERT OR IGNORE INTO outcomes
             (told_at, at, id, type, plan, outcome, caller, call_sid, step, seconds, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        Timestamp::now().as_millisecond(),
        at.map(|at| at.to_string()),
        message.id,
        message.kind,
        plan,
        what,
        caller.map(CallerEnd::as_str),
        told.call_sid().as_str(),
        step,
        seconds.and_then(|seconds| i64::try_from(seconds).ok()),
        String::from_utf8_lossy(&message.body),
    ])?;
    Ok(())
}

/// The last line from before then; 0 if there is none.
pub(super) fn last_before(db: &Connection, then: Timestamp) -> Result<i64> {
    // From the end, which is near.
    let last = db
        .prepare_cached("SELECT seq FROM outcomes WHERE told_at < ? ORDER BY seq DESC LIMIT 1")?
        .query_row([then.as_millisecond()], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or_default())
}

/// What comes after the line `seq`: how far that goes, and as much of it as can be understood.
pub(super) fn read_after(db: &Connection, seq: i64) -> Result<(i64, Vec<Content>)> {
    let mut statement = db.prepare_cached(
        "SELECT seq, type, body FROM outcomes WHERE seq > ? ORDER BY seq LIMIT ?",
    )?;
    let mut rows = statement.query(params![seq, BATCH])?;
    let (mut last, mut read) = (seq, Vec::new());
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        let body: String = row.get(2)?;
        let message = RawMessage {
            id: None,
            kind: row.get(1)?,
            body: body.into_bytes(),
            traceparent: None,
            panics: 0,
        };
        read.extend(message.content());
    }
    Ok((last, read))
}

/// Whether the first line has been there for long enough.
pub(super) fn any_old(db: &Connection, now: Timestamp) -> Result<bool> {
    let first = db
        .prepare_cached("SELECT told_at FROM outcomes ORDER BY seq LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(first.is_some_and(|told_at| told_at < (now - KEPT).as_millisecond()))
}

/// Removes up to `limit` lines that have been there for long enough.
pub(super) fn trim(db: &Connection, now: Timestamp, limit: u32) -> Result<()> {
    let sql = "DELETE FROM outcomes
               WHERE seq IN (SELECT seq FROM outcomes ORDER BY seq LIMIT ?) AND told_at < ?";
    db.prepare_cached(sql)?
        .execute(params![limit, (now - KEPT).as_millisecond()])?;
    Ok(())
}
