//! What a command is going to do: steps, decided before any of them is carried out.

use crate::console::Console;
use crate::error::Error;
use crate::step::{Step, Work};

/// Steps in the order in which they are carried out.
#[derive(Default)]
pub(crate) struct Plan(Vec<Step>);

impl Plan {
    pub(crate) fn add(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.add(Step::Note(text.into()));
    }

    pub(crate) fn extend(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.0.extend(steps);
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        !self.0.iter().any(Step::is_change)
    }

    pub(crate) fn show(&self, console: &mut Console<'_>) {
        let lines: Vec<_> = self.0.iter().map(Step::describe).collect();
        for line in &lines {
            console.line(format_args!("  {} {}", line.sign, line.text));
            for detail in &line.details {
                console.line(format_args!("      {detail}"));
            }
        }
        let count = |sign| lines.iter().filter(|line| line.sign == sign).count();
        console.line(format_args!(
            "\n{} to create, {} to change, {} to delete, {} as they should be.",
            count('+'),
            count('~'),
            count('-'),
            count('=')
        ));
    }

    pub(crate) async fn carry_out(&self, mut work: Work<'_, '_>) -> Result<(), Error> {
        for step in &self.0 {
            work.apply(step).await?;
        }
        Ok(())
    }
}
