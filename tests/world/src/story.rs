//! What happened, for a person to read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use twilio::CallSid;

/// Takes down what happens.
#[derive(Clone)]
pub struct Teller(Arc<Told>);

struct Told {
    began: Instant,
    lines: Mutex<Vec<Line>>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Since the beginning.
    pub at: Duration,
    /// Whom it concerns; everybody where it is nobody.
    pub about: Option<CallSid>,
    /// Whether it is worth a line where little room is.
    pub matters: bool,
    /// What it was.
    pub what: String,
}

impl Teller {
    /// One that takes down everything from now on.
    pub fn new() -> Self {
        Self(Arc::new(Told {
            began: Instant::now(),
            lines: Mutex::default(),
        }))
    }

    /// Something happens to everybody.
    pub fn say(&self, what: impl Into<String>) {
        self.line(None, true, what);
    }

    /// Something happens to one caller.
    pub fn say_of(&self, call: CallSid, what: impl Into<String>) {
        self.line(Some(call), true, what);
    }

    /// Something happens that goes without saying.
    pub fn mention(&self, about: Option<CallSid>, what: impl Into<String>) {
        self.line(about, false, what);
    }

    /// Something happened at `at`.
    pub fn say_at(&self, at: Duration, call: CallSid, what: impl Into<String>) {
        self.push(Line {
            at,
            about: Some(call),
            matters: true,
            what: what.into(),
        });
    }

    fn line(&self, about: Option<CallSid>, matters: bool, what: impl Into<String>) {
        self.push(Line {
            at: self.0.began.elapsed(),
            about,
            matters,
            what: what.into(),
        });
    }

    fn push(&self, line: Line) {
        let mut lines = self.0.lines.lock();
        lines.push(line);
    }

    /// All of it, in the order of time.
    pub fn lines(&self) -> Vec<Line> {
        let lines = self.0.lines.lock();
        let mut lines = lines.clone();
        lines.sort_by_key(|line| line.at);
        lines
    }
}

/// What befell `call`, and everybody while it was there: a dozen lines or so, SIDs as names.
pub fn story_of(lines: &[Line], call: Option<CallSid>, names: &BTreeMap<String, String>) -> String {
    let concerned: Vec<&Line> = lines
        .iter()
        .filter(|line| line.about.is_none() || line.about == call)
        .collect();
    let own = |line: &&&Line| call.is_none() || line.about == call;
    let from = concerned.iter().find(own).map_or(Duration::ZERO, |l| l.at);
    let to = concerned.iter().rfind(own).map_or(Duration::MAX, |l| l.at);
    let told = |line: &&Line| match line.about {
        Some(_) => true,
        None => line.matters && line.at <= to && line.at + Duration::from_secs(60) >= from,
    };
    let mut told: Vec<&Line> = concerned.into_iter().filter(told).collect();
    if told.len() > 24 {
        told.retain(|line| line.matters);
    }
    let mut story = String::new();
    for line in told {
        let mut what = line.what.clone();
        for (sid, name) in names {
            what = what.replace(sid, name);
        }
        story.push_str(&format!("{:8.3} s  {what}\n", line.at.as_secs_f64()));
    }
    story
}
