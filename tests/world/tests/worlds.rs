//! Worlds, as they are lived by every run of the tests. `cargo run --release -p world -- --help`
//! goes on by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

use world::World;

/// How many callers' lives every run of the tests lives.
const LIVES: usize = 20_000;

#[test]
fn no_promise_is_broken_in_twenty_thousand_lives() {
    let mut lives = 0;
    for seed in 0.. {
        let world = World::of(seed);
        lives += world.lives;
        if !world.broken.is_empty() {
            panic!("{}", world.smallest().story());
        }
        if lives >= LIVES {
            break;
        }
    }
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
