//! Lives worlds until a promise is broken, or so many lives were lived.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use clap::Parser;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use world::{Kind, Told, World, kinds_of};

/// Lives worlds, and tells the story of those in which a promise is broken.
#[derive(Parser)]
struct Args {
    /// How many callers' lives to live.
    #[arg(long, default_value_t = 100_000)]
    lives: usize,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// This weather in each world instead of what its seed draws: names separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    weather: Option<Vec<Kind>>,
    /// Shows the names of all weather.
    #[arg(long)]
    list: bool,
    /// How many broken worlds to tell of before giving up.
    #[arg(long, default_value_t = 1)]
    stories: usize,
    /// Show what the processes log. Of use with one world only: `--lives 1 --seed N`.
    #[arg(long)]
    log: bool,
    /// What the redirectors are told of how late Twilio is, in seconds, which is 30 s here.
    #[arg(long, value_name = "SECONDS")]
    twilio_late: Option<u64>,
    /// How old an event is taken at its word, in seconds, instead of what the seed draws.
    #[arg(long, value_name = "SECONDS")]
    verify_after: Option<u64>,
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
    if args.list {
        for kind in Kind::ALL {
            println!("{:24} {}", kind.name(), kind.describe());
        }
        return ExitCode::SUCCESS;
    }
    let told = Told {
        twilio_late: args.twilio_late.map(Duration::from_secs),
        verify_after: args.verify_after.map(Duration::from_secs),
    };
    let (seed, lives) = (AtomicU64::new(args.seed), AtomicUsize::new(0));
    let (worlds, broken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let telling = Mutex::new(());
    let fates = Mutex::new(BTreeMap::<_, usize>::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| {
                while lives.load(Ordering::Relaxed) < args.lives
                    && broken.load(Ordering::Relaxed) < args.stories
                {
                    let seed = seed.fetch_add(1, Ordering::Relaxed);
                    let kinds = args.weather.clone().unwrap_or_else(|| kinds_of(seed));
                    let world = World::told(seed, &kinds, told);
                    lives.fetch_add(world.lives, Ordering::Relaxed);
                    worlds.fetch_add(1, Ordering::Relaxed);
                    if let Ok(mut fates) = fates.lock() {
                        for fate in &world.fates {
                            *fates.entry(*fate).or_default() += 1;
                        }
                    }
                    if world.broken.is_empty() {
                        continue;
                    }
                    broken.fetch_add(1, Ordering::Relaxed);
                    let story = world.smallest().story();
                    let _one_at_a_time = telling.lock();
                    println!("{story}");
                }
            });
        }
    });
    let (lives, broken) = (lives.into_inner(), broken.into_inner());
    println!(
        "{lives} lives in {} worlds, {broken} with a broken promise; {:.0} lives a second",
        worlds.into_inner(),
        lives as f64 / began.elapsed().as_secs_f64(),
    );
    let fates = fates.into_inner().unwrap_or_default();
    let fates: Vec<_> = fates
        .iter()
        .map(|(fate, count)| format!("{fate:?} {count}"))
        .collect();
    println!("how it ended on ladders: {}", fates.join(", "));
    match broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
