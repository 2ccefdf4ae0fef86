//! Worlds, as they are lived by every run of the tests. `cargo run --release -p world -- --help`
//! goes on by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use simulator::Fate;
use world::{Kind, Promise, Told, World};

/// How many callers' lives every run of the tests lives.
const LIVES: usize = 20_000;

#[test]
fn no_promise_is_broken_in_twenty_thousand_lives() {
    let (seeds, lived) = (AtomicU64::new(0), AtomicUsize::new(0));
    let fates = Mutex::new(BTreeSet::new());
    let live = || {
        while lived.load(Ordering::Relaxed) < LIVES {
            let world = World::of(seeds.fetch_add(1, Ordering::Relaxed));
            lived.fetch_add(world.lives, Ordering::Relaxed);
            fates.lock().unwrap().extend(world.fates.iter().copied());
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
    let fates = fates.into_inner().unwrap();
    let each = [
        Fate::Human,
        Fate::Mailbox,
        Fate::Message,
        Fate::HungUp,
        Fate::LastSentence,
        // Nobody could reach ingest.
        Fate::ApplicationError,
    ];
    assert_eq!(fates, BTreeSet::from(each));
}

/// A world that can't break shows nothing.
#[test]
fn a_world_in_which_twilio_is_later_than_we_are_told_breaks_and_says_how() {
    let told = Told {
        twilio_late: Some(Duration::ZERO),
        ..Told::default()
    };
    let kinds = [Kind::LateUpdates, Kind::DoubledCallbacks, Kind::Chats];
    let mut worlds = (0..200).map(|seed| World::told(seed, &kinds, told));
    let moved_twice = |world: &World| {
        world
            .broken
            .iter()
            .any(|b| b.promise == Promise::MovedTwice)
    };
    let broken = worlds.find(moved_twice).expect("an update comes late");
    let smallest = broken.smallest();
    assert!(smallest.kinds.contains(&Kind::LateUpdates));
    assert!(!smallest.kinds.contains(&Kind::Chats), "they break nothing");
    let story = smallest.story();
    assert!(
        story.contains("Twilio carries that update out: 200"),
        "{story}"
    );
    let again = World::told(smallest.seed, &smallest.kinds, told);
    assert_eq!(again.story(), story);
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
