//! Why an event, or the attributes of its task, can't be read.

/// Why an event can't be read. Names the parameter; never repeats its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The body is not an array of JSON objects.
    #[error("the body is not a JSON array of CloudEvents: {0}")]
    NotCloudEvents(String),
    /// A parameter that every event has is missing.
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter holds something else than it should.
    #[error("parameter {0}: {1}")]
    Invalid(&'static str, String),
}
