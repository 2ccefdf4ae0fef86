//! Worlds, as they are lived by every run of the tests. `cargo run --release -p world -- --help`
//! goes on by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use world::World;

/// How many callers' lives every run of the tests lives.
const LIVES: usize = 20_000;

#[test]
fn no_promise_is_broken_in_twenty_thousand_lives() {
    let (seeds, lived) = (AtomicU64::new(0), AtomicUsize::new(0));
    let live = || {
        while lived.load(Ordering::Relaxed) < LIVES {
            let world = World::of(seeds.fetch_add(1, Ordering::Relaxed));
            lived.fetch_add(world.lives, Ordering::Relaxed);
            if !world.broken.is_empty() {
                panic!("{}", world.smallest().story());
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(live);
        }
    });
}

#[test]
fn a_seed_lives_the_same_world_each_time() {
    for seed in 0..300 {
        let (once, again) = (World::of(seed), World::of(seed));
        assert!(once.lines.len() > 10);
        for (one, other) in once.lines.iter().zip(&again.lines) {
            assert_eq!(one, other, "seed {seed}");
        }
        assert_eq!(once, again);
    }
}
