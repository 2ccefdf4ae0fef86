//! Plans, phones and callers as a seed draws them: mostly ladders, else one number.

use fastrand::Rng;
use service::Plans;
use simulator::{Conduct, Phone, Readings};
use twilio::{E164, TaskQueueSid};

use crate::processes::PUBLIC_URL;
use crate::weather::seconds;

/// The number of a plan without steps.
const NUMBER: &str = "+14155550100";
const NUMBERS: [&str; 4] = [
    "+14155550101",
    "+14155550102",
    "+14155550103",
    "+14155550104",
];

/// The key to press.
pub const KEY: char = '1';

/// Where callers go, and what becomes of it.
#[derive(Debug, Clone)]
pub struct Ladders {
    ours: Plan,
    /// What an ingest knows that was started with another file.
    other: Plan,
    pub(crate) phones: Vec<(E164, Phone)>,
    pub(crate) readings: Readings,
}

#[derive(Debug, Clone)]
struct Plan {
    name: &'static str,
    /// What stands in its file besides the name and the queue.
    says: String,
}

impl Ladders {
    /// One number, which always takes the caller.
    pub fn none() -> Self {
        let plan = Plan {
            name: "sales",
            says: format!("forward_to = \"{NUMBER}\"\n"),
        };
        Self {
            ours: plan.clone(),
            other: plan,
            phones: Vec::new(),
            readings: Readings::default(),
        }
    }

    /// Those of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x1add_e125);
        if rng.u32(..4) == 0 {
            return Self::none();
        }
        let ours = Plan {
            name: "sales",
            says: ladder(&mut rng),
        };
        let other = match rng.u32(..6) {
            0 => Plan {
                name: "sales",
                says: format!("forward_to = \"{}\"\n", one_of(&mut rng, &NUMBERS)),
            },
            name => Plan {
                name: ["support", "sales"][usize::from(name > 2)],
                says: ladder(&mut rng),
            },
        };
        let phone = |number: &str| (number.parse(), phone(&mut rng).parse());
        let phones = NUMBERS.map(phone).into_iter();
        let phones = phones.filter_map(|(number, phone)| Some((number.ok()?, phone.ok()?)));
        let phones = phones.collect();
        let readings: Vec<_> = Readings::all().collect();
        Self {
            ours,
            other,
            phones,
            readings: one_of(&mut rng, &readings),
        }
    }

    /// Whether callers come onto a ladder.
    pub fn are_there(&self) -> bool {
        self.ours.has_steps()
    }

    /// Whether callers may come to a mailbox: a number rings that need not press a key.
    pub fn may_reach_a_mailbox(&self) -> bool {
        [&self.ours, &self.other]
            .iter()
            .any(|plan| !plan.has_steps() || plan.says.contains("timeout = "))
    }

    /// What the redirectors and, as a rule, the ingests know, and what an ingest knows that was
    /// started with another file.
    pub fn plans(&self, placeholder: TaskQueueSid, rescue: bool) -> [Plans; 2] {
        [&self.ours, &self.other].map(|Plan { name, says }| {
            let text = format!(
                "[[plan]]\nname = \"{name}\"\ntask_queue_sid = \"{placeholder}\"\n\
                 rescue = {rescue}\n{says}"
            );
            let public_url = PUBLIC_URL.parse().expect("the world's own URL is good");
            Plans::read(&text, Some(&public_url)).expect("the world's own plans are good")
        })
    }
}

impl Plan {
    fn has_steps(&self) -> bool {
        self.says.contains("[[plan.step]]")
    }
}

fn one_of<T: Copy>(rng: &mut Rng, these: &[T]) -> T {
    these[rng.usize(..these.len())]
}

/// Worlds begin at eight o'clock.
fn ladder(rng: &mut Rng) -> String {
    let steps = (0..rng.usize(1..=5)).map(|_| {
        let count = rng.usize(1..=4);
        let numbers: Vec<_> = rng.choose_multiple(NUMBERS, count);
        let when = [
            "",
            "",
            "06:00-12:00",
            "12:00-13:00",
            "07:00-08:02",
            "08:03-12:00",
        ];
        let when = match one_of(rng, &when) {
            "" => String::new(),
            hours => format!("when = \"Mo-Su {hours}\"\n"),
        };
        let does = match rng.u8(..6) {
            0 | 1 => format!("dial = {numbers:?}\naccept = \"Press {KEY} to take a call.\""),
            2 | 3 => format!("dial = {numbers:?}\ntimeout = {}", rng.u8(5..40)),
            4 => "voicemail = \"Please leave a message.\"".to_owned(),
            _ => "say = \"Please hold.\"".to_owned(),
        };
        format!("[[plan.step]]\n{when}{does}\n")
    });
    let steps: String = steps.collect();
    format!("time_zone = \"UTC\"\n{steps}")
}

fn phone(rng: &mut Rng) -> String {
    let kinds = [
        "busy", "silent", "failed", "rejected", "mailbox", "answers", "answers", "answers",
    ];
    let kind = one_of(rng, &kinds);
    let phone = format!("{kind},rings={}", rng.u8(..30));
    match kind {
        "mailbox" => format!("{phone},stays={}", rng.u8(20..120)),
        "answers" => {
            let key = one_of(rng, &["", ",presses=1", ",presses=1", ",presses=2"]);
            let (thinks, stays) = (rng.u8(..12), rng.u8(1..120));
            format!("{phone}{key},thinks={thinks},stays={stays}")
        }
        _ => phone,
    }
}

/// What a caller does who comes onto a ladder.
pub fn conduct(rng: &mut Rng) -> Conduct {
    let mut perhaps = |likely: f64, longest: f64| {
        let lasts = seconds(rng, 0.0, longest);
        (rng.f64() < likely).then_some(lasts)
    };
    Conduct {
        patience: perhaps(0.3, 300.0),
        talks: perhaps(0.5, 200.0),
        message: perhaps(0.5, 60.0),
        hangs_up_after_message: perhaps(0.5, 1.0).is_some(),
    }
}
