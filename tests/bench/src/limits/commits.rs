//! Rows in a file, as many as wait in one transaction, with a sync.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::{IN_FLIGHT, MESSAGE};
use crate::callbacks;
use crate::round::Round;

/// So many as may be under way at a time in each transaction.
pub fn fast(time: Duration) -> anyhow::Result<Round> {
    let mut file = File::create()?;
    let mut took = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < time {
        let sent = Instant::now();
        file.write(IN_FLIGHT)?;
        took.extend([sent.elapsed()].repeat(IN_FLIGHT));
    }
    Ok(Round::new(took, begin.elapsed()))
}

/// So many a second, each for two transactions, one after the other.
pub fn at_a_rate(time: Duration, rate: u32) -> anyhow::Result<Round> {
    let mut file = File::create()?;
    let (send, arrive) = mpsc::channel();
    let begin = Instant::now();
    std::thread::spawn(move || {
        for number in 0..u32::MAX {
            let due = Duration::from_secs(1) * number / rate;
            std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
            if due >= time || send.send(begin + due).is_err() {
                break;
            }
        }
    });
    let mut took = Vec::new();
    let mut half_done = VecDeque::new();
    loop {
        let first = match half_done.is_empty() {
            true => match arrive.recv() {
                Ok(first) => Some(first),
                Err(_) => break,
            },
            false => None,
        };
        let second: Vec<Instant> = half_done.drain(..).collect();
        half_done.extend(first.into_iter().chain(arrive.try_iter()));
        file.write(second.len() + half_done.len())?;
        took.extend(second.iter().map(Instant::elapsed));
    }
    Ok(Round::new(took, begin.elapsed()))
}

struct File {
    db: Connection,
    body: Vec<u8>,
    rows: u64,
    _folder: TempDir,
}

impl File {
    fn create() -> anyhow::Result<Self> {
        // Not in memory, as temporary folders may be.
        let folder = tempfile::tempdir_in(".")?;
        let db = Connection::open(folder.path().join("rows.db"))?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE messages (seq INTEGER PRIMARY KEY, id TEXT, body BLOB)",
        )?;
        Ok(Self {
            db,
            body: vec![b'x'; MESSAGE],
            rows: 0,
            _folder: folder,
        })
    }

    fn write(&mut self, rows: usize) -> anyhow::Result<()> {
        let transaction = self.db.transaction()?;
        for _ in 0..rows {
            transaction
                .prepare_cached("INSERT INTO messages (id, body) VALUES (?, ?)")?
                .insert(params![callbacks::call_sid(self.rows), self.body])?;
            self.rows += 1;
        }
        Ok(transaction.commit()?)
    }
}
