//! The waiting time as a bar that runs.

use std::time::Duration;

const BAR: usize = 30;
/// Where the bar begins: below what is told.
const INDENT: usize = 26;
/// What the bar counts.
const LABEL: &str = "until the next queue";

/// How wide the terminal is, in characters.
pub(super) fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| width.0.into())
}

/// The bar in one line of the terminal, however narrow that is: drawn over, a second one would stay.
pub(super) fn bar(part: f64, left: Duration, width: usize) -> String {
    let left = format!(" {:.1} s {LABEL}", left.as_secs_f64());
    // A terminal goes to the next line behind its last character.
    let room = width.saturating_sub(1);
    let indent = INDENT.min(room.saturating_sub(left.len() + BAR));
    let length = BAR.min(room.saturating_sub(left.len()));
    let full = ((length as f64 * part) as usize).min(length);
    let (full, rest) = ("█".repeat(full), "░".repeat(length - full));
    let line = format!("{:indent$}{full}{rest}{left}", "");
    line.chars().take(room).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fits_any_terminal_and_says_what_it_counts() {
        for width in 0..200 {
            let bar = bar(0.5, Duration::from_millis(1250), width);
            assert!(
                bar.chars().count() <= width.saturating_sub(1),
                "{width}: {bar}"
            );
        }
        let bar = bar(0.5, Duration::from_millis(1250), 80);
        assert!(bar.contains('█') && bar.contains('░'), "{bar}");
        assert!(bar.ends_with(" s until the next queue"), "{bar}");
    }
}
