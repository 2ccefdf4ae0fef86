//! A contact centre in which a little of everything happens, to be shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use overview::{
    Day, DeadLetter, DeadLetters, Hour, NotWell, Overview, PlanDay, PlanNow, Process, Recent,
    StepNow, Waiting, Whereabouts,
};
use page::{Page, PageSettings, Source};
use parking_lot::Mutex;
use queue::memory::Broker;
use queue::{CallerEnd, Cause, Filter, Lane, Options, OutcomeKind, Queue, Reason};
use secrecy::SecretString;
use service::http::{ConnectionMetrics, Timeouts};
use service::report::Stage;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[allow(dead_code, reason = "for the queue's own tests")]
#[path = "../../../queue/tests/conformance/requests.rs"]
pub mod requests;

/// What signs in.
pub const TOKEN: &str = "correct horse battery staple";

/// A plan's number.
pub const NUMBER: &str = "+14155550142";

/// Shows [`overview`], and the dead letters as they were in its queue when it last looked.
struct Sample {
    queue: Arc<dyn Queue>,
    overview: fn(Timestamp) -> Overview,
    looks: Arc<AtomicBool>,
    looked: Mutex<DeadLetters>,
}

impl Sample {
    async fn look(&self) -> DeadLetters {
        let seen_at = Timestamp::now();
        let letters = self
            .queue
            .list(&Filter::default())
            .await
            .unwrap_or_default();
        let mut by_reason: Vec<(String, usize)> = Vec::new();
        for letter in &letters {
            let reason = letter.cause.reason.to_string();
            match by_reason.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += 1,
                None => by_reason.push((reason, 1)),
            }
        }
        let shown = letters.iter().map(|letter| DeadLetter {
            id: letter.id.to_string(),
            reason: letter.cause.reason.to_string(),
            why: why(&letter.cause.reason).to_owned(),
            attempts: letter.cause.attempts,
            last_error: letter.cause.last_error.clone(),
            died_at: letter.died_at,
            call_sid: letter.request().map(|request| request.call_sid),
        });
        DeadLetters {
            count: letters.len() as u64,
            seen_at: Some(seen_at),
            shown: shown.collect(),
            by_reason,
            ..DeadLetters::default()
        }
    }
}

#[async_trait]
impl Source for Sample {
    async fn overview(&self) -> Arc<Overview> {
        if self.looks.load(Ordering::Relaxed) {
            let looked = self.look().await;
            *self.looked.lock() = looked;
        }
        Arc::new(Overview {
            dead: self.looked.lock().clone(),
            ..(self.overview)(Timestamp::now())
        })
    }

    async fn dead_letters_changed(&self) {}
}

fn why(reason: &Reason) -> &'static str {
    match reason {
        Reason::Expired => "it could not be done before its deadline",
        Reason::Refused => "Twilio refused the redirect for good",
        Reason::NotNotified => "whoever is told of callers did not take it",
        _ => "something else put it there",
    }
}

/// A page on a listener of its own, with three dead letters.
pub async fn serve(settings: PageSettings, overview: fn(Timestamp) -> Overview) -> Served {
    let queue: Arc<dyn Queue> = Arc::new(Broker::default().open("page", Options::default()));
    for (number, reason, last_error) in [
        (
            1,
            Reason::Refused,
            Some("400 <b>21220</b>: Call is not in-progress. Cannot redirect."),
        ),
        (2, Reason::Refused, None),
        (3, Reason::Expired, Some("503: upstream connect error")),
    ] {
        die(&*queue, number, reason, last_error).await;
    }
    let listener = TcpListener::bind(settings.listen).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let looks = Arc::new(AtomicBool::new(true));
    let source = Arc::new(Sample {
        queue: Arc::clone(&queue),
        overview,
        looks: Arc::clone(&looks),
        looked: Mutex::default(),
    });
    let timeouts = Timeouts {
        header: Duration::from_secs(10),
        body: Duration::from_secs(10),
        idle: Duration::from_secs(75),
    };
    let metrics = ConnectionMetrics::default().of("page");
    let page = Page::new(&settings, source, Arc::clone(&queue));
    tokio::spawn(page.serve(listener, timeouts, metrics, CancellationToken::new()));
    Served { port, queue, looks }
}

/// The request of that number becomes a dead letter.
pub async fn die(queue: &dyn Queue, number: u32, reason: Reason, last_error: Option<&str>) {
    queue.publish(&requests::message(number)).await.unwrap();
    let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
    let cause = Cause {
        reason,
        attempts: number,
        last_error: last_error.map(str::to_owned),
    };
    let delivery = consumer.next().await.unwrap();
    delivery.dead_letter(&cause).await.unwrap();
}

/// A page that is up.
#[allow(dead_code, reason = "not everybody looks at both")]
pub struct Served {
    pub port: u16,
    pub queue: Arc<dyn Queue>,
    /// Whether its page looks at the dead letters each time that it is made.
    pub looks: Arc<AtomicBool>,
}

pub fn settings(listen: &str) -> PageSettings {
    PageSettings {
        listen: listen.parse().unwrap(),
        urls: Vec::new(),
        token: Some(SecretString::from(TOKEN)),
    }
}

fn sid<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str, number: u32) -> T {
    format!(
        "{prefix}{:032x}",
        u128::from(number) * 0x9e37_79b9_7f4a_7c15_f39c_c060
    )
    .parse()
    .unwrap()
}

/// A busy day on which something isn't well.
pub fn overview(at: Timestamp) -> Overview {
    let ago = |seconds: u64| at - Duration::from_secs(seconds);
    let redirector = || "redirector 412 on ops-1".to_owned();
    let waiting = |number, since, plan: &str, whereabouts| Waiting {
        task_sid: Some(sid("WT", number)),
        call_sid: sid("CA", number),
        plan: Some(plan.to_owned()),
        since: Some(ago(since)),
        whereabouts,
    };
    let recent = |number: u32, seconds, millis, outcome, end| Recent {
        call_sid: sid("CA", 100 + number),
        task_sid: sid("WT", 100 + number),
        plan: "Sales <b>abroad</b>".to_owned(),
        at: ago(seconds),
        took: Duration::from_millis(millis),
        outcome,
        end,
    };
    let process = |name: &str, seconds| Process {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        heard_at: ago(seconds),
        is_silent: seconds > 5,
        is_stopping: false,
        troubles: Vec::new(),
        held: None,
        spooled: None,
        apis: Vec::new(),
    };
    let step = |what: &str, in_force| StepNow {
        masked: what.replace(NUMBER, "+…42"),
        whole: what.to_owned(),
        in_force,
    };
    let hour = |back: u64| {
        let busy = [
            2, 0, 0, 0, 1, 0, 0, 3, 9, 14, 22, 31, 18, 12, 25, 28, 19, 11, 6, 4, 3, 2, 0, 5,
        ];
        let redirected = busy[(23 - back) as usize];
        let unknown = if back == 0 { 2 } else { redirected / 10 };
        let missed = redirected / 5;
        Hour {
            from: ago(back * 3600 + at.as_second().unsigned_abs() % 3600),
            redirected,
            taken: redirected - unknown - missed,
            missed,
        }
    };
    Overview {
        at,
        sentence:
            "7 callers waiting, the longest 72 s; 1 caller on hold at Twilio whom none of us \
                   has: the sweep takes them up within a minute. 1 other thing to see to."
                .to_owned(),
        callers: Some(7),
        queued: Some(3),
        not_well: vec![
            NotWell {
                what: "1 caller on hold at Twilio whom none of us has".to_owned(),
                to_do: "the sweep takes them up within a minute".to_owned(),
            },
            NotWell {
                what: "ingest 77 on ops-2 has said nothing for 21 s".to_owned(),
                to_do: "see whether it hangs or has died, and restart it".to_owned(),
            },
        ],
        waiting: vec![
            waiting(1, 72, "Support", Whereabouts::Nobody),
            waiting(
                2,
                41,
                "Sales <b>abroad</b>",
                Whereabouts::Retried {
                    process: redirector(),
                    attempts: 3,
                    last_error: Some("401: <script>alert(1)</script>".to_owned()),
                    next_at: Some(at + Duration::from_secs(4)),
                },
            ),
            waiting(
                3,
                12,
                "Support",
                Whereabouts::AtRedirector {
                    process: redirector(),
                    stage: Stage::InLine,
                },
            ),
            waiting(4, 9, "Support", Whereabouts::Queue),
            Waiting {
                task_sid: None,
                plan: None,
                since: None,
                ..waiting(
                    5,
                    2,
                    "",
                    Whereabouts::Spool {
                        process: "ingest 77 on ops-2".to_owned(),
                    },
                )
            },
        ],
        swept_at: Some(ago(8)),
        recent: vec![
            recent(1, 4, 3, None, None),
            recent(
                2,
                75,
                412,
                Some(OutcomeKind::Answered),
                Some(CallerEnd::Taken),
            ),
            recent(
                3,
                260,
                8_400,
                Some(OutcomeKind::NoAnswer),
                Some(CallerEnd::Missed),
            ),
            recent(
                4,
                4000,
                125_000,
                Some(OutcomeKind::Voicemail),
                Some(CallerEnd::Recorded),
            ),
        ],
        dead: DeadLetters::default(),
        plans: vec![
            PlanNow {
                name: "Sales <b>abroad</b>".to_owned(),
                steps: vec![step(&format!("rings {NUMBER}"), true)],
                changes_at: None,
            },
            PlanNow {
                name: "Support".to_owned(),
                steps: vec![
                    step(&format!("rings {NUMBER}, who must press 1"), true),
                    step("rings 3 numbers together", false),
                    step(
                        "voicemail of at most 120 s: \"Please leave a message.\"",
                        true,
                    ),
                ],
                changes_at: Some(at + Duration::from_secs(2 * 3600 + 605)),
            },
        ],
        day: Day {
            is_whole: true,
            plans: vec![
                PlanDay {
                    name: "Sales <b>abroad</b>".to_owned(),
                    redirected: 130,
                    taken: 101,
                    recorded: 0,
                    missed: 20,
                    p50: Some(Duration::from_micros(3_400)),
                    p95: Some(Duration::from_millis(640)),
                },
                PlanDay {
                    name: "Support".to_owned(),
                    redirected: 85,
                    taken: 40,
                    recorded: 22,
                    missed: 14,
                    p50: Some(Duration::from_millis(11)),
                    p95: None,
                },
            ],
            hours: (0..24).rev().map(hour).collect(),
        },
        processes: vec![process(&redirector(), 1), process("ingest 77 on ops-2", 21)],
    }
}

/// Nothing has happened yet.
#[allow(dead_code, reason = "not everybody looks at both")]
pub fn quiet(at: Timestamp) -> Overview {
    Overview {
        sentence: "Nobody is waiting; all parts well.".to_owned(),
        not_well: Vec::new(),
        callers: Some(0),
        queued: Some(0),
        waiting: Vec::new(),
        swept_at: None,
        recent: Vec::new(),
        day: Day {
            is_whole: true,
            ..Day::default()
        },
        plans: Vec::new(),
        ..overview(at)
    }
}
