//! What an operator should know of a filter.

/// Something about a filter that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter {filter} {problem}")]
pub(crate) struct Finding {
    /// The filter's name.
    pub(crate) filter: String,
    pub(crate) problem: Problem,
}

/// How a filter fails to lead to the placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// The placeholder is none of its targets.
    #[error("does not lead to the placeholder")]
    Missing,
    /// Targets come after the placeholder.
    #[error("has targets after the placeholder, which callers never reach")]
    NotLast,
    /// The placeholder has a timeout, and targets after it.
    #[error(
        "takes callers out of the placeholder again after its timeout, to the targets behind it"
    )]
    GoesOn,
    /// The placeholder has a timeout, after which Twilio deletes the task while the caller waits.
    #[error("gives the placeholder a timeout: then the task is deleted while its caller waits")]
    TimesOut,
    /// The placeholder itself has `skip_if`.
    #[error("lets callers skip the placeholder (`skip_if`), and nobody is ever available there")]
    Skipped,
    /// A target before the placeholder has no timeout, so no caller gets past it.
    #[error("has a target without timeout: no caller gets past it to the placeholder")]
    NeverReached,
    /// A target before the placeholder has no timeout and is left only by those who skip it.
    #[error(
        "has a target without timeout before the placeholder: only callers who skip it \
         (`skip_if`) get past it"
    )]
    MayStay,
    /// Tasks that skip its last target go on to the next filter.
    #[error(
        "ends in a target with `skip_if`: calls that skip it go on to the next filter, and would be \
         redirected at once"
    )]
    EndsSkippable,
    /// A transfer, say: whoever else took it would be wrong.
    #[error("takes calls meant for one agent (transfers, known workers)")]
    OneAgent,
}

impl Problem {
    /// What to do about it.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Missing => {
                "if its callers are to be redirected, run `overflow setup --workflow WW…`, with \
                 `--filter` if only some filters were named before"
            }
            Self::NotLast => "make the placeholder the last target of the filter",
            Self::GoesOn => {
                "make the placeholder the last target, without timeout, unless who isn't redirected by \
                 then is to go on"
            }
            Self::TimesOut => {
                "run `overflow setup --workflow WW…`, or remove that timeout in the console"
            }
            Self::Skipped => {
                "run `overflow setup --workflow WW…`, or remove that `skip_if` in the console"
            }
            Self::NeverReached => {
                "give such targets a timeout, in the console or by \
                 `overflow setup --workflow WW… --target-timeout 20`"
            }
            Self::MayStay => {
                "give it a timeout as well, unless those who don't skip it shall wait for ever"
            }
            Self::EndsSkippable | Self::OneAgent => "name it by `--filter` if that is wanted",
        }
    }
}
