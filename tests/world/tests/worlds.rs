//! Some twenty thousand lives, and that a seed tells the same story each time.

#![allow(clippy::unwrap_used, reason = "tests")]

use world::{World, kinds_of};

/// How many callers live in this test.
const LIVES: usize = 20_000;

#[test]
fn no_weather_breaks_a_promise() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let lived: usize = std::thread::scope(|scope| {
        let lived: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || live(first, threads, LIVES / threads as usize)))
            .collect();
        lived.into_iter().map(|lived| lived.join().unwrap()).sum()
    });
    assert!(lived >= LIVES - threads as usize);
}

/// Lives every `step`th world from `first` on, and gives back how many callers lived there.
fn live(first: u64, step: u64, lives: usize) -> usize {
    let mut lived = 0;
    let mut seed = first;
    while lived < lives {
        let world = World::of(seed);
        lived += world.lives;
        if !world.broken.is_empty() {
            let world = world.smallest();
            panic!(
                "seed {seed}, {:?}: {:?}\n{}",
                world.kinds,
                world.broken,
                world.story.join("\n")
            );
        }
        seed += step;
    }
    lived
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    for seed in 0..200 {
        let kinds = kinds_of(seed);
        let (once, again) = (World::retold(seed, &kinds), World::retold(seed, &kinds));
        for (line, other) in once.story.iter().zip(&again.story) {
            assert_eq!(line, other, "seed {seed}");
        }
        assert_eq!(once.story.len(), again.story.len(), "seed {seed}");
    }
}
