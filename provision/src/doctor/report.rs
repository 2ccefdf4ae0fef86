//! What doctor found, line by line.

use std::fmt::Display;

use serde::Serialize;
use serde_json::json;

use crate::console::Console;
use crate::error::Result;

/// How good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// As it should be.
    Ok,
    /// Worth a look; redirects work.
    Warning,
    /// Would stop a redirect.
    Problem,
}

/// What was looked at.
pub(super) type Check = &'static str;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    check: Check,
    status: Level,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

/// All findings.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Line>);

impl Report {
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

    fn add(&mut self, check: Check, status: Level, found: impl Display, todo: Option<String>) {
        let found = found.to_string();
        self.0.push(Line {
            check,
            status,
            found,
            todo,
        });
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|line| line.status == level).count()
    }

    /// Whether nothing would stop a redirect.
    pub(super) fn is_good(&self) -> bool {
        self.count(Level::Problem) == 0
    }

    pub(super) fn show(&self, console: &mut Console<'_>) {
        let widths = self.0.iter().map(|line| line.check.len());
        let width = widths.max().unwrap_or(0);
        for line in &self.0 {
            let sign = match line.status {
                Level::Ok => '✓',
                Level::Warning => '!',
                Level::Problem => '✗',
            };
            console.line(format_args!("{sign} {:width$}  {}", line.check, line.found));
            if let Some(todo) = &line.todo {
                console.line(format_args!("  {:width$}  → {todo}", ""));
            }
        }
        console.line(
            match (self.count(Level::Problem), self.count(Level::Warning)) {
                (0, 0) => "\nAll is well.".to_owned(),
                (0, warnings) => format!("\nRedirects work; {warnings} to look at."),
                (problems, _) => format!("\n{problems} would stop a redirect."),
            },
        );
    }

    pub(super) fn show_json(&self, console: &mut Console<'_>) {
        let report = json!({ "ok": self.is_good(), "checks": self.0 });
        console.line(format_args!("{report:#}"));
    }
}
