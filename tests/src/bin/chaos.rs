//! `tests/chaos`: random faults for as long as it is told, or the table of the last runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tests::faults::{Between, chaos, table};

/// Random faults under steady load, each caller accounted for.
#[derive(Parser)]
struct Args {
    /// For how long
    #[arg(long, default_value_t = 10, value_name = "N")]
    minutes: u64,

    /// Which faults; the same seed makes the same ones  [default: drawn, and printed]
    #[arg(long)]
    seed: Option<u64>,

    /// Only between processes that share this  [default: RabbitMQ in seven of ten rounds]
    #[arg(long)]
    queue: Option<Between>,

    /// Only rewrite the table in this file, from the last run of each fault test
    #[arg(long, value_name = "FILE", conflicts_with_all = ["minutes", "seed", "queue"])]
    table: Option<PathBuf>,
}

fn main() {
    let args = Args::parse();
    if let Some(readme) = args.table {
        match table::write(&readme) {
            Ok(missing) if missing.is_empty() => println!("{} is up to date", readme.display()),
            Ok(missing) => println!("no figures yet of: {}", missing.join(", ")),
            Err(error) => {
                eprintln!("error: {error}");
                std::process::exit(1);
            }
        }
        return;
    }
    let seed = args.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let time = Duration::from_secs(args.minutes * 60);
    let runtime = tokio::runtime::Runtime::new();
    match runtime {
        Ok(runtime) => runtime.block_on(chaos::run(time, seed, args.queue)),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(1);
        }
    }
}
