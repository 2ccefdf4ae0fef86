//! How fast ingest and redirector are, against what their parts can do: each figure is a ratio to a
//! limit that was measured in the same run, round by round.

mod api;
mod callbacks;
mod cases;
mod client;
mod limits;
mod report;
mod round;
mod run;
mod service;
mod simulated;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures release builds of ingest and redirector: `cargo build --release --workspace --bins` first.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// The folder of the binaries  [default: where this one is]
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,

    /// Binaries to be measured beside them, as those of an earlier commit
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,

    /// The same binaries beside them, while somebody has the page open in a browser
    #[arg(long)]
    watched: bool,

    /// With three nodes of RabbitMQ instead of one
    #[arg(long)]
    cluster: bool,

    /// How often each case is measured; the table shows the median
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,

    /// How long a round of a case takes, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    seconds: u64,

    /// Only the cases whose names hold this
    #[arg(long, value_name = "WORD", default_value = "")]
    only: String,

    /// Where the table goes as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Where the figures go as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One part by itself, for the benchmark
    #[command(hide = true)]
    Limit {
        #[command(subcommand)]
        limit: limits::Limit,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(Command::Limit { limit }) = args.command {
        return limit.run().await;
    }
    let report = run::all(&args).await?;
    println!("{report}");
    if let Some(file) = &args.markdown {
        std::fs::write(file, report.to_string())?;
    }
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}
