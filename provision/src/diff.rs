//! Differences as a person reads them.

use similar::TextDiff;

/// A field that changes.
pub(crate) fn field(name: &str, old: &str, new: &str) -> String {
    format!("{name}: {old} → {new}")
}

/// The lines in which two JSON values differ, with some around them; none where they are equal.
pub(crate) fn json(old: &serde_json::Value, new: &serde_json::Value) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    // A value can always be written.
    let pretty = |value| serde_json::to_string_pretty(value).unwrap_or_default();
    TextDiff::from_lines(pretty(old), pretty(new))
        .unified_diff()
        .context_radius(2)
        .to_string()
        .lines()
        .filter(|line| !line.starts_with("@@") && !line.starts_with('\\'))
        .map(str::to_owned)
        .collect()
}
