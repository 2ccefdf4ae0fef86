//! The collector: hears what processes say of themselves and what became of callers, and puts
//! it together.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use jiff::Timestamp;
use parking_lot::Mutex;
use queue::{Queue, QueueError, Stats};
use service::Plans;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::dead::Letters;
use crate::heard::{Callers, Heard};
use crate::past::Past;
use crate::plans::plans_now;
use crate::well::{self, Known};
use crate::{Overview, Waiting, Whereabouts};

/// How much of the past is told.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Processes are asked for as long as somebody has looked within this time.
const LOOKED: Duration = Duration::from_secs(10);

/// They say something about once a second: by then those that can have.
const ANSWERED: Duration = Duration::from_secs(2);
/// And by then those that may be slow.
const ANSWERED_LATE: Duration = Duration::from_secs(4);

/// How long the first overview waits for the past to be read.
const READ: Duration = Duration::from_secs(10);
/// The past has been read once nothing has come for so long.
const PAUSE: Duration = Duration::from_millis(300);

/// How long an overview is good for: many may look.
const GOOD: Duration = Duration::from_millis(500);

/// How long the queue may take to tell how it stands.
const STATS: Duration = Duration::from_secs(10);

/// How soon what failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Watches the processes, for as long as somebody looks, and what becomes of callers. It fetches no
/// request, and asks nothing of Twilio.
pub struct Watcher {
    shared: Arc<Shared>,
    plans: Option<Plans>,
    began: Instant,
    /// What was put together last.
    last: tokio::sync::Mutex<Last>,
    looked: watch::Sender<Option<Instant>>,
    _tasks: JoinSet<()>,
}

struct Shared {
    queue: Arc<dyn Queue>,
    clock: Clock,
    heard: Mutex<Heard>,
    past: Mutex<Past>,
    read: watch::Sender<Read>,
}

/// Whether the past was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    NotYet,
    Whole,
    /// It can't be now.
    Failed,
}

#[derive(Default)]
struct Last {
    overview: Option<(Instant, Arc<Overview>)>,
    letters: Letters,
}

impl Watcher {
    /// A watcher of the processes at this queue. Plans are told of if they are known here.
    pub fn new(queue: Arc<dyn Queue>, plans: Option<Plans>, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            queue,
            clock,
            heard: Mutex::new(Heard::new()),
            past: Mutex::default(),
            read: watch::Sender::new(Read::NotYet),
        });
        let looked = watch::Sender::new(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).listen(looked.subscribe()));
        tasks.spawn(Arc::clone(&shared).follow());
        Self {
            shared,
            plans,
            began: Instant::now(),
            last: tokio::sync::Mutex::default(),
            looked,
            _tasks: tasks,
        }
    }

    /// How everything stands. After a time in which nobody has looked, this takes the seconds that
    /// processes need to answer.
    pub async fn overview(&self) -> Arc<Overview> {
        let before = self.looked.send_replace(Some(Instant::now()));
        if !is_recent(&before) {
            self.shared.heard.lock().ask_again();
        }
        let mut last = self.last.lock().await;
        if let Some((at, overview)) = &last.overview
            && at.elapsed() < GOOD
        {
            return Arc::clone(overview);
        }
        let stats = self.shared.answered().await;
        if stats.is_ok() {
            let mut read = self.shared.read.subscribe();
            let tried = read.wait_for(|read| *read != Read::NotYet);
            let _ = timeout_at(self.began + READ, tried).await;
        }
        let is_whole = *self.shared.read.borrow() == Read::Whole;
        let overview = self.put_together(stats, is_whole, &mut last.letters).await;
        let overview = Arc::new(overview);
        last.overview = Some((Instant::now(), Arc::clone(&overview)));
        overview
    }

    /// Has the next overview show the dead letters as they are then, after somebody has changed them.
    pub async fn look_again(&self) {
        *self.last.lock().await = Last::default();
    }

    async fn put_together(
        &self,
        stats: Result<Stats, String>,
        is_whole: bool,
        letters: &mut Letters,
    ) -> Overview {
        let shared = &self.shared;
        let now = shared.clock.now();
        let dead = match &stats {
            Ok(stats) => letters.look(&*shared.queue, stats.dead, now).await,
            Err(_) => letters.last(),
        };
        let queued = stats.as_ref().map_or(0, |stats| stats.ready);
        let (processes, redirectors, callers) = {
            let mut heard = shared.heard.lock();
            heard.forget();
            let is_settled = heard.asked_for() >= ANSWERED_LATE;
            let redirectors = is_settled.then(|| heard.redirectors());
            (heard.processes(), redirectors, heard.callers())
        };
        let past = shared.past.lock();
        let swept_at = callers.swept_at;
        let (known, callers) = merge(callers, queued, &past);
        let not_well = Known {
            now,
            stats: &stats,
            health: shared.queue.health(),
            processes: &processes,
            redirectors,
            waiting: &known,
            dead: &dead,
            nobody_answers: past.nobody_answers(now),
        }
        .not_well();
        let first = known.iter().filter_map(|waiting| waiting.since).min();
        let longest =
            first.map(|since| Duration::try_from(now.duration_since(since)).unwrap_or_default());
        Overview {
            at: now,
            sentence: well::sentence(callers, longest, &not_well),
            not_well,
            callers,
            queued,
            waiting: known,
            swept_at,
            recent: past.recent(),
            dead,
            plans: self
                .plans
                .as_ref()
                .map(|plans| plans_now(plans, now))
                .unwrap_or_default(),
            day: past.day(now, is_whole),
            processes,
        }
    }
}

/// Everybody who waits, the longest first, and how many they are.
fn merge(callers: Callers, queued: u64, past: &Past) -> (Vec<Waiting>, u64) {
    let mut waiting = callers.known;
    let on_hold = callers.at_nobody.into_iter();
    let on_hold =
        on_hold.filter(|caller| !past.is_redirected_since(&caller.call_sid, caller.since));
    let mut at_nobody = 0;
    for (caller, nth) in on_hold.zip(0..) {
        // What waits on the queue is not looked at, but these may well be it.
        let whereabouts = match nth < queued {
            true => Whereabouts::Queue,
            false => {
                at_nobody += 1;
                Whereabouts::Nobody
            }
        };
        waiting.push(Waiting {
            task_sid: Some(caller.task_sid),
            call_sid: caller.call_sid,
            plan: caller.plan,
            since: Some(caller.since),
            whereabouts,
        });
    }
    waiting.sort_by_key(|waiting| waiting.since);
    (waiting, callers.held + callers.spooled + queued + at_nobody)
}

impl Shared {
    /// How the queue stands, once the processes have had the time to answer.
    async fn answered(&self) -> Result<Stats, String> {
        loop {
            let stats = match timeout(STATS, self.queue.stats()).await {
                Ok(stats) => stats.map_err(|error| self.why(&error)),
                Err(_) => Err(format!("it does not answer within {STATS:?}")),
            };
            let (asked_for, redirectors) = {
                let heard = self.heard.lock();
                (heard.asked_for(), heard.redirectors())
            };
            let missing = match &stats {
                Ok(stats) => stats.consumers > redirectors,
                Err(_) => return stats,
            };
            let enough = if missing { ANSWERED_LATE } else { ANSWERED };
            match enough.checked_sub(asked_for) {
                None | Some(Duration::ZERO) => return stats,
                Some(rest) => sleep(rest.min(PAUSE)).await,
            }
        }
    }

    fn why(&self, error: &QueueError) -> String {
        match self.queue.health() {
            queue::Health::Up => error.to_string(),
            queue::Health::Down(why) | queue::Health::Broken(why) => why,
        }
    }

    /// Hears what processes say, while somebody looks.
    async fn listen(self: Arc<Self>, mut looked: watch::Receiver<Option<Instant>>) {
        // An error says that nobody can look any more.
        while looked.wait_for(is_recent).await.is_ok() {
            if let Err(error) = self.hear_while(&looked).await {
                tracing::debug!(%error, "processes can't be heard");
                sleep(AGAIN).await;
            }
        }
    }

    async fn hear_while(
        &self,
        looked: &watch::Receiver<Option<Instant>>,
    ) -> Result<(), QueueError> {
        let mut reports = self.queue.watch().await?;
        loop {
            let Some(until) = looked.borrow().map(|at| at + LOOKED) else {
                return Ok(());
            };
            tokio::select! {
                said = reports.next() => {
                    let (said, now) = (said?, self.clock.now());
                    self.heard.lock().hear(&said, now);
                }
                () = tokio::time::sleep_until(until) => {
                    if !is_recent(&looked.borrow()) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads what became of callers, the past first, then whatever follows.
    async fn follow(self: Arc<Self>) {
        loop {
            if let Err(error) = self.follow_once().await {
                tracing::debug!(%error, "what became of callers can't be read");
            }
            self.read.send_replace(Read::Failed);
            sleep(AGAIN).await;
        }
    }

    async fn follow_once(&self) -> Result<(), QueueError> {
        let mut history = self.queue.history(DAY).await?;
        let began = self.clock.now();
        *self.past.lock() = Past::default();
        let take = |told| self.past.lock().take(&told, self.clock.now());
        while let Ok(told) = timeout(PAUSE, history.next()).await {
            let told = told?;
            let is_new = at(&told).is_some_and(|at| at >= began);
            take(told);
            if is_new {
                break;
            }
        }
        self.read.send_replace(Read::Whole);
        loop {
            take(history.next().await?);
        }
    }
}

/// Whether somebody has looked lately.
fn is_recent(looked: &Option<Instant>) -> bool {
    looked.is_some_and(|at| at.elapsed() < LOOKED)
}

fn at(told: &queue::Content) -> Option<Timestamp> {
    match told {
        queue::Content::Redirected(redirected) => Some(redirected.last()?.redirected_at),
        queue::Content::Outcome(outcome) => Some(outcome.at),
        queue::Content::Redirect(_) | queue::Content::Notify(_) => None,
    }
}
