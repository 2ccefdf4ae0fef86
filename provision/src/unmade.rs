//! What stands for a resource until it is made.

/// How what stands for a resource begins.
const NEW: &str = "(new) ";

/// What stands for the SID or address of a resource until it is made.
pub(crate) fn yet_to_be_made(name: &str) -> String {
    format!("{NEW}{name}")
}

/// Whether the text stands for something that is yet to be made.
pub(crate) fn is_yet_to_be_made(text: &str) -> bool {
    text.starts_with(NEW)
}
