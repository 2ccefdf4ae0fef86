//! The table of faults, promises and figures in `tests/README.md`, made by the runs themselves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Figures, Scenario};
use crate::process::build_folder;

const BEGIN: &str = "<!-- faults: written by `tests/chaos --table` -->";
const END: &str = "<!-- /faults -->";

/// One scenario's figures, as its last run left them.
#[derive(Serialize, Deserialize)]
struct Row {
    name: String,
    figures: Figures,
}

fn folder() -> PathBuf {
    build_folder().with_file_name("faults")
}

/// Keeps the figures of a run for [`write`].
pub(super) fn keep(scenario: &Scenario, figures: &Figures) {
    let row = Row {
        name: scenario.name.to_owned(),
        figures: figures.clone(),
    };
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    let json = serde_json::to_string_pretty(&row).unwrap();
    println!("{}: {json}", scenario.fault);
    fs::write(folder.join(format!("{}.json", scenario.name)), json).unwrap();
}

/// Rewrites the table in the file at `readme` from the last run of each scenario, and names the
/// scenarios that have none.
///
/// # Errors
/// The file can't be read or written, or has no place for the table.
pub fn write(readme: &Path) -> io::Result<Vec<&'static str>> {
    let text = fs::read_to_string(readme)?;
    let missing_place = || io::Error::other(format!("no {BEGIN} … {END} in {}", readme.display()));
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing_place)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing_place)?;
    let mut table = String::from(
        "| fault | queue | promise | calls | redirected | hung up | dead letters | \
         without callback | median | longest | slowest answer |\n\
         | --- | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |\n",
    );
    let mut missing = Vec::new();
    for scenario in super::all() {
        let row = fs::read(folder().join(format!("{}.json", scenario.name)))
            .ok()
            .and_then(|json| serde_json::from_slice::<Row>(&json).ok());
        match row {
            Some(row) => table.push_str(&line(scenario, &row.figures)),
            None => missing.push(scenario.name),
        }
    }
    fs::write(readme, format!("{before}{BEGIN}\n{table}{END}{after}"))?;
    Ok(missing)
}

fn line(scenario: &Scenario, figures: &Figures) -> String {
    let dead: Vec<_> = figures
        .dead_letters
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let dead = match dead.is_empty() {
        true => "0".to_owned(),
        false => dead.join(", "),
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {dead} | {} | {} | {} | {} |\n",
        scenario.fault,
        scenario.between.as_str(),
        scenario.promise,
        figures.calls,
        figures.redirected,
        figures.hung_up,
        figures.without_callback,
        time(figures.median_ms),
        time(figures.longest_ms),
        time(figures.slowest_answer_ms),
    )
}

fn time(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", ms as f64 / 1000.0),
    }
}
