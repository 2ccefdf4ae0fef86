//! The past 24 hours: counted by the hour and plan, and the last redirects one by one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use queue::{CallerEnd, Content, Outcome, OutcomeKind, Redirected};
use twilio::{CallSid, TaskSid};

use crate::counts::Counts;
use crate::{Day, Hour, PlanDay, Recent};

const HOURS: i64 = 24;

/// How many redirects are kept one by one.
const RECENT: usize = 50;

/// How many callers are remembered, so that what is told twice is counted once.
const REMEMBERED: usize = 50_000;

/// How many callers in a row must have been missed for that to be no chance.
const IN_A_ROW: usize = 5;

/// And within which time.
const LATELY: SignedDuration = SignedDuration::from_mins(30);

/// What became of callers.
#[derive(Default)]
pub(crate) struct Past {
    /// By the hour, counted from 1970 on.
    hours: BTreeMap<i64, BTreeMap<String, Counts>>,
    /// The newest first.
    recent: VecDeque<Recent>,
    callers: HashMap<CallSid, Caller>,
    /// `callers` in the order in which they came.
    order: VecDeque<CallSid>,
    /// What came of the last callers of each plan.
    lately: BTreeMap<String, Lately>,
}

#[derive(Default)]
struct Caller {
    /// The task for which they were redirected last, and when.
    redirected: Option<(TaskSid, Timestamp)>,
    outcome: Option<OutcomeKind>,
    /// What became of them.
    end: Option<End>,
}

/// What became of a caller, and where that is counted: by the hour of the redirect, if that is known.
#[derive(Clone)]
struct End {
    end: CallerEnd,
    hour: i64,
    plan: String,
}

#[derive(Default)]
struct Lately {
    ends: VecDeque<(Timestamp, CallerEnd)>,
    outcomes: VecDeque<OutcomeKind>,
}

impl Past {
    /// Takes in what was told, at the time `now`.
    pub(crate) fn take(&mut self, told: &Content, now: Timestamp) {
        self.forget(now);
        match told {
            Content::Redirected(redirected) => {
                redirected.iter().for_each(|one| self.redirected(one, now));
            }
            Content::Outcome(outcome) => self.outcome(outcome, now),
            Content::Redirect(_) | Content::Notify(_) => {}
        }
    }

    fn redirected(&mut self, redirected: &Redirected, now: Timestamp) {
        let Redirected {
            call_sid,
            task_sid,
            plan,
            ..
        } = redirected;
        // A clock may be ahead of ours.
        let at = redirected.redirected_at.min(now);
        let hour = hour(at);
        if hour <= self::hour(now) - HOURS {
            return;
        }
        let caller = self.caller(*call_sid);
        match caller.redirected {
            Some((task, _)) if task == *task_sid => return,
            // They came back, and waited anew.
            Some(_) => (caller.outcome, caller.end) = (None, None),
            None => {}
        }
        caller.redirected = Some((*task_sid, at));
        let outcome = caller.outcome;
        // It may be told first.
        let before = caller.end.clone();
        let end = before.clone().map(|end| End { hour, ..end });
        self.count_end(*call_sid, before, end.clone());
        let took = redirected
            .redirected_at
            .duration_since(redirected.entered_at);
        let took = Duration::try_from(took).unwrap_or_default();
        self.counts(hour, plan).redirected(took);
        self.recent.truncate(RECENT - 1);
        self.recent.push_front(Recent {
            call_sid: *call_sid,
            task_sid: *task_sid,
            plan: plan.clone(),
            at,
            took,
            outcome,
            end: end.map(|end| end.end),
        });
    }

    fn outcome(&mut self, outcome: &Outcome, now: Timestamp) {
        let at = outcome.at.min(now);
        let hour = hour(at);
        if hour <= self::hour(now) - HOURS {
            return;
        }
        let plan = &outcome.plan;
        let caller = self.caller(outcome.call_sid);
        caller.outcome = Some(outcome.outcome);
        let hour = caller.redirected.map_or(hour, |(_, at)| self::hour(at));
        let before = caller.end.clone();
        // What is known later may be better: who had somebody was not missed.
        let better = outcome.caller.filter(|end| {
            let before = before.as_ref();
            before.is_none_or(|before| rank(*end) > rank(before.end))
        });
        if let Some(end) = better {
            let plan = plan.clone();
            self.count_end(outcome.call_sid, before, Some(End { end, hour, plan }));
        }
        // Who comes outside the hours is not to reach anybody.
        if outcome.outcome != OutcomeKind::Closed {
            let lately = self.lately.entry(plan.clone()).or_default();
            lately.outcomes.truncate(IN_A_ROW - 1);
            lately.outcomes.push_front(outcome.outcome);
            if let Some(end) = better {
                lately.ends.truncate(IN_A_ROW - 1);
                lately.ends.push_front((at, end));
            }
        }
        let mut recent = self.recent.iter_mut();
        if let Some(recent) = recent.find(|recent| recent.call_sid == outcome.call_sid) {
            recent.outcome = Some(outcome.outcome);
            recent.end = better.or(recent.end);
        }
    }

    /// Counts what became of the caller, in the place of what was counted before.
    fn count_end(&mut self, call: CallSid, before: Option<End>, end: Option<End>) {
        for (counted, change) in [(&before, -1), (&end, 1)] {
            if let Some(End { end, hour, plan }) = counted {
                self.counts(*hour, plan).ended(*end, change);
            }
        }
        self.caller(call).end = end;
    }

    fn caller(&mut self, call: CallSid) -> &mut Caller {
        if !self.callers.contains_key(&call) {
            if self.order.len() == REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.callers.remove(&oldest);
            }
            self.order.push_back(call);
        }
        self.callers.entry(call).or_default()
    }

    fn counts(&mut self, hour: i64, plan: &str) -> &mut Counts {
        let plans = self.hours.entry(hour).or_default();
        if !plans.contains_key(plan) {
            plans.insert(plan.to_owned(), Counts::default());
        }
        plans.entry(plan.to_owned()).or_default()
    }

    fn forget(&mut self, now: Timestamp) {
        let first = hour(now) - HOURS + 1;
        if self
            .hours
            .first_key_value()
            .is_some_and(|(hour, _)| *hour < first)
        {
            self.hours = self.hours.split_off(&first);
        }
    }

    /// Whether the caller was redirected after that moment.
    pub(crate) fn is_redirected_since(&self, call: &CallSid, moment: Timestamp) -> bool {
        let caller = self.callers.get(call);
        let redirected = caller.and_then(|caller| caller.redirected);
        redirected.is_some_and(|(_, at)| at >= moment)
    }

    /// The last redirects, the newest first.
    pub(crate) fn recent(&self) -> Vec<Recent> {
        self.recent.iter().cloned().collect()
    }

    /// The 24 hours that end with this one.
    pub(crate) fn day(&self, now: Timestamp, is_whole: bool) -> Day {
        let last = hour(now);
        let hours = (last - HOURS + 1..=last).map(|hour| {
            let plans = self.hours.get(&hour);
            let sum =
                |of: &dyn Fn(&Counts) -> u64| plans.into_iter().flatten().map(|(_, c)| of(c)).sum();
            Hour {
                from: Timestamp::from_second(hour * 3600).unwrap_or(now),
                redirected: sum(&|counts| counts.redirected),
                taken: sum(&|counts| counts.of(CallerEnd::Taken) + counts.of(CallerEnd::Recorded)),
                missed: sum(&|counts| counts.of(CallerEnd::Missed)),
            }
        });
        let mut plans: BTreeMap<&str, Counts> = BTreeMap::new();
        for (plan, counts) in self
            .hours
            .range(last - HOURS + 1..)
            .flat_map(|(_, plans)| plans)
        {
            plans.entry(plan).or_default().add(counts);
        }
        let plans = plans.into_iter().map(|(name, counts)| PlanDay {
            name: name.to_owned(),
            redirected: counts.redirected,
            taken: counts.of(CallerEnd::Taken),
            recorded: counts.of(CallerEnd::Recorded),
            missed: counts.of(CallerEnd::Missed),
            p50: counts.within(0.5),
            p95: counts.within(0.95),
        });
        Day {
            is_whole,
            plans: plans.collect(),
            hours: hours.collect(),
        }
    }

    /// The plans of which the last callers were all missed, not long ago, and what came of most
    /// attempts to reach somebody for them.
    pub(crate) fn nobody_answers(&self, now: Timestamp) -> Vec<(&str, OutcomeKind)> {
        let plans = self.lately.iter().filter_map(|(plan, lately)| {
            let (oldest, _) = lately.ends.get(IN_A_ROW - 1)?;
            let is_missed = |(_, end): &(_, CallerEnd)| *end == CallerEnd::Missed;
            let all = lately.ends.iter().all(is_missed) && now.duration_since(*oldest) <= LATELY;
            let count = |kind: &&OutcomeKind| lately.outcomes.iter().filter(|k| k == kind).count();
            let most = lately.outcomes.iter().max_by_key(count)?;
            all.then_some((plan.as_str(), *most))
        });
        plans.collect()
    }
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

fn rank(end: CallerEnd) -> u8 {
    match end {
        CallerEnd::Missed => 0,
        CallerEnd::Recorded => 1,
        CallerEnd::Taken => 2,
    }
}
