//! How far a call has come, as the simulator tells it.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use simulator::{Callee, Fate};

/// Whoever takes longer to have the caller is told apart from one who has them at once.
const AT_ONCE_MS: f64 = 1000.0;

/// How far a call has come.
#[derive(Deserialize)]
pub(super) struct Progress {
    status: Status,
    /// Where its task is, or was last.
    task_queue: Option<String>,
    task_queue_entered_at_ms: Option<f64>,
    /// How it ended for the caller.
    fate: Fate,
    entries: Vec<Entry>,
    /// Who was rung for them.
    callees: Vec<Rung>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Waiting,
    Instructed,
    Talking,
    Over,
}

#[derive(Deserialize)]
struct Entry {
    at_ms: f64,
    #[serde(flatten)]
    heard: Heard,
}

/// Of what a caller heard, that which decides what became of the call.
#[derive(Deserialize)]
#[serde(tag = "heard", rename_all = "snake_case")]
enum Heard {
    Redirected,
    AgentAnswered,
    TakenOffHold,
    Said {
        text: String,
    },
    Played {
        url: String,
    },
    Recorded {
        lasted_ms: f64,
    },
    ApplicationError {
        problem: String,
    },
    HungUp,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Rung {
    number: String,
    mailbox: bool,
    moments: Vec<Moment>,
}

#[derive(Deserialize)]
struct Moment {
    at_ms: f64,
    what: Callee,
}

impl Progress {
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.status, Status::Talking | Status::Over)
    }

    /// How often it was redirected.
    pub(super) fn redirects(&self) -> usize {
        let redirects = self.entries.iter();
        let redirects = redirects.filter(|entry| matches!(entry.heard, Heard::Redirected));
        redirects.count()
    }

    /// Whether it is what the caller heard in the end.
    pub(super) fn heard_an_error(&self) -> bool {
        self.fate == Fate::ApplicationError
    }

    /// What became of the call, as an end of a sentence.
    pub(super) fn told(&self) -> String {
        let mut entries = self.entries.iter();
        let redirected = entries.find(|entry| matches!(entry.heard, Heard::Redirected));
        match redirected {
            Some(redirected) => self.told_of_redirected(redirected.at_ms),
            None => self.told_of_others(),
        }
    }

    fn told_of_redirected(&self, at: f64) -> String {
        let queue = self.task_queue.as_deref().unwrap_or("no task queue");
        let since = self.task_queue_entered_at_ms;
        let after = since.map(|since| format!(", {:.0} ms after it entered {queue}", at - since));
        let after = after.unwrap_or_default();
        let Some((rung, connected)) = self.who_had_the_caller() else {
            return format!("redirected{after}: {}", self.what_came_of_it());
        };
        let who = match rung.mailbox {
            true => format!("a mailbox at {}", rung.number),
            false => rung.number.clone(),
        };
        let later = match connected - at {
            later if later < AT_ONCE_MS => String::new(),
            later => format!(", who had the caller {:.1} s later", later / 1e3),
        };
        format!("redirected to {who}{after}{later}")
    }

    /// The last of those who had the caller, and since when.
    fn who_had_the_caller(&self) -> Option<(&Rung, f64)> {
        let since = |rung: &Rung| {
            let mut moments = rung.moments.iter();
            let connected = moments.find(|moment| moment.what == Callee::Connected)?;
            Some(connected.at_ms)
        };
        let mut had = self
            .callees
            .iter()
            .filter_map(|rung| Some((rung, since(rung)?)));
        had.next_back()
    }

    /// What came of a redirect where nobody has the caller.
    fn what_came_of_it(&self) -> String {
        let last = |which: fn(&Heard) -> Option<String>| {
            let mut heard = self.entries.iter().rev();
            heard
                .find_map(|entry| which(&entry.heard))
                .unwrap_or_default()
        };
        match self.fate {
            Fate::UnderWay => match self.who_rings() {
                who if who.is_empty() => "nobody has the caller yet".to_owned(),
                who => format!("it still rings at {}", who.join(", ")),
            },
            Fate::Message => last(|heard| match heard {
                Heard::Recorded { lasted_ms } => Some(format!(
                    "nobody took it, and the caller left a message of {:.0} s",
                    lasted_ms / 1e3
                )),
                _ => None,
            }),
            Fate::LastSentence => last(|heard| match heard {
                Heard::Said { text: last } | Heard::Played { url: last } => Some(format!(
                    "nobody took it, and the last the caller heard was “{last}”"
                )),
                _ => None,
            }),
            Fate::ApplicationError => last(|heard| match heard {
                Heard::ApplicationError { problem } => {
                    Some(format!("the caller heard an application error: {problem}"))
                }
                _ => None,
            }),
            Fate::HungUp => "the caller hung up before anybody took it".to_owned(),
            Fate::Silence => "nobody took it, and it ended without a word".to_owned(),
            Fate::Human | Fate::Mailbox => "somebody else has the caller".to_owned(),
        }
    }

    fn who_rings(&self) -> Vec<&str> {
        let is_over = |rung: &&Rung| {
            let last = rung.moments.last();
            matches!(
                last,
                Some(Moment {
                    what: Callee::Ended(_),
                    ..
                })
            )
        };
        let there = self.callees.iter().filter(|rung| !is_over(rung));
        there.map(|rung| rung.number.as_str()).collect()
    }

    fn told_of_others(&self) -> String {
        if !self.is_settled() {
            let queue = self.task_queue.as_deref().unwrap_or("no task queue");
            return format!("still waits, in {queue}: nobody redirected it");
        }
        let mut entries = self.entries.iter().rev();
        let end = entries.find_map(|entry| match &entry.heard {
            Heard::AgentAnswered => Some("was taken by an agent"),
            Heard::TakenOffHold => Some("was taken off hold by other software"),
            Heard::HungUp => Some("ended"),
            _ => None,
        });
        end.unwrap_or("left the queue").to_owned()
    }
}
