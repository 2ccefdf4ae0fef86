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
    unit: &'static str,
    /// By whose figures they are: the binaries', or the limit's.
    figures: BTreeMap<&'static str, Vec<f64>>,
}

impl Report {
    /// Notes one round's figure.
    pub fn note(&mut self, name: &str, unit: &'static str, whose: &'static str, figure: f64) {
        eprintln!("{name}: {whose} {figure:.1} {unit}");
        let case = match self.cases.iter_mut().position(|case| case.name == name) {
            Some(found) => &mut self.cases[found],
            None => {
                self.cases.push(Case {
                    name: name.to_owned(),
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

/// As Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| case | ours | against | its figure | ratio |")?;
        writeln!(f, "| --- | --- | --- | --- | --- |")?;
        for case in &self.cases {
            let shown = |figures: &Vec<f64>| {
                let (middle, spread) = median(figures);
                (middle, format!("{middle:.1} ± {spread:.1} {}", case.unit))
            };
            let Some((ours, text)) = case.figures.get("ours").map(shown) else {
                continue;
            };
            let others: Vec<_> = case
                .figures
                .iter()
                .filter(|(whose, _)| **whose != "ours")
                .collect();
            if others.is_empty() {
                writeln!(f, "| {} | {text} | | | |", case.name)?;
            }
            for (whose, figures) in others {
                let (theirs, figure) = shown(figures);
                let ratio = ours / theirs;
                writeln!(
                    f,
                    "| {} | {text} | {whose} | {figure} | {ratio:.2} |",
                    case.name
                )?;
            }
        }
        Ok(())
    }
}
