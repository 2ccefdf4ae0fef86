//! What doctor found, line by line.

use serde::Serialize;
use serde_json::json;

use crate::console::Console;
use crate::error::Error;

/// How good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth a look; redirects work.
    Warning,
    /// Would stop a redirect.
    Problem,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    check: &'static str,
    status: Level,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

/// All findings.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Line>);

impl Report {
    pub(super) fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(check, Level::Ok, found.into(), None);
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        todo: impl Into<String>,
    ) {
        self.add(check, Level::Warning, found.into(), Some(todo.into()));
    }

    pub(super) fn fail(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        todo: impl Into<String>,
    ) {
        self.add(check, Level::Problem, found.into(), Some(todo.into()));
    }

    /// What was read; a failure to read it is a finding.
    pub(super) fn read<T>(&mut self, check: &'static str, read: Result<T, Error>) -> Option<T> {
        let text = match read {
            Ok(read) => return Some(read),
            Err(error) => error.to_string(),
        };
        let (found, todo) = text.split_once('\n').unwrap_or((&text, ""));
        let todo: Vec<_> = todo.lines().map(str::trim).collect();
        self.fail(check, found, todo.join(" "));
        None
    }

    pub(super) fn add(
        &mut self,
        check: &'static str,
        status: Level,
        found: String,
        todo: Option<String>,
    ) {
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
        let width = self
            .0
            .iter()
            .map(|line| line.check.len())
            .max()
            .unwrap_or(0);
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
