//! Differences as a person reads them.

use similar::TextDiff;

/// The lines that differ, with some around them.
pub(crate) fn lines(old: &str, new: &str) -> Vec<String> {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(2)
        .to_string()
        .lines()
        .filter(|line| !line.starts_with("@@") && !line.starts_with('\\'))
        .map(str::to_owned)
        .collect()
}

/// A field that changes.
pub(crate) fn field(name: &str, old: &str, new: &str) -> String {
    format!("{name}: {old} → {new}")
}
