//! Lives worlds until a promise is broken, or so many lives were lived.

use std::fmt;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use world::{Kind, World, kinds_of};

/// Lives worlds, and tells the story of those in which a promise is broken.
#[derive(Parser)]
struct Args {
    /// How many callers' lives to live.
    #[arg(long, default_value_t = 100_000)]
    lives: usize,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only this weather, in each world: names separated by commas; `list` shows them.
    #[arg(long, value_delimiter = ',')]
    weather: Vec<String>,
    /// How many broken worlds to tell of.
    #[arg(long, default_value_t = 1)]
    stories: usize,
    /// Show what the processes log. Of use with one world only: `--lives 1 --seed N`.
    #[arg(long)]
    log: bool,
    /// How many threads live worlds.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// By the world's own clock.
struct WorldTime(OnceLock<tokio::time::Instant>);

impl FormatTime for WorldTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let began = self.0.get_or_init(tokio::time::Instant::now);
        write!(writer, "{:8.3} s ", began.elapsed().as_secs_f64())
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.log {
        tracing_subscriber::fmt()
            .with_timer(WorldTime(OnceLock::new()))
            .with_target(false)
            .init();
    }
    if args.weather.iter().any(|name| name == "list") {
        Kind::ALL
            .iter()
            .for_each(|kind| println!("{}", kind.name()));
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<Kind> = Kind::ALL
        .iter()
        .copied()
        .filter(|kind| args.weather.iter().any(|name| name == kind.name()))
        .collect();
    let world_of = |seed: u64| match chosen.is_empty() {
        true => World::of(seed),
        false => World::retold(seed, &chosen),
    };
    let (seed, lives) = (AtomicU64::new(args.seed), AtomicUsize::new(0));
    let (worlds, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| {
                while lives.load(Ordering::Relaxed) < args.lives
                    && told.load(Ordering::Relaxed) < args.stories
                {
                    let seed = seed.fetch_add(1, Ordering::Relaxed);
                    let world = world_of(seed);
                    lives.fetch_add(world.lives, Ordering::Relaxed);
                    worlds.fetch_add(1, Ordering::Relaxed);
                    if !world.broken.is_empty() {
                        told.fetch_add(1, Ordering::Relaxed);
                        tell(&world.smallest());
                    }
                }
            });
        }
    });
    let (lives, seconds) = (lives.into_inner(), began.elapsed().as_secs_f64());
    println!(
        "{lives} lives in {} worlds, {} with a broken promise; {:.0} lives a second",
        worlds.into_inner(),
        told.load(Ordering::Relaxed),
        lives as f64 / seconds,
    );
    match told.into_inner() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn tell(world: &World) {
    let names = |kinds: &[Kind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>();
    println!(
        "seed {}: {:?}\n  weather needed: {:?}, of {:?}",
        world.seed,
        world.broken.iter().map(|b| b.name()).collect::<Vec<_>>(),
        names(&world.kinds),
        names(&kinds_of(world.seed)),
    );
    let concerned: Vec<_> = world.broken.iter().map(|b| b.call().to_string()).collect();
    for line in &world.story {
        let of_others = line.contains("CA") && !concerned.iter().any(|call| line.contains(call));
        if !of_others {
            println!("{line}");
        }
    }
}
