//! `overflow plans`: what redirect plans say, in words.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use ladder::{Action, Ladder};
use queue::CallerEnd;
use service::plan::{Forward, Notify, PlanArgs, Way, does};
use service::settings::Setting;
use service::{Plan, Plans, Problems, out};
use twilio::PublicUrl;

/// How many closed days are told.
const CLOSED_DAYS: usize = 10;

/// Where ingest is taken to be while nobody says so: a file can be checked before there is one.
const SOMEWHERE: &str = "https://overflow.example.com";

/// Redirect plans in words.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlansArgs {
    #[command(subcommand)]
    action: ActionArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum ActionArgs {
    /// Say what is wrong with the plans, or what each would do now
    ///
    /// For example `overflow plans check plans.toml --at 2026-12-25T10:00`.
    Check {
        /// At another time, in each plan's own time zone, such as 2026-12-25T10:00
        #[arg(long, value_name = "TIME")]
        at: Option<DateTime>,

        #[command(flatten)]
        which: Which,
    },
    /// Draw the plans, step by step
    Show {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Clone, clap::Args)]
struct Which {
    /// The file of plans  [default: the plans that the settings give]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    given: GivenPlans,
}

/// The plans that the settings give.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GivenPlans {
    /// The URL by which Twilio reaches ingest
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", default_value = "")]
    public_url: Setting<Option<PublicUrl>>,

    #[command(flatten)]
    plan: PlanArgs,
}

impl Which {
    fn resolve(self, problems: &mut Problems) -> Option<Plans> {
        let GivenPlans { public_url, plan } = self.given;
        let plan = match self.file {
            Some(file) => plan.of_file(file),
            None => plan,
        };
        GivenPlans { public_url, plan }.resolve(problems)
    }
}

impl GivenPlans {
    fn resolve(self, problems: &mut Problems) -> Option<Plans> {
        let public_url = problems.take(self.public_url);
        let public_url = public_url.or_else(|| SOMEWHERE.parse().ok());
        self.plan.resolve(public_url.as_ref(), problems)
    }

    /// The plans, if any are given.
    pub(crate) fn resolve_if_any(self, problems: &mut Problems) -> Option<Plans> {
        match self.plan.are_given() {
            true => self.resolve(problems),
            false => None,
        }
    }
}

pub(crate) fn run(args: PlansArgs) -> ExitCode {
    let mut problems = Problems::default();
    let (which, at) = match args.action {
        ActionArgs::Check { at, which } => (which, Some(at)),
        ActionArgs::Show { which } => (which, None),
    };
    let plans = which.resolve(&mut problems);
    let warnings = problems.take_warnings();
    let plans = match problems.finish(plans) {
        Ok(plans) => plans,
        Err(wrong) => return wrong.refuse(),
    };
    let mut text = String::new();
    for plan in plans.iter() {
        match at {
            Some(at) => check(plan, at, &mut text),
            None => show(plan, &mut text),
        }
    }
    for warning in warnings {
        let _ = writeln!(text, "Odd: {warning}");
    }
    out::line(text.trim_end());
    ExitCode::SUCCESS
}

/// What the plan does at that time; now, if none is given.
fn check(plan: &Plan, at: Option<DateTime>, to: &mut String) {
    let ladder = match &plan.way {
        Way::Number(forward) => {
            let _ = writeln!(to, "{}: {} at any time.\n", plan.name, forwards(forward));
            return;
        }
        Way::Ladder(ladder) => ladder,
    };
    let calendar = ladder.calendar();
    let now = at.and_then(|at| calendar.moment(at));
    let now = now.unwrap_or_else(Timestamp::now);
    let local = calendar.at(now);
    let _ = writeln!(
        to,
        "{} on {}, {}:",
        plan.name,
        day(local.date()),
        local.strftime("%H:%M")
    );
    let mut turn = 0;
    for (number, step) in ladder.steps().iter().enumerate() {
        let place = match step.is_in_force(now) {
            true => {
                turn += 1;
                format!("{turn}.")
            }
            false => "-".to_owned(),
        };
        let when = match (&step.when, step.is_in_force(now)) {
            (None, _) => String::new(),
            (Some(hours), true) => format!("  ({})", hours.as_str()),
            (Some(hours), false) => format!("  (not now: {})", hours.as_str()),
        };
        let does = does(&step.action);
        let _ = writeln!(to, "  {place:<3} step {}: {does}{when}", number + 1);
    }
    let _ = writeln!(to, "  {:<3} {}", "", ending(ladder, now));
    let days = calendar.closed_days(local.date(), CLOSED_DAYS);
    let days: Vec<_> = days.into_iter().map(day).collect();
    if !days.is_empty() {
        let _ = writeln!(to, "  Next closed days: {}", days.join(", "));
    }
    to.push('\n');
}

/// Draws the ladder.
fn show(plan: &Plan, to: &mut String) {
    let _ = writeln!(to, "{}  ({})", plan.name, plan.task_queue_sid);
    if let Some(notify) = &plan.notify {
        let _ = writeln!(to, "│  {}", tells(notify));
    }
    let ladder = match &plan.way {
        Way::Number(forward) => {
            let _ = writeln!(to, "└── {}\n", forwards(forward));
            return;
        }
        Way::Ladder(ladder) => ladder,
    };
    for (number, step) in ladder.steps().iter().enumerate() {
        let when = step.when.as_ref().map_or("always", |hours| hours.as_str());
        let _ = writeln!(to, "├── {}. {}", number + 1, does(&step.action));
        let _ = writeln!(to, "│      {when}");
        if let Action::Ring(ring) = &step.action {
            for number in &ring.numbers {
                let _ = writeln!(to, "│      {}", number.as_str());
            }
        }
        let _ = writeln!(to, "│");
    }
    let _ = writeln!(to, "└── the call ends\n");
}

/// Who is told what became of callers.
fn tells(notify: &Notify) -> String {
    let ends = CallerEnd::ALL.into_iter().filter(|end| notify.wants(*end));
    let ends: Vec<_> = ends.map(CallerEnd::as_str).collect();
    let number = match notify.number {
        true => ", with their numbers",
        false => "",
    };
    let (host, ends) = (notify.target.host(), ends.join(" or "));
    format!("{host} is told of callers who were {ends}{number}")
}

fn ending(ladder: &Ladder, now: Timestamp) -> &'static str {
    match ladder.ends_in_our_words(now) {
        true => "then: \"Nobody can take your call at the moment.\", and the call ends",
        false => "then the call ends",
    }
}

fn forwards(forward: &Forward) -> String {
    let numbers = forward.dial.numbers.iter();
    let numbers: Vec<_> = numbers
        .map(|rung| rung.number.as_str().to_owned())
        .collect();
    format!("rings {}", numbers.join(", "))
}

fn day(date: Date) -> String {
    format!("{} {date}", date.strftime("%a"))
}
