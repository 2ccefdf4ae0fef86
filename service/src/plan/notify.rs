//! Who is told what became of a plan's callers.

use std::collections::BTreeSet;

use ::notify::{InvalidKey, Reach, Target};
use queue::CallerEnd;
use secrecy::ExposeSecret;

use super::place::Place;
use super::raw::RawPlan;
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
    pub(super) fn of(
        plan: &mut RawPlan,
        place: &Place,
        reach: Reach,
        problems: &mut Problems,
    ) -> Option<Self> {
        let (url, url_file) = (plan.notify.take(), plan.notify_file.take());
        let (secret, secret_file) = (plan.notify_secret.take(), plan.notify_secret_file.take());
        let (on, number) = (plan.notify_on.take(), plan.notify_number);
        if url.is_none() && url_file.is_none() {
            let further = [
                ("notify_on", on.is_some()),
                ("notify_secret", secret.is_some()),
                ("notify_secret_file", secret_file.is_some()),
                ("notify_number", number.is_some()),
            ];
            place.misplaced(further, "has no meaning without a URL (notify)", problems);
            return None;
        }
        let name = place.name("notify_secret");
        let keys = problems.secret(&name, secret, secret_file, SECRET_EXAMPLE);
        let keys = keys.iter().flat_map(|keys| keys.expose_secret().split(','));
        let keys: Result<_, _> = keys.map(|key| key.trim().parse()).collect();
        let keys = keys.map_err(|problem: InvalidKey| problems.add(&name, problem, SECRET_EXAMPLE));
        let on = match on {
            None => BTreeSet::from([CallerEnd::Missed, CallerEnd::Recorded]),
            Some(on) => ends(&on, place, problems),
        };
        let name = place.name("notify");
        let url = problems.secret(&name, url, url_file, URL_EXAMPLE)?;
        let target = Target::new(url.expose_secret(), keys.unwrap_or_default(), reach);
        let target = target.map_err(|problem| problems.add(&name, problem, URL_EXAMPLE));
        Some(Self {
            target: target.ok()?,
            number: number.unwrap_or(false),
            on,
        })
    }

    /// Whether they are told of callers to whom this happened.
    pub fn wants(&self, end: CallerEnd) -> bool {
        self.on.contains(&end)
    }
}

fn ends(on: &[String], place: &Place, problems: &mut Problems) -> BTreeSet<CallerEnd> {
    let name = place.name("notify_on");
    let example = match place {
        Place::Environment => "missed,recorded",
        Place::File(_) => "[\"missed\", \"recorded\"]",
    };
    let known = |text: &String| CallerEnd::ALL.into_iter().find(|end| end.as_str() == text);
    let ends: BTreeSet<_> = on.iter().filter_map(known).collect();
    if on.is_empty() || !on.iter().all(|text| known(text).is_some()) {
        let problem = "must hold missed, recorded or taken, and nothing else";
        problems.add(&name, problem, example);
    }
    ends
}
