//! When a step is in force: opening hours as OpenStreetMap writes them
//! (<https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification>).

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use opening_hours::localization::Country;
use opening_hours::{Context, ContextHolidays, OpeningHours};

/// How many changes of the rules are looked at for one that changes something.
const MOST_CHANGES: usize = 1000;

/// Where hours are meant: the time zone, and which days are holidays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    time_zone: TimeZone,
    country: Option<Country>,
    closed: Vec<Date>,
}

/// Why hours can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHours {
    /// There is no such zone.
    #[error("{0:?} is no time zone, such as Europe/Berlin or America/New_York")]
    TimeZone(String),
    /// No holidays are known of it.
    #[error("{0:?} is no country whose holidays are known: two capital letters, such as DE or US")]
    Country(String),
    /// It is no day.
    #[error("{0:?} is no day, such as 2026-12-24")]
    Day(String),
    /// They can't be read.
    #[error("are no opening hours, such as Mo-Fr 08:00-18:00; PH off: {0}")]
    Syntax(String),
    /// Public holidays, of which nobody said where.
    #[error(
        "speak of public holidays (PH), so the plan must say of which country: holidays = \"DE\""
    )]
    NoCountry,
    /// School holidays, of which none are known.
    #[error("speak of school holidays (SH), which aren't known there: put the days into closed")]
    NoSchool,
}

impl Calendar {
    /// The calendar of a place: its time zone by the IANA name, the ISO code of the country whose
    /// public holidays count, and days of one's own.
    ///
    /// # Errors
    /// The zone, the country or a day is unknown.
    pub fn new<'a>(
        time_zone: &str,
        country: Option<&str>,
        closed: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidHours> {
        let time_zone =
            TimeZone::get(time_zone).map_err(|_| InvalidHours::TimeZone(time_zone.to_owned()))?;
        let country = country
            .map(|code| {
                code.parse()
                    .map_err(|_| InvalidHours::Country(code.to_owned()))
            })
            .transpose()?;
        let day = |day: &str| day.parse().map_err(|_| InvalidHours::Day(day.to_owned()));
        Ok(Self {
            time_zone,
            country,
            closed: closed.into_iter().map(day).collect::<Result<_, _>>()?,
        })
    }

    /// The time of day there.
    pub fn at(&self, now: Timestamp) -> DateTime {
        self.time_zone.to_datetime(now)
    }

    /// The moment at which it is so late there; that after a gap or the first of two where clocks are
    /// turned.
    pub fn moment(&self, local: DateTime) -> Option<Timestamp> {
        self.time_zone.to_timestamp(local).ok()
    }

    /// The next days, from this one on, that are public holidays or days of one's own.
    pub fn closed_days(&self, from: Date, count: usize) -> Vec<Date> {
        let holidays = self.holidays();
        let mut days = Vec::new();
        let mut after = chrono_date(from).and_then(|day| day.pred_opt());
        while let Some(day) = after.and_then(|after| holidays.get_public().first_after(after))
            && days.len() < count
        {
            days.extend(jiff_date(day));
            after = Some(day);
        }
        days
    }

    fn holidays(&self) -> ContextHolidays {
        let known = self.country.map(Country::holidays).unwrap_or_default();
        let mut public = known.get_public().clone();
        for day in &self.closed {
            if let Some(day) = chrono_date(*day) {
                public.insert(day);
            }
        }
        ContextHolidays::new(Arc::new(public), Arc::new(known.get_school().clone()))
    }
}

/// When something is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    text: String,
    rules: OpeningHours,
    /// Whether they say themselves what is on holidays.
    of_holidays: bool,
    calendar: Calendar,
}

impl Hours {
    /// Reads them.
    ///
    /// # Errors
    /// They are no opening hours, or speak of holidays where no country is given.
    pub fn new(text: &str, calendar: &Calendar) -> Result<Self, InvalidHours> {
        let rules: OpeningHours = text
            .parse()
            .map_err(|error| InvalidHours::Syntax(format!("{error}").replace('\n', " ")))?;
        // What stands in quotes is a comment.
        let rules_alone: String = rules.to_string().split('"').step_by(2).collect();
        let of_holidays = rules_alone.contains("PH");
        let of_school = rules_alone.contains("SH");
        if (of_holidays || of_school) && calendar.country.is_none() {
            return Err(InvalidHours::NoCountry);
        }
        let holidays = calendar.holidays();
        if of_school && holidays.get_school().count() == 0 {
            return Err(InvalidHours::NoSchool);
        }
        Ok(Self {
            text: text.to_owned(),
            rules: rules.with_context(Context::default().with_holidays(holidays)),
            of_holidays,
            calendar: calendar.clone(),
        })
    }

    /// Whether they are in force.
    pub fn contain(&self, now: Timestamp) -> bool {
        let now = self.calendar.at(now);
        // Whoever says nothing of holidays says nothing of days of one's own either.
        let is_closed = !self.of_holidays && self.calendar.closed.contains(&now.date());
        !is_closed && chrono_time(now).is_some_and(|now| self.rules.is_open(now))
    }

    /// When they begin or end to be in force next, if they do within a year or so.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let is_in_force = self.contain(now);
        let mut local = self.calendar.at(now);
        // Where a day of one's own is off, or where nothing changes but a comment, it goes on.
        for _ in 0..MOST_CHANGES {
            let of_rules = chrono_time(local).and_then(|local| self.rules.next_change(local));
            let of_own_days = self
                .calendar
                .closed
                .iter()
                .flat_map(|day| [Some(*day), day.tomorrow().ok()])
                .flatten()
                .map(Date::into)
                .filter(|midnight: &DateTime| *midnight > local && !self.of_holidays);
            local = of_rules
                .and_then(jiff_time)
                .into_iter()
                .chain(of_own_days)
                .min()?;
            let moment = self.calendar.moment(local)?;
            if moment > now && self.contain(moment) != is_in_force {
                return Some(moment);
            }
        }
        None
    }

    /// As they were written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// By what they say, and where.
impl Hash for Hours {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Calendar {
            time_zone,
            country,
            closed,
        } = &self.calendar;
        (
            &self.text,
            time_zone.iana_name(),
            country.map(Country::iso_code),
            closed,
        )
            .hash(state);
    }
}

fn chrono_date(day: Date) -> Option<NaiveDate> {
    let (month, day_of_month) = (day.month().unsigned_abs(), day.day().unsigned_abs());
    NaiveDate::from_ymd_opt(day.year().into(), month.into(), day_of_month.into())
}

fn chrono_time(time: DateTime) -> Option<NaiveDateTime> {
    let (hour, minute) = (time.hour().unsigned_abs(), time.minute().unsigned_abs());
    let time_of_day = NaiveTime::from_hms_opt(hour.into(), minute.into(), 0)?;
    Some(chrono_date(time.date())?.and_time(time_of_day))
}

fn jiff_time(time: NaiveDateTime) -> Option<DateTime> {
    time.format("%Y-%m-%dT%H:%M:%S").to_string().parse().ok()
}

fn jiff_date(day: NaiveDate) -> Option<Date> {
    day.to_string().parse().ok()
}
