//! What is done to the tables, one statement or two each; the caller holds the transaction.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Result, Row, params};

use crate::{Cause, DeadLetter, DeadLetterId, RawMessage, Reason, Stats};

/// Names one delivery of one message. Whoever lost it can't settle what somebody else got since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) seq: i64,
    pub(super) owner: i64,
    pub(super) returns: u32,
    /// How many consumers died with it before.
    pub(super) deliveries: u32,
}

/// A message leased to an owner.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) token: Token,
    pub(super) message: RawMessage,
}

/// How a message comes back to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    /// Its consumer never got to see it.
    Unseen,
    /// Its consumer gave it back.
    Released,
    /// Its consumer let it fall, or died; only this counts as a delivery.
    Abandoned,
}

/// Where a message went that was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenBack {
    Ready,
    Dead,
    /// Nowhere: it was no longer the owner's to give.
    Lost,
}

const OURS: &str = "seq = ?1 AND owner = ?2 AND returns = ?3";

fn run(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
    db.prepare_cached(sql)?.execute(params)
}

/// How many messages there are, leased ones included.
pub(super) fn length(db: &Connection) -> Result<u64> {
    db.prepare_cached("SELECT messages FROM totals")?
        .query_row([], |row| count(row, 0))
}

/// Changes nothing, which shows whether anything can be changed.
pub(super) fn touch(db: &Connection) -> Result<()> {
    run(db, "UPDATE totals SET dead = dead", [])?;
    Ok(())
}

pub(super) fn insert(db: &Connection, message: &RawMessage) -> Result<()> {
    run(
        db,
        "INSERT INTO messages (id, kind, body, traceparent, panics, published_at)
         VALUES (?, ?, ?, ?, ?, ?)",
        params![
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

pub(super) fn any_ready(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM messages WHERE owner IS NULL)")?
        .query_row([], |row| row.get(0))
}

/// Leases up to `limit` ready messages, in order; none to an owner who was given up for dead and
/// doesn't know it yet, as nobody would give them back.
pub(super) fn lease(db: &Connection, owner: i64, limit: usize) -> Result<Vec<Leased>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(
        "UPDATE messages SET owner = ?1
         WHERE seq IN (SELECT seq FROM messages WHERE owner IS NULL ORDER BY seq LIMIT ?2)
             AND EXISTS (SELECT 1 FROM owners WHERE id = ?1)
         RETURNING id, kind, body, traceparent, panics, seq, returns, deliveries",
    )?;
    let rows = statement.query_map(params![owner, limit], |row| {
        Ok(Leased {
            token: Token {
                seq: row.get(5)?,
                owner,
                returns: row.get(6)?,
                deliveries: row.get(7)?,
            },
            message: message(row)?,
        })
    })?;
    let mut leased = rows.collect::<Result<Vec<_>>>()?;
    leased.sort_unstable_by_key(|leased| leased.token.seq);
    Ok(leased)
}

/// Removes a message that is done; `false` where the lease is lost.
pub(super) fn remove(db: &Connection, token: Token) -> Result<bool> {
    let sql = format!("DELETE FROM messages WHERE {OURS}");
    Ok(run(db, &sql, params![token.seq, token.owner, token.returns])? > 0)
}

/// Makes a message a dead letter; `false` where the lease is lost.
pub(super) fn bury(
    db: &Connection,
    token: Token,
    cause: &Cause,
    died_at: Timestamp,
) -> Result<bool> {
    let sql = format!(
        "INSERT INTO dead_letters
             (id, kind, body, traceparent, panics, died_at, reason, attempts, last_error)
         SELECT id, kind, body, traceparent, panics, ?4, ?5, ?6, ?7 FROM messages WHERE {OURS}"
    );
    run(
        db,
        &sql,
        params![
            token.seq,
            token.owner,
            token.returns,
            died_at.as_millisecond(),
            cause.reason.as_str(),
            cause.attempts,
            cause.last_error,
        ],
    )?;
    remove(db, token)
}

/// Puts a message at the end of the queue in the form of `message`; `false` where the lease is lost.
pub(super) fn publish_again(db: &Connection, token: Token, message: &RawMessage) -> Result<bool> {
    let ours = remove(db, token)?;
    if ours {
        insert(db, message)?;
    }
    Ok(ours)
}

/// Makes a message ready again. One that was abandoned more than `delivery_limit` times becomes a
/// dead letter.
pub(super) fn give_back(
    db: &Connection,
    token: Token,
    how: Return,
    delivery_limit: u32,
) -> Result<GivenBack> {
    let counts = how == Return::Abandoned;
    if counts && token.deliveries >= delivery_limit {
        let cause = Cause {
            reason: Reason::DeliveryLimit,
            attempts: 0,
            last_error: None,
        };
        let buried = bury(db, token, &cause, Timestamp::now())?;
        return Ok(if buried {
            GivenBack::Dead
        } else {
            GivenBack::Lost
        });
    }
    let sql = format!(
        "UPDATE messages
         SET owner = NULL, deliveries = deliveries + ?4, returns = returns + ?5
         WHERE {OURS}"
    );
    let seen = how != Return::Unseen;
    let Token {
        seq,
        owner,
        returns,
        ..
    } = token;
    let changed = run(db, &sql, params![seq, owner, returns, counts, seen])?;
    Ok(if changed > 0 {
        GivenBack::Ready
    } else {
        GivenBack::Lost
    })
}

/// Moves a dead letter back to the queue in the form of `message`; `false` where it is gone.
pub(super) fn replay(db: &Connection, row: i64, message: &RawMessage) -> Result<bool> {
    let there = discard(db, row)?;
    if there {
        insert(db, message)?;
    }
    Ok(there)
}

/// Removes a dead letter; `false` where it is gone.
pub(super) fn discard(db: &Connection, row: i64) -> Result<bool> {
    Ok(run(db, "DELETE FROM dead_letters WHERE row = ?", [row])? > 0)
}

/// The dead letters that `wanted` says yes to, oldest first, with their rows.
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

pub(super) fn stats(db: &Connection) -> Result<Stats> {
    db.prepare_cached(
        "SELECT messages, dead,
             (SELECT count(*) FROM messages WHERE owner IS NOT NULL),
             (SELECT coalesce(sum(consumers), 0) FROM owners),
             (SELECT published_at FROM messages ORDER BY seq LIMIT 1)
         FROM totals",
    )?
    .query_row([], |row| {
        let leased = count(row, 2)?;
        Ok(Stats {
            ready: count(row, 0)?.saturating_sub(leased),
            unacked: Some(leased),
            consumers: count(row, 3)?,
            dead: count(row, 1)?,
            oldest: row.get::<_, Option<i64>>(4)?.map(timestamp),
        })
    })
}

/// Takes the lease `name`; `false` where somebody has it, or the owner was given up for dead.
pub(super) fn take_lease(db: &Connection, name: &str, owner: i64, ticket: i64) -> Result<bool> {
    let sql = "INSERT INTO leases (name, owner, ticket)
               SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM owners WHERE id = ?2)
               ON CONFLICT DO NOTHING";
    Ok(run(db, sql, params![name, owner, ticket])? > 0)
}

pub(super) fn return_lease(db: &Connection, name: &str, owner: i64, ticket: i64) -> Result<()> {
    let sql = "DELETE FROM leases WHERE name = ? AND owner = ? AND ticket = ?";
    run(db, sql, params![name, owner, ticket])?;
    Ok(())
}

/// An owner of deliveries and leases, as others see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnerRow {
    pub(super) id: i64,
    pub(super) beat: i64,
    pub(super) lease: Duration,
}

/// A new owner, who promises a beat at least every `lease`.
pub(super) fn add_owner(db: &Connection, lease: Duration) -> Result<i64> {
    let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    db.prepare_cached("INSERT INTO owners (lease_ms) VALUES (?) RETURNING id")?
        .query_row([lease], |row| row.get(0))
}

/// Shows that the owner lives; `false` where it was given up for dead.
pub(super) fn beat(db: &Connection, owner: i64, consumers: usize) -> Result<bool> {
    let consumers = i64::try_from(consumers).unwrap_or(i64::MAX);
    let sql = "UPDATE owners SET beat = beat + 1, consumers = ? WHERE id = ?";
    Ok(run(db, sql, params![consumers, owner])? > 0)
}

/// All owners but one.
pub(super) fn other_owners(db: &Connection, owner: i64) -> Result<Vec<OwnerRow>> {
    db.prepare_cached("SELECT id, beat, lease_ms FROM owners WHERE id <> ?")?
        .query_map([owner], |row| {
            Ok(OwnerRow {
                id: row.get(0)?,
                beat: row.get(1)?,
                lease: Duration::from_millis(row.get::<_, i64>(2)?.unsigned_abs()),
            })
        })?
        .collect()
}

/// Removes an owner and gives back whatever it holds.
pub(super) fn remove_owner(db: &Connection, owner: i64, delivery_limit: u32) -> Result<()> {
    let tokens = db
        .prepare_cached("SELECT seq, returns, deliveries FROM messages WHERE owner = ?")?
        .query_map([owner], |row| {
            Ok(Token {
                seq: row.get(0)?,
                owner,
                returns: row.get(1)?,
                deliveries: row.get(2)?,
            })
        })?
        .collect::<Result<Vec<_>>>()?;
    for token in tokens {
        give_back(db, token, Return::Abandoned, delivery_limit)?;
    }
    run(db, "DELETE FROM leases WHERE owner = ?", [owner])?;
    run(db, "DELETE FROM owners WHERE id = ?", [owner])?;
    Ok(())
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
