//! Where a plan or a step stands.

use twilio::twiml::check_text;

use crate::Problems;

/// Where a plan or a step stands, to name its settings as the user knows them.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Environment,
    File(String),
}

impl Place {
    /// A setting there; the place itself where no name is given.
    pub(super) fn name(&self, field: &str) -> String {
        match self {
            Self::File(place) if field.is_empty() => place.clone(),
            Self::File(place) => format!("{place}: {field}"),
            Self::Environment => match field {
                "task_queue_sid" => "FORWARD_CALL_TASK_QUEUE_SID".to_owned(),
                "forward_to" => "FORWARD_TO_NUMBER".to_owned(),
                field => format!("FORWARD_{}", field.to_uppercase()),
            },
        }
    }

    /// Says of the settings that are given there that they have no meaning.
    pub(super) fn misplaced<'a>(
        &self,
        given: impl IntoIterator<Item = (&'a str, bool)>,
        problem: &str,
        problems: &mut Problems,
    ) {
        for (field, _) in given.into_iter().filter(|(_, given)| *given) {
            problems.add_line(format!("{}: {problem}", self.name(field)));
        }
    }

    /// Whether TwiML can hold the texts that are given there.
    pub(super) fn is_writable<'a>(
        &self,
        texts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        problems: &mut Problems,
    ) -> bool {
        let mut is_writable = true;
        for (field, text) in texts {
            if let Some(Err(problem)) = text.map(check_text) {
                let example = match field {
                    "language" | "notice_language" => "de-DE",
                    "voice" | "notice_voice" => "Polly.Vicki",
                    _ => "Please hold the line.",
                };
                problems.add(&self.name(field), problem, example);
                is_writable = false;
            }
        }
        is_writable
    }

    /// One of the plan's steps.
    pub(super) fn step(&self, number: usize) -> Self {
        Self::File(format!("{}, step {number}", self.name("")))
    }
}
