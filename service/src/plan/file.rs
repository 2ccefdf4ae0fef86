//! The file of plans.

use std::path::Path;
use std::str::FromStr;

use notify::Reach;
use serde::Deserialize;
use toml::Spanned;
use twilio::PublicUrl;

use super::place::Place;
use super::raw::{RawPlan, Reports};
use super::values::read;
use super::{Plan, Plans};
use crate::Problems;
use crate::settings::InvalidSettings;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlansFile {
    #[serde(default)]
    plan: Vec<Spanned<toml::Table>>,
}

/// The plans of a file, and where they stand in it.
pub(super) fn read_file(file: &Path, problems: &mut Problems) -> Vec<(Place, RawPlan)> {
    let path = file.display().to_string();
    let example = "plans.toml";
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(problem) => {
            let problem = format!("cannot read {path}: {problem}");
            problems.add("REDIRECT_PLANS", problem, example);
            return Vec::new();
        }
    };
    match toml::from_str::<PlansFile>(&text) {
        Ok(plans) if plans.plan.is_empty() => {
            let problem = format!("{path} holds no [[plan]]");
            problems.add("REDIRECT_PLANS", problem, example);
            Vec::new()
        }
        Ok(plans) => plans
            .plan
            .into_iter()
            .filter_map(|plan| {
                let line = line(&text, plan.span().start);
                let plan = plan.into_inner();
                let name = plan.get("name").and_then(toml::Value::as_str);
                let name = name.map_or_else(String::new, |name| format!(" {name:?}"));
                let place = Place::File(format!("{path}, line {line}, plan{name}"));
                let plan = read::<RawPlan>(plan, &place, problems)?;
                Some((place, plan))
            })
            .collect(),
        Err(error) => {
            let line = error.span().map_or(1, |span| line(&text, span.start));
            let problem = format!("{path}, line {line}: {}", error.message());
            problems.add("REDIRECT_PLANS", problem, example);
            Vec::new()
        }
    }
}

fn line(text: &str, at: usize) -> usize {
    text.get(..at)
        .map_or(0, |before| before.matches('\n').count())
        + 1
}

impl Plans {
    /// Reads the text of a plans file. Ladders need the public URL.
    ///
    /// # Errors
    /// What is wrong with it, a line for each problem.
    pub fn read(text: &str, public_url: Option<&PublicUrl>) -> Result<Self, InvalidSettings> {
        let mut problems = Problems::default();
        let place = Place::File("plan".into());
        let reports = Reports {
            public_url,
            outcomes: true,
            reach: Reach::Public,
        };
        let plans: Vec<Plan> = match toml::from_str::<PlansFile>(text) {
            Ok(file) => file
                .plan
                .into_iter()
                .filter_map(|plan| {
                    let plan = read::<RawPlan>(plan.into_inner(), &place, &mut problems)?;
                    plan.parse(&place, &reports, &mut problems)
                })
                .collect(),
            Err(error) => {
                problems.add_line(error.message());
                Vec::new()
            }
        };
        let plans = Self {
            plans,
            outcomes: true,
        };
        problems.finish(Some(plans).filter(|plans| !plans.plans.is_empty()))
    }
}

impl FromStr for Plans {
    type Err = InvalidSettings;

    /// Reads the text of a file of plans without steps.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text, None)
    }
}
