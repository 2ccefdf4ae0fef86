//! The tables of messages and dead letters. The caller holds the transaction.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::{Cause, DeadLetter, DeadLetterId, Lane, RawMessage, Reason, Stats};

/// Names one delivery of one message, so that a delivery that was lost can't settle a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) seq: i64,
    pub(super) returns: u32,
    /// How many consumers died with it before.
    pub(super) deliveries: u32,
}

/// A message on its way to a consumer.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) token: Token,
    pub(super) lane: Lane,
    pub(super) message: RawMessage,
}

/// How a message comes back to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    /// Its consumer never got to see it.
    Unseen,
    /// Its consumer gave it back.
    Released,
    /// Its consumer dropped it, or died; only this counts as a delivery.
    Abandoned,
}

/// By the index, which goes by lanes.
const UNACKED: &str = "lane IN (0, 1, 2, 3) AND unacked IS NOT NULL";

const OURS: &str = "seq = ?1 AND unacked IS NOT NULL AND returns = ?2";

fn run(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
    db.prepare_cached(sql)?.execute(params)
}

/// How many messages there are in a lane, delivered or not.
pub(super) fn length(db: &Connection, lane: Lane) -> Result<u64> {
    db.prepare_cached("SELECT messages FROM lanes WHERE lane = ?")?
        .query_row([lane as u8], |row| count(row, 0))
}

/// Whether there are no messages at all.
pub(super) fn are_none(db: &Connection) -> Result<bool> {
    db.query_row("SELECT NOT EXISTS (SELECT 1 FROM messages)", [], |row| {
        row.get(0)
    })
}

/// Changes nothing; succeeds if the file can be written.
pub(super) fn touch(db: &Connection) -> Result<()> {
    run(db, "UPDATE totals SET dead = dead", [])?;
    Ok(())
}

pub(super) fn insert(db: &Connection, lane: Lane, message: &RawMessage) -> Result<()> {
    run(
        db,
        "INSERT INTO messages (lane, id, kind, body, traceparent, panics, published_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![
            lane as u8,
            message.id,
            message.kind,
            message.body,
            message.traceparent.as_ref().map(|t| t.as_str()),
            message.panics,
            Timestamp::now().as_millisecond(),
        ],
    )?;
    Ok(())
}

pub(super) fn any_ready(db: &Connection, lane: Lane) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM messages WHERE lane = ? AND unacked IS NULL)")?
        .query_row([lane as u8], |row| row.get(0))
}

/// Whether something is delivered and not settled.
pub(super) fn any_unacked(db: &Connection) -> Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM messages WHERE {UNACKED})");
    db.prepare_cached(&sql)?.query_row([], |row| row.get(0))
}

/// How long the message that comes first in the lane for later has waited there, in milliseconds.
pub(super) fn longest_wait(db: &Connection, now: Timestamp) -> Result<Option<i64>> {
    let first = db
        .prepare_cached(
            "SELECT published_at FROM messages WHERE lane = 2 AND unacked IS NULL
             ORDER BY seq LIMIT 1",
        )?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(first.map(|published_at| now.as_millisecond() - published_at))
}

/// Moves up to `limit` messages on that have waited until later, those with a time still to come among
/// them: the clock was wrong.
pub(super) fn move_on(db: &Connection, now: Timestamp, later: i64, limit: u32) -> Result<()> {
    run(
        db,
        "UPDATE messages SET lane = 1
         WHERE seq IN (SELECT seq FROM messages WHERE lane = 2 AND unacked IS NULL
                       ORDER BY seq LIMIT ?3)
             AND (published_at <= ?1 - ?2 OR published_at > ?1)",
        params![now.as_millisecond(), later, limit],
    )?;
    Ok(())
}

/// Takes up to `limit` ready messages of a lane for delivery, in order.
pub(super) fn deliver(db: &Connection, lane: Lane, limit: usize) -> Result<Vec<Delivered>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(
        "UPDATE messages SET unacked = 1
         WHERE seq IN (SELECT seq FROM messages WHERE lane = ? AND unacked IS NULL
                       ORDER BY seq LIMIT ?)
         RETURNING id, kind, body, traceparent, panics, seq, returns, deliveries",
    )?;
    let rows = statement.query_map([i64::from(lane as u8), limit], |row| {
        Ok(Delivered {
            lane,
            token: Token {
                seq: row.get(5)?,
                returns: row.get(6)?,
                deliveries: row.get(7)?,
            },
            message: message(row)?,
        })
    })?;
    let mut delivered = rows.collect::<Result<Vec<_>>>()?;
    delivered.sort_unstable_by_key(|delivered| delivered.token.seq);
    Ok(delivered)
}

/// Removes a message that is done; `false` if the delivery was lost.
pub(super) fn remove(db: &Connection, token: Token) -> Result<bool> {
    let sql = format!("DELETE FROM messages WHERE {OURS}");
    Ok(run(db, &sql, params![token.seq, token.returns])? > 0)
}

/// Makes a message a dead letter; `false` if the delivery was lost.
pub(super) fn dead_letter(
    db: &Connection,
    token: Token,
    cause: &Cause,
    died_at: Timestamp,
) -> Result<bool> {
    let sql = format!(
        "INSERT INTO dead_letters
             (id, kind, body, traceparent, panics, died_at, reason, attempts, last_error)
         SELECT id, kind, body, traceparent, panics, ?3, ?4, ?5, ?6 FROM messages WHERE {OURS}"
    );
    run(
        db,
        &sql,
        params![
            token.seq,
            token.returns,
            died_at.as_millisecond(),
            cause.reason.as_str(),
            cause.attempts,
            cause.last_error,
        ],
    )?;
    remove(db, token)
}

/// Puts a message at the end of the queue in the form of `message`; `false` if the delivery
/// was lost.
pub(super) fn publish_again(db: &Connection, token: Token, message: &RawMessage) -> Result<bool> {
    let ours = remove(db, token)?;
    if ours {
        insert(db, message.lane_again(), message)?;
    }
    Ok(ours)
}

/// Makes a message ready again, or a dead letter once it was abandoned more than `delivery_limit`
/// times; `false` if the delivery was lost.
pub(super) fn give_back(
    db: &Connection,
    token: Token,
    how: Return,
    delivery_limit: u32,
) -> Result<bool> {
    let counts = how == Return::Abandoned;
    if counts && token.deliveries >= delivery_limit {
        let cause = Cause {
            reason: Reason::DeliveryLimit,
            attempts: 0,
            last_error: None,
        };
        return dead_letter(db, token, &cause, Timestamp::now());
    }
    let sql = format!(
        "UPDATE messages
         SET unacked = NULL, deliveries = deliveries + ?3, returns = returns + ?4
         WHERE {OURS}"
    );
    let seen = how != Return::Unseen;
    Ok(run(db, &sql, params![token.seq, token.returns, counts, seen])? > 0)
}

/// Gives back everything that a consumer left behind, and returns how much that was.
pub(super) fn give_back_all(db: &Connection, delivery_limit: u32) -> Result<usize> {
    let sql = format!("SELECT seq, returns, deliveries FROM messages WHERE {UNACKED}");
    let tokens = db
        .prepare_cached(&sql)?
        .query_map([], |row| {
            Ok(Token {
                seq: row.get(0)?,
                returns: row.get(1)?,
                deliveries: row.get(2)?,
            })
        })?
        .collect::<Result<Vec<_>>>()?;
    for &token in &tokens {
        give_back(db, token, Return::Abandoned, delivery_limit)?;
    }
    Ok(tokens.len())
}

/// Moves a dead letter back to the queue in the form of `message`; `false` if it is gone.
pub(super) fn replay(db: &Connection, row: i64, message: &RawMessage) -> Result<bool> {
    let there = discard(db, row)?;
    if there {
        insert(db, message.lane_again(), message)?;
    }
    Ok(there)
}

/// Removes a dead letter; `false` if it is gone.
pub(super) fn discard(db: &Connection, row: i64) -> Result<bool> {
    Ok(run(db, "DELETE FROM dead_letters WHERE row = ?", [row])? > 0)
}

/// The dead letters for which `wanted` returns `true`, oldest first, with their rows.
pub(super) fn dead_letters(
    db: &Connection,
    wanted: impl Fn(&DeadLetter) -> bool,
) -> Result<Vec<(i64, DeadLetter)>> {
    let mut statement = db.prepare_cached(
        "SELECT id, kind, body, traceparent, panics, row, died_at, reason, attempts, last_error
         FROM dead_letters ORDER BY row",
    )?;
    let rows = statement.query_map([], |row| {
        let message = message(row)?;
        let reason: String = row.get(7)?;
        let letter = DeadLetter {
            id: DeadLetterId::of(&message),
            died_at: timestamp(row.get(6)?),
            cause: Cause {
                reason: reason.as_str().into(),
                attempts: row.get(8)?,
                last_error: row.get(9)?,
            },
            message,
        };
        Ok((row.get(5)?, letter))
    })?;
    rows.filter(|row| row.as_ref().map_or(true, |(_, letter)| wanted(letter)))
        .collect()
}

/// How requests and dead letters stand, without the consumers.
pub(super) fn stats(db: &Connection) -> Result<Stats> {
    db.prepare_cached(
        "SELECT messages, dead, (SELECT sum(messages) FROM lanes WHERE lane <> 0),
             (SELECT count(*) FROM messages WHERE lane = 0 AND unacked IS NOT NULL),
             (SELECT published_at FROM messages WHERE seq = (
                  SELECT min(seq) FROM (
                      SELECT min(seq) AS seq FROM messages WHERE lane = 0 AND unacked IS NULL
                      UNION ALL SELECT seq FROM messages WHERE lane = 0 AND unacked IS NOT NULL)))
         FROM lanes, totals WHERE lane = 0",
    )?
    .query_row([], |row| {
        let unacked = count(row, 3)?;
        Ok(Stats {
            ready: count(row, 0)?.saturating_sub(unacked),
            unacked: Some(unacked),
            consumers: 0,
            dead: count(row, 1)?,
            other_lanes: Some(count(row, 2)?),
            oldest: row.get::<_, Option<i64>>(4)?.map(timestamp),
        })
    })
}

/// Reads columns 0 to 4: id, kind, body, traceparent, panics.
fn message(row: &Row<'_>) -> Result<RawMessage> {
    let traceparent: Option<String> = row.get(3)?;
    Ok(RawMessage {
        id: row.get(0)?,
        kind: row.get(1)?,
        body: row.get(2)?,
        traceparent: traceparent.and_then(|text| text.parse().ok()),
        panics: row.get(4)?,
    })
}

fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.try_into().unwrap_or(0))
}

fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}
