//! Faults at random, one after the other, for as long as it is told.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use simulator::{Fault, Rule};

use super::disk::Disk;
use super::{Arena, Between, Conditions, Plan, Scenario, all, settle};

/// Faults in one round; then everybody is accounted for, and all is built anew.
const FAULTS_PER_ROUND: usize = 6;

/// Calls a second.
const RATE: f64 = 15.0;

/// What the faults of all scenarios can be met with: the slow Twilio takes 5 s.
const SETTINGS: [(&str, &str); 1] = [("TWILIO_LATE", "6s")];

/// In some rounds consumers die and stop so often that RabbitMQ gives messages up.
const GIVEN_UP: [&str; 1] = ["delivery_limit"];

/// Runs rounds of random faults, with one queue or both, until the time is up. The same seed makes
/// the same faults.
///
/// # Panics
/// A promise is broken; the message lists each caller concerned.
pub async fn run(time: Duration, seed: u64, queue: Option<Between>) {
    let began = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let mut round = 0;
    while began.elapsed() < time {
        round += 1;
        let drawn = match random.random_bool(0.7) {
            true => Between::RabbitMq,
            false => Between::Embedded,
        };
        let between = queue.unwrap_or(drawn);
        // Without the sweep a lost event shows; with it, it is one more that may act twice.
        let sweeps = random.random_bool(0.5);
        let seed = random.random();
        println!("round {round}: {}, sweep: {sweeps}", between.as_str());
        one_round(between, sweeps, seed).await;
    }
}

async fn one_round(between: Between, sweeps: bool, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut settings = Vec::from(SETTINGS);
    // What a slow Twilio does is waited for, or comes when nobody waits for it any more.
    settings.push(match random.random_bool(0.5) {
        true => ("TWILIO_TIMEOUT", "6s"),
        false => ("TWILIO_TIMEOUT", "2s"),
    });
    if sweeps {
        settings.push(("SWEEP_INTERVAL", "2s"));
    }
    let settings = settings.into_iter();
    let mut arena = Arena::build(Plan {
        between,
        settings: settings
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
        conditions: Conditions::GOOD,
        disk: random.random_bool(0.3).then(Disk::mount).flatten(),
        rate: RATE,
        seed: random.random(),
        longer: true,
    })
    .await;
    arena.calls(20).await;
    let has_disk = arena.disk.is_some();
    let fitting: Vec<&Scenario> = all()
        .filter(|scenario| !scenario.that_queue_only || scenario.between == between)
        .filter(|scenario| !scenario.needs_disk || has_disk)
        .filter(|scenario| scenario.conditions == Conditions::GOOD)
        // Nobody becomes a dead letter, not even for RabbitMQ.
        .filter(|scenario| scenario.dead_letters.is_empty())
        .filter(|scenario| {
            sweeps
                || !scenario
                    .settings
                    .iter()
                    .any(|(name, _)| name.starts_with("SWEEP"))
        })
        .collect();
    for _ in 0..FAULTS_PER_ROUND {
        let Some(scenario) = fitting.choose(&mut random) else {
            return;
        };
        // Now and then Twilio isn't well either.
        let unwell = random.random_bool(0.3).then(|| {
            let fault = [
                Fault::INTERNAL_SERVER_ERROR,
                Fault::TOO_MANY_REQUESTS,
                Fault::Reset,
            ];
            let fault = fault.choose(&mut random).copied().unwrap_or(Fault::Reset);
            let rule = Rule::everywhere(fault).with_probability(0.1);
            arena.twilio().faults().add(rule)
        });
        println!("  {}", scenario.fault);
        (scenario.strike)(&mut arena).await;
        if let Some(rule) = unwell {
            arena.twilio().faults().remove(rule);
        }
        arena.calls(random.random_range(0..60)).await;
    }
    let figures = settle(&mut arena, &GIVEN_UP).await;
    println!(
        "  {} calls: {} redirected once, {} hung up before; {} without a callback; median {} ms, longest {} ms",
        figures.calls,
        figures.redirected,
        figures.hung_up,
        figures.without_callback,
        figures.median_ms,
        figures.longest_ms
    );
}
