//! The disk under the spool, or under the embedded queue, is full, or the spool's file is gone.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use futures::FutureExt;

use super::{Arena, Between, Scenario};
use crate::PATIENCE;

/// All of them.
pub const ALL: &[&Scenario] = &[&UNDER_THE_SPOOL, &UNDER_THE_EMBEDDED_QUEUE, &SPOOL_MOVED];

const BASE: Scenario = Scenario {
    promise: "503, so that Twilio repeats it; recovers by itself when there is room again",
    between: Between::Embedded,
    that_queue_only: true,
    needs_disk: true,
    ..Scenario::BASE
};

/// No room for the spool while the broker is away.
pub const UNDER_THE_SPOOL: Scenario = Scenario {
    name: "disk-full-under-the-spool",
    fault: "disk full under the spool while the broker is away",
    between: Between::RabbitMq,
    strike: |arena| {
        async {
            arena.disk().fill();
            arena.broker().to_ingests.cut();
            refused(arena).await;
            arena.disk().free();
            arena.last(Duration::from_secs(1)).await;
            arena.broker().to_ingests.restore();
        }
        .boxed()
    },
    ..BASE
};

/// No room for the embedded queue.
pub const UNDER_THE_EMBEDDED_QUEUE: Scenario = Scenario {
    name: "disk-full-under-the-queue",
    fault: "disk full under the embedded queue",
    strike: |arena| {
        async {
            arena.disk().fill();
            refused(arena).await;
            arena.disk().free();
        }
        .boxed()
    },
    ..BASE
};

/// Somebody moves the spools while the broker is away, and puts them back.
pub const SPOOL_MOVED: Scenario = Scenario {
    name: "spool-moved",
    fault: "the spools' files are moved away while the broker is away",
    promise: "503, so that Twilio repeats it; recovers by itself when they are back",
    between: Between::RabbitMq,
    needs_disk: false,
    strike: |arena| {
        async {
            let ingests = 0..arena.stack.ingests.len();
            let spools = ingests.map(|index| arena.stack.spool(index));
            let moved: Vec<_> = spools
                .map(|spool| (spool.with_extension("moved"), spool))
                .collect();
            for (elsewhere, spool) in &moved {
                std::fs::rename(spool, elsewhere).unwrap();
            }
            arena.broker().to_ingests.cut();
            refused(arena).await;
            for (elsewhere, spool) in &moved {
                std::fs::rename(elsewhere, spool).unwrap();
            }
            arena.last(Duration::from_secs(1)).await;
            arena.broker().to_ingests.restore();
        }
        .boxed()
    },
    ..BASE
};

/// Waits until a callback was answered with 503, and some time on.
pub(super) async fn refused(arena: &mut Arena) {
    let since = arena.twilio().journal().callback_count();
    let seen = arena.twilio().wait_until(|state| {
        let new = state.journal().callback_count() - since;
        let new = usize::try_from(new).unwrap_or(usize::MAX);
        let mut new = state.journal().callbacks().rev().take(new);
        new.any(|sent| sent.outcome.status() == Some(503))
    });
    // A file that has been larger before has room of its own.
    let patience = match arena.is_new() {
        true => PATIENCE,
        false => Duration::from_secs(10),
    };
    let seen = tokio::time::timeout(patience, seen).await;
    assert!(seen.is_ok() || !arena.is_new(), "no 503 on a full disk");
    arena.last(Duration::from_secs(2)).await;
}

/// A small disk, in memory; large enough for SQLite's write-ahead log, which takes some megabytes.
/// Unmounted when it is dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts one; `None`, with a notice, where that isn't permitted.
    pub(super) fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap().keep();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"])
            .arg(&folder)
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder));
        }
        let _ = std::fs::remove_dir(&folder);
        eprintln!("skipped: mounting a small disk is not permitted here (it takes root)");
        None
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves no room on it.
    pub fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        for block in [&[0; 65_536][..], &[0; 1]] {
            while filler.write_all(block).is_ok() {}
        }
    }

    /// Makes room again.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}
