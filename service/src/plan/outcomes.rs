//! What became of callers, by what Twilio says of the calls to a plan's numbers.

use std::time::Duration;

use ladder::{Hop, LONGEST_ASKING, LegOutcome, Position};
use queue::{CallerEnd, OutcomeKind};
use twilio::E164;
use twilio::rest::CallStatus;

use super::{Plan, Plans, Way};

/// What came of a call to one of a plan's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Where on the plan's ladder, as `2.1`; none where the plan is one number.
    pub step: Option<String>,
    /// What it came to.
    pub outcome: OutcomeKind,
    /// What that means for the caller, if it is the end for them.
    pub caller: Option<CallerEnd>,
}

/// What follows the call.
enum Follows {
    /// What the ladder says after this place.
    Ladder(Position),
    /// The plan was a ladder when the caller came.
    LastWords,
    Nothing,
}

impl Ending {
    fn of(leg: LegOutcome, follows: Follows) -> Self {
        let outcome = match leg {
            LegOutcome::Answered => OutcomeKind::Answered,
            LegOutcome::NotAccepted => OutcomeKind::NotAccepted,
            LegOutcome::Busy => OutcomeKind::Busy,
            LegOutcome::NoAnswer => OutcomeKind::NoAnswer,
            LegOutcome::Failed => OutcomeKind::Failed,
            LegOutcome::Canceled => OutcomeKind::Canceled,
        };
        Self {
            step: match follows {
                Follows::Ladder(position) => Some(position.to_string()),
                Follows::LastWords | Follows::Nothing => None,
            },
            caller: match (leg, follows) {
                (LegOutcome::Answered, _) => Some(CallerEnd::Taken),
                (_, Follows::Nothing) => Some(CallerEnd::Missed),
                (_, Follows::Ladder(_) | Follows::LastWords) => None,
            },
            outcome,
        }
    }
}

impl Plan {
    /// What came of a call to a number that rings there, by its status and how long somebody was on
    /// the line. `None` if it isn't over.
    pub fn leg(&self, at: Position, status: CallStatus, lasted: Duration) -> Option<Ending> {
        let (asking, follows) = match &self.way {
            Way::Number(_) => (None, Follows::Nothing),
            Way::Ladder(ladder) => (ladder.longest_asking(at), Follows::Ladder(at)),
        };
        let leg = LegOutcome::of(status, lasted, asking)?;
        Some(Ending::of(leg, follows))
    }

    /// Where a number rings next, from this place on.
    pub fn position_of(&self, number: &E164, from: Position) -> Option<Position> {
        match &self.way {
            Way::Number(_) => self.numbers().contains(number).then(Position::default),
            Way::Ladder(ladder) => ladder.position_of(number, from),
        }
    }

    /// Whether a caller hears nothing before its number is dialled: that nobody was rung then means that
    /// Twilio could not.
    pub fn rings_at_once(&self) -> bool {
        matches!(&self.way, Way::Number(forward) if forward.notice.is_none())
    }
}

impl Plans {
    /// Whether it is found out what becomes of callers.
    pub fn outcomes(&self) -> bool {
        self.outcomes
    }

    /// Whether Twilio tells by itself what becomes of the callers of the plan of this name.
    pub fn tells(&self, name: &str) -> bool {
        let plan = self.iter().find(|plan| plan.name == name);
        plan.is_some_and(|plan| match &plan.way {
            Way::Number(forward) => {
                let mut numbers = forward.dial.numbers.iter();
                numbers.any(|number| number.status_callback.is_some())
            }
            Way::Ladder(_) => true,
        })
    }

    /// The plan of a caller of whom Twilio speaks; what the path says where it is no plan any more.
    pub fn name_of<'a>(&'a self, hop: &Hop<'a>) -> &'a str {
        self.of(hop).map_or(hop.plan, |plan| &plan.name)
    }

    /// The same as [`Plan::leg`], of the call that the path is about.
    pub fn leg(&self, hop: &Hop<'_>, status: CallStatus, lasted: Duration) -> Option<Ending> {
        let at = hop.position;
        let (asking, follows) = match self.of(hop).map(|plan| &plan.way) {
            _ if hop.is_of_number() => (None, Follows::Nothing),
            Some(Way::Number(_)) => (None, Follows::LastWords),
            Some(Way::Ladder(ladder)) => (ladder.longest_asking(at), Follows::Ladder(at)),
            None => (Some(LONGEST_ASKING), Follows::Ladder(at)),
        };
        let leg = LegOutcome::of(status, lasted, asking)?;
        Some(Ending::of(leg, follows))
    }

    fn of(&self, hop: &Hop<'_>) -> Option<&Plan> {
        // The name of a plan of one number need not be fit for a URL.
        let by_sid = || self.iter().find(|p| p.task_queue_sid.as_str() == hop.plan);
        let mut plans = self.iter();
        plans.find(|plan| plan.name == hop.plan).or_else(by_sid)
    }
}
