//! Who is told what became of a plan's callers.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ::notify::{Reach, SigningKey, Target};
use queue::CallerEnd;
use secrecy::ExposeSecret;

use super::file::Place;
use crate::Problems;

const URL_EXAMPLE: &str = "https://hooks.slack.com/services/…";
const SECRET_EXAMPLE: &str = "whsec_…";

/// Who is told, and of which callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Who is told.
    pub target: Target,
    /// Whether they are told the caller's number.
    pub number: bool,
    on: BTreeSet<CallerEnd>,
}

impl Notify {
    /// Whether they are told of callers to whom this happened.
    pub fn wants(&self, end: CallerEnd) -> bool {
        self.on.contains(&end)
    }
}

/// It as its strings stand in the file or the environment.
pub(super) struct RawNotify {
    pub(super) url: Option<String>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) on: Option<Vec<String>>,
    pub(super) secret: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) number: Option<bool>,
}

impl RawNotify {
    pub(super) fn parse(
        self,
        place: &Place,
        reach: Reach,
        problems: &mut Problems,
    ) -> Option<Notify> {
        if self.url.is_none() && self.url_file.is_none() {
            let further = [
                ("notify_on", self.on.is_some()),
                ("notify_secret", self.secret.is_some()),
                ("notify_secret_file", self.secret_file.is_some()),
                ("notify_number", self.number.is_some()),
            ];
            place.misplaced(further, "has no meaning without a URL (notify)", problems);
            return None;
        }
        let name = place.name("notify_secret");
        let keys = problems.secret(&name, self.secret, self.secret_file, SECRET_EXAMPLE);
        let keys = keys.iter().flat_map(|keys| keys.expose_secret().split(','));
        let keys: Result<Vec<SigningKey>, _> = keys.map(|key| key.trim().parse()).collect();
        let keys = keys.map_err(|problem| problems.add(&name, problem, SECRET_EXAMPLE));
        let keys = keys.unwrap_or_default();
        let on = match &self.on {
            None => BTreeSet::from([CallerEnd::Missed, CallerEnd::Recorded]),
            Some(on) => ends(on, place, problems),
        };
        let name = place.name("notify");
        let url = problems.secret(&name, self.url, self.url_file, URL_EXAMPLE)?;
        let target = Target::new(url.expose_secret(), keys, reach);
        let target = target.map_err(|problem| {
            let allowed = match problem.is_out_of_reach() {
                true => "; NOTIFY_PRIVATE=true allows it",
                false => "",
            };
            problems.add(&name, format!("{problem}{allowed}"), URL_EXAMPLE);
        });
        Some(Notify {
            target: target.ok()?,
            number: self.number.unwrap_or(false),
            on,
        })
    }
}

fn ends(on: &[String], place: &Place, problems: &mut Problems) -> BTreeSet<CallerEnd> {
    let name = place.name("notify_on");
    let example = match place {
        Place::Environment => "missed,recorded",
        Place::File(_) => "[\"missed\", \"recorded\"]",
    };
    let mut problem = |problem| problems.add(&name, problem, example);
    if on.is_empty() {
        problem("holds nothing");
    }
    let end = |text: &String| {
        let end = CallerEnd::ALL.into_iter().find(|end| end.as_str() == text);
        if end.is_none() {
            problem("can hold missed, recorded and taken, and nothing else");
        }
        end
    };
    on.iter().filter_map(end).collect()
}
