//! The table.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::round::median;

/// What was measured, in the order in which it was measured first.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Serialize)]
struct Case {
    name: String,
    /// What the ratio to the limit should be, if anything.
    reach: &'static str,
    unit: &'static str,
    /// By whose figures they are: the binaries', or the limit's.
    figures: BTreeMap<&'static str, Vec<f64>>,
}

impl Report {
    /// Notes one round's figure of a case: its name, what it should reach, and its unit.
    pub fn note(
        &mut self,
        (name, reach, unit): (&str, &'static str, &'static str),
        whose: &'static str,
        figure: f64,
    ) {
        eprintln!("{name}: {whose} {figure:.1} {unit}");
        let case = match self.cases.iter_mut().position(|case| case.name == name) {
            Some(found) => &mut self.cases[found],
            None => {
                self.cases.push(Case {
                    name: name.to_owned(),
                    reach,
                    unit,
                    figures: BTreeMap::new(),
                });
                let last = self.cases.len() - 1;
                &mut self.cases[last]
            }
        };
        case.figures.entry(whose).or_default().push(figure);
    }
}

/// As Markdown: the median of each, and how far the others are from it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| case | ours | against | its figure | ratio | should be |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- |")?;
        for case in &self.cases {
            let Case {
                name,
                reach,
                unit,
                figures,
            } = case;
            let shown = |figures: &Vec<f64>| {
                let (middle, spread) = median(figures);
                (
                    middle,
                    format!("{} ± {} {unit}", short(middle), short(spread)),
                )
            };
            let Some((ours, text)) = figures.get("ours").map(shown) else {
                continue;
            };
            if figures.len() == 1 {
                writeln!(f, "| {name} | {text} | | | | {reach} |")?;
            }
            for (whose, figures) in figures.iter().filter(|(whose, _)| **whose != "ours") {
                let (theirs, figure) = shown(figures);
                let ratio = ours / theirs;
                writeln!(
                    f,
                    "| {name} | {text} | {whose} | {figure} | {ratio:.2} | {reach} |"
                )?;
            }
        }
        Ok(())
    }
}

/// With as many digits as mean something.
fn short(figure: f64) -> String {
    match figure {
        figure if figure.abs() >= 100.0 => format!("{figure:.0}"),
        figure if figure.abs() >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}
