//! The URLs by which Twilio asks what comes next.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use twilio::{CONNECTION_OVERRIDES, PublicUrl};

/// How long Twilio tries to learn what whoever picked up is to hear, and what their key means: they
/// hear nothing meanwhile.
pub(crate) const QUICK: Duration = Duration::from_secs(4);
const QUICKLY: &str = "rc=2&rp=all&ct=1000&rt=1500&tt=4000";

/// What their paths begin with.
pub const PATH: &str = "/ladder/v1/";

/// The header by which ingest says what ladder an answer of it comes from: its hash, or none.
pub const LADDER_HEADER: &str = "x-overflow-ladder";

/// A place on a ladder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The step, from 0.
    pub step: usize,
    /// Which of the numbers that ring one after another, from 0.
    pub go: usize,
}

/// Written as people count, `2.1` for the first number of the second step.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}",
            self.step.saturating_add(1),
            self.go.saturating_add(1)
        )
    }
}

/// What Twilio has just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The numbers have rung, and whoever picked up has hung up.
    Dialed,
    /// The same, where whoever picked up had to press a key first.
    Asked,
    /// Somebody picked up, and is to be asked whether they take the caller.
    PickedUp,
    /// They pressed a key.
    Pressed,
    /// A message was recorded.
    Recorded,
    /// None was.
    NotRecorded,
    /// A call to one of the numbers is over. Nothing is asked: it is told.
    Ended,
}

impl Stage {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::Dialed,
        Self::Asked,
        Self::PickedUp,
        Self::Pressed,
        Self::Recorded,
        Self::NotRecorded,
        Self::Ended,
    ];

    /// As paths and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dialed => "dialed",
            Self::Asked => "asked",
            Self::PickedUp => "picked-up",
            Self::Pressed => "pressed",
            Self::Recorded => "recorded",
            Self::NotRecorded => "not-recorded",
            Self::Ended => "ended",
        }
    }
}

/// Which plan a call is on, and where. Everything stands in the path, for Twilio may reorder a query
/// after it has signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop<'a> {
    /// The plan's name.
    pub plan: &'a str,
    /// Where the call is.
    pub position: Position,
    /// The hash of the ladder that brought it there.
    pub hash: &'a str,
    /// Whether the call was on a ladder before of which nothing was known: it begins anew once only,
    /// or two ingests that don't know each other's plans would send it round for ever.
    pub again: bool,
    /// What Twilio has done there.
    pub stage: Stage,
}

/// What stands in place of a ladder's hash where the plan is one number and no ladder.
const NO_LADDER: &str = "number";

/// What stands before the hash of a ladder that a call began again.
const AGAIN: &str = "again-";

/// The path is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path is not one that a ladder's TwiML names")]
pub struct InvalidHop;

/// As a log tells it.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialed => "it has rung",
            Self::Asked => "it has rung, and whoever picked up was asked",
            Self::PickedUp => "somebody picked up, and is asked",
            Self::Pressed => "a key was pressed",
            Self::Recorded => "a recording has ended",
            Self::NotRecorded => "nothing was recorded",
            Self::Ended => "a call to a number is over",
        })
    }
}

impl<'a> Hop<'a> {
    /// Where nothing is known of a call, but that it is on some ladder.
    pub fn unknown() -> Self {
        Self {
            plan: "",
            position: Position::default(),
            hash: "",
            again: true,
            stage: Stage::NotRecorded,
        }
    }

    /// Where it is told how the call ended that is all there is of a plan.
    pub fn of_number(plan: &'a str) -> Self {
        Self {
            plan,
            position: Position::default(),
            hash: NO_LADDER,
            again: false,
            stage: Stage::Ended,
        }
    }

    /// Whether nothing follows, whatever has become of it.
    pub fn is_of_number(&self) -> bool {
        self.hash == NO_LADDER
    }

    /// Reads what follows [`PATH`].
    ///
    /// # Errors
    /// It is none of ours.
    pub fn parse(rest: &'a str) -> Result<Self, InvalidHop> {
        let mut parts = rest.split('/');
        let mut part = || parts.next().ok_or(InvalidHop);
        let (plan, position, hash, stage) = (part()?, part()?, part()?, part()?);
        let stage = Stage::ALL.into_iter().find(|known| known.as_str() == stage);
        let (again, hash) = match hash.strip_prefix(AGAIN) {
            Some(hash) => (true, hash),
            None => (false, hash),
        };
        match part() {
            Ok(_) => Err(InvalidHop),
            Err(_) => Ok(Self {
                plan,
                position: position.parse()?,
                hash,
                again,
                stage: stage.ok_or(InvalidHop)?,
            }),
        }
    }

    /// The path.
    pub fn path(&self) -> String {
        let Self {
            plan,
            position,
            hash,
            again,
            stage,
        } = self;
        let again = if *again { AGAIN } else { "" };
        format!("{PATH}{plan}/{position}/{again}{hash}/{}", stage.as_str())
    }

    /// The URL as TwiML names it: a request that fails is repeated.
    pub fn url(&self, public_url: &PublicUrl) -> String {
        let overrides = match self.stage {
            Stage::PickedUp | Stage::Pressed => QUICKLY,
            _ => CONNECTION_OVERRIDES,
        };
        format!("{}#{overrides}", public_url.join(&self.path()))
    }
}

impl FromStr for Position {
    type Err = InvalidHop;

    fn from_str(text: &str) -> Result<Self, InvalidHop> {
        let (step, go) = text.split_once('.').ok_or(InvalidHop)?;
        let from_1 = |number: &str| {
            let number: usize = number.parse().map_err(|_| InvalidHop)?;
            number.checked_sub(1).ok_or(InvalidHop)
        };
        Ok(Self {
            step: from_1(step)?,
            go: from_1(go)?,
        })
    }
}
