//! The table of what was told. The caller holds the transaction.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use serde::Serialize;

use crate::{CallerEnd, Content, OUTCOME_V1, Outcome, REDIRECTED_V1, Redirected};

/// How long each line stays.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many are read at a time.
const BATCH: u32 = 256;

/// Adds a line for each caller, unless it is there already.
pub(super) fn insert(db: &Connection, told: &Content) -> Result<()> {
    match told {
        Content::Outcome(outcome) => outcome_line(db, outcome),
        Content::Redirected(redirected) => redirected
            .iter()
            .try_for_each(|one| redirected_line(db, one)),
        Content::Redirect(_) | Content::Notify(_) => Ok(()),
    }
}

fn outcome_line(db: &Connection, outcome: &Outcome) -> Result<()> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO outcomes
             (told_at, at, id, type, plan, outcome, caller, call_sid, step, seconds, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        Timestamp::now().as_millisecond(),
        outcome.at.to_string(),
        outcome.id,
        OUTCOME_V1,
        outcome.plan,
        outcome.outcome.as_str(),
        outcome.caller.map(CallerEnd::as_str),
        outcome.call_sid.as_str(),
        outcome.step,
        outcome
            .seconds
            .and_then(|seconds| i64::try_from(seconds).ok()),
        json(outcome),
    ])?;
    Ok(())
}

fn redirected_line(db: &Connection, redirected: &Redirected) -> Result<()> {
    let call = redirected.call_sid;
    db.prepare_cached(
        "INSERT OR IGNORE INTO outcomes (told_at, at, id, type, plan, outcome, call_sid, body)
         VALUES (?, ?, ?, ?, ?, 'redirected', ?, ?)",
    )?
    .execute(params![
        Timestamp::now().as_millisecond(),
        redirected.redirected_at.to_string(),
        // Who comes back is redirected anew, for another task.
        redirected.task_sid.as_str(),
        REDIRECTED_V1,
        redirected.plan,
        call.as_str(),
        json(redirected),
    ])?;
    Ok(())
}

fn json(told: &impl Serialize) -> String {
    serde_json::to_string(told).unwrap_or_default()
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
        let (kind, body): (String, String) = (row.get(1)?, row.get(2)?);
        // A line of a later version is passed over.
        read.extend(match kind.as_str() {
            OUTCOME_V1 => serde_json::from_str(&body).ok().map(Content::Outcome),
            REDIRECTED_V1 => {
                let redirected = serde_json::from_str(&body).ok();
                redirected.map(|one: Redirected| one.into())
            }
            _ => None,
        });
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
