//! How things are said.

/// One of a kind, or several: `2 workflows`, `workflow "A"`.
pub(crate) fn of_number(count: usize, kind: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{kind}{plural}")
}

/// The kind, and which of it: `filters "A", "B"`.
pub(crate) fn named(kind: &str, names: &[String]) -> String {
    format!("{} {}", of_number(names.len(), kind), names.join(", "))
}

/// How many of a kind: `2 calls`.
pub(crate) fn counted(count: usize, kind: &str) -> String {
    format!("{count} {}", of_number(count, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_said_otherwise_than_several() {
        assert_eq!(named("filter", &["\"A\"".into()]), "filter \"A\"");
        let two = ["\"A\"".into(), "\"B\"".into()];
        assert_eq!(named("filter", &two), "filters \"A\", \"B\"");
        assert_eq!(counted(1, "call"), "1 call");
        assert_eq!(counted(2, "call"), "2 calls");
    }
}
