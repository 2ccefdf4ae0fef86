//! Who shares the file, and who of them is gone.
//!
//! Every process that holds deliveries or leases is an *owner* with a row in the file. Two things
//! tell that an owner is gone:
//!
//! - The lock on a file of its own is free. The system frees it the moment the process ends, however
//!   it ends, so that another goes on at once with what it held.
//! - Its beat stands still for as long as it promised that it wouldn't: it hangs. How long that is,
//!   each observer measures by its own monotonic clock, so that no clocks are compared, neither a
//!   wall clock that jumps nor those of two containers. An observer that was stopped itself has
//!   seen nothing meanwhile: one look counts for no more than the interval between two.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::database::{Database, Durability, beside};
use super::tables::{self, OwnerRow};

/// Beats in the time after which an owner without any is given up.
const BEATS_PER_LEASE: u32 = 4;

/// This process as an owner, and its view of the others.
pub(super) struct Membership {
    path: PathBuf,
    lease: Duration,
    delivery_limit: u32,
    own: Option<Own>,
    others: HashMap<i64, Observed>,
    looked_at: Instant,
}

struct Own {
    id: i64,
    /// Held for as long as we live; `None` where the file system knows no locks.
    _lock: Option<File>,
}

struct Observed {
    beat: i64,
    silent: Duration,
}

/// What a beat has shown.
pub(super) struct Beat {
    /// Our name in the file. Another than before where we were given up for dead.
    pub(super) owner: i64,
    /// Whether others were gone and gave back what they held.
    pub(super) gave_back: bool,
}

impl Membership {
    pub(super) fn new(path: &Path, lease: Duration, delivery_limit: u32) -> Self {
        Self {
            path: path.to_owned(),
            lease,
            delivery_limit,
            own: None,
            others: HashMap::new(),
            looked_at: Instant::now(),
        }
    }

    /// The time from one beat to the next.
    pub(super) fn interval(&self) -> Duration {
        self.lease / BEATS_PER_LEASE
    }

    /// Shows that we live, and gives back what those held who are gone.
    pub(super) fn beat(&mut self, db: &mut Database, consumers: usize) -> rusqlite::Result<Beat> {
        let now = Instant::now();
        let since_last_look = (now - self.looked_at).min(self.interval());
        self.looked_at = now;

        let known = self.own.as_ref().map(|own| own.id);
        let (new, owner, gone) = db.transaction(Durability::Process, |tx| {
            let (new, owner) = match known {
                Some(id) if tables::beat(tx, id, consumers)? => (None, id),
                _ => {
                    let id = tables::add_owner(tx, self.lease)?;
                    tables::beat(tx, id, consumers)?;
                    // Locked before anybody can see the row.
                    (Some(lock(&lock_path(&self.path, id))), id)
                }
            };
            let others = tables::other_owners(tx, owner)?;
            let gone = gone(&self.path, &mut self.others, others, since_last_look);
            for &other in &gone {
                tables::remove_owner(tx, other, self.delivery_limit)?;
            }
            Ok((new, owner, gone))
        })?;

        if let Some(_lock) = new {
            self.own = Some(Own { id: owner, _lock });
        }
        for &other in &gone {
            tracing::warn!(
                owner = other,
                "a process that shares the queue is gone; its deliveries go to others"
            );
            self.remove_lock(other);
        }
        Ok(Beat {
            owner,
            gave_back: !gone.is_empty(),
        })
    }

    /// Gives back all that we hold. Where that fails, the lock that we let go of says it.
    pub(super) fn leave(&mut self, db: &mut Database) -> rusqlite::Result<()> {
        let Some(own) = self.own.take() else {
            return Ok(());
        };
        db.transaction(Durability::Power, |tx| {
            tables::remove_owner(tx, own.id, self.delivery_limit)
        })?;
        self.remove_lock(own.id);
        Ok(())
    }

    fn remove_lock(&self, owner: i64) {
        // A file that stays is in nobody's way.
        let _ = fs::remove_file(lock_path(&self.path, owner));
    }
}

/// Who of `others` is gone, after another look.
fn gone(
    path: &Path,
    observed: &mut HashMap<i64, Observed>,
    others: Vec<OwnerRow>,
    since_last_look: Duration,
) -> Vec<i64> {
    observed.retain(|id, _| others.iter().any(|other| other.id == *id));
    let mut gone = Vec::new();
    for other in others {
        let seen = observed.entry(other.id).or_insert(Observed {
            beat: other.beat - 1,
            silent: Duration::ZERO,
        });
        if seen.beat == other.beat {
            seen.silent += since_last_look;
        } else {
            *seen = Observed {
                beat: other.beat,
                silent: Duration::ZERO,
            };
        }
        if seen.silent >= other.lease || is_free(&lock_path(path, other.id)) {
            gone.push(other.id);
        }
    }
    gone
}

fn lock_path(path: &Path, owner: i64) -> PathBuf {
    beside(path, &format!("-owner-{owner}"))
}

fn lock(path: &Path) -> Option<File> {
    let locked = File::create(path).and_then(|file| {
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => std::io::ErrorKind::WouldBlock.into(),
        })?;
        Ok(file)
    });
    match locked {
        Ok(file) => Some(file),
        Err(error) => {
            tracing::warn!(
                path = %path.display(), %error,
                "can't lock a file beside the queue: if this process dies, its deliveries wait for \
                 the lease to end"
            );
            // Free, it would say that we are gone.
            let _ = fs::remove_file(path);
            None
        }
    }
}

/// Whether the file is there and nobody has its lock. Not there, it says nothing: somebody may have
/// tidied up.
fn is_free(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}
