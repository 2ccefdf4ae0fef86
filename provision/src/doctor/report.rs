//! What doctor found, line by line.

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;

use crate::error::Result;
use crate::wording::counted;

/// How good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// As it should be.
    Ok,
    /// Worth a look; redirects work.
    Warning,
    /// Keeps callers from being redirected, or has.
    Problem,
}

/// What was looked at.
pub(super) type Check = &'static str;

/// As wide as the longest name of a check.
const WIDTH: usize = "geo permissions".len();

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    check: Check,
    status: Level,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

/// All findings, each shown as it comes.
pub(super) struct Report<'a> {
    lines: Vec<Line>,
    show: &'a mut (dyn FnMut(&dyn Display) + Send),
    /// At the end, for programs.
    as_json: bool,
    /// Whether no caller gets to the workflow yet, as far as can be seen.
    nobody_calls: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(show: &'a mut (dyn FnMut(&dyn Display) + Send), as_json: bool) -> Self {
        Self {
            lines: Vec::new(),
            show,
            as_json,
            nobody_calls: false,
        }
    }

    /// Nothing leads callers to the workflow yet: that they are redirected can't be concluded.
    pub(super) fn nobody_calls(&mut self) {
        self.nobody_calls = true;
    }

    pub(super) fn ok(&mut self, check: Check, found: impl Display) {
        self.add(check, Level::Ok, found, None);
    }

    pub(super) fn warn(&mut self, check: Check, found: impl Display, todo: impl Display) {
        self.add(check, Level::Warning, found, Some(todo.to_string()));
    }

    pub(super) fn fail(&mut self, check: Check, found: impl Display, todo: impl Display) {
        self.add(check, Level::Problem, found, Some(todo.to_string()));
    }

    /// What was read; a failure to read it is a finding.
    pub(super) fn read<T>(&mut self, check: Check, read: Result<T>) -> Option<T> {
        let text = match read {
            Ok(read) => return Some(read),
            Err(error) => error.to_string(),
        };
        let (found, todo) = text.split_once('\n').unwrap_or((&text, ""));
        let todo: Vec<_> = todo.lines().map(str::trim).collect();
        self.fail(check, found, todo.join(" "));
        None
    }

    /// Lets a check have its time, and no more.
    pub(super) async fn within(
        &mut self,
        limit: Duration,
        check: Check,
        look: impl AsyncFnOnce(&mut Self),
    ) {
        if timeout(limit, look(self)).await.is_err() {
            self.fail(
                check,
                format!("took longer than {limit:?}, and was given up"),
                "run doctor again; --check-timeout gives each check more time",
            );
        }
    }

    fn add(&mut self, check: Check, status: Level, found: impl Display, todo: Option<String>) {
        let found = found.to_string();
        let line = Line {
            check,
            status,
            found,
            todo,
        };
        if !self.as_json {
            self.show(&line);
        }
        self.lines.push(line);
    }

    fn show(&mut self, line: &Line) {
        let sign = match line.status {
            Level::Ok => '✓',
            Level::Warning => '!',
            Level::Problem => '✗',
        };
        (self.show)(&format_args!(
            "{sign} {:WIDTH$}  {}",
            line.check, line.found
        ));
        if let Some(todo) = &line.todo {
            (self.show)(&format_args!("  {:WIDTH$}  → {todo}", ""));
        }
    }

    fn count(&self, level: Level) -> usize {
        self.lines
            .iter()
            .filter(|line| line.status == level)
            .count()
    }

    /// Says what it all comes to, which is returned: whether callers are redirected.
    pub(super) fn finish(self) -> bool {
        let (problems, warnings) = (self.count(Level::Problem), self.count(Level::Warning));
        if self.as_json {
            let report = json!({ "ok": problems == 0, "checks": self.lines });
            (self.show)(&format_args!("{report:#}"));
        } else {
            (self.show)(&match (problems, warnings) {
                (0, 0) => "\nAll is well.".to_owned(),
                (0, warnings) if self.nobody_calls => format!(
                    "\nRedirects work for callers who get to the workflow, but no number leads there \
                     yet; {warnings} to look at."
                ),
                (0, warnings) => format!("\nRedirects work; {warnings} to look at."),
                (problems, _) => format!(
                    "\n{}: callers are not redirected, or not all.",
                    counted(problems, "problem")
                ),
            });
        }
        problems == 0
    }
}
