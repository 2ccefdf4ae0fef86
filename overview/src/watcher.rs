//! The collector: hears what processes say of themselves and what became of callers, and puts
//! it together.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use parking_lot::Mutex;
use queue::{Health, Queue, QueueError, Stats};
use service::Plans;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::Overview;
use crate::dead::Letters;
use crate::heard::Heard;
use crate::plans::plans_now;
use crate::reading::Reading;
use crate::well::{self, Known};

/// Processes are asked for as long as somebody has looked within this time.
const LOOKED: Duration = Duration::from_secs(10);

/// They say something about once a second: by then those that can have.
const ANSWERED: Duration = Duration::from_secs(2);
/// And by then those that may be slow.
const ANSWERED_LATE: Duration = Duration::from_secs(4);

/// How long the first overview waits for the past to be read.
const READ: Duration = Duration::from_secs(10);

/// How often it is looked whether processes have answered.
const LOOK: Duration = Duration::from_millis(300);

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
    reading: Arc<Reading>,
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
}

#[derive(Default)]
struct Last {
    overview: Option<(Instant, Arc<Overview>)>,
    letters: Letters,
}

impl Watcher {
    /// A watcher of the processes at this queue. Plans are told of if they are known here.
    pub fn new(queue: Arc<dyn Queue>, plans: Option<Plans>, clock: Clock) -> Self {
        let reading = Arc::new(Reading::new(Arc::clone(&queue), clock.clone()));
        let shared = Arc::new(Shared {
            queue,
            clock,
            heard: Mutex::new(Heard::new()),
        });
        let looked = watch::Sender::new(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).listen(looked.subscribe()));
        tasks.spawn(Arc::clone(&reading).follow());
        Self {
            shared,
            reading,
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
        match &stats {
            Ok(_) => self.reading.tried_by(self.began + READ).await,
            // It is by the queue that processes are heard: whether they are silent isn't known.
            Err(_) => self.shared.heard.lock().ask_again(),
        }
        let overview = self.put_together(stats, &mut last.letters).await;
        let overview = Arc::new(overview);
        last.overview = Some((Instant::now(), Arc::clone(&overview)));
        overview
    }

    /// Has the next overview show the dead letters as they are then, after somebody has changed them.
    pub async fn look_again(&self) {
        *self.last.lock().await = Last::default();
    }

    async fn put_together(&self, stats: Result<Stats, String>, letters: &mut Letters) -> Overview {
        let shared = &self.shared;
        let now = shared.clock.now();
        let dead = match &stats {
            Ok(stats) => letters.look(&*shared.queue, stats.dead, now).await,
            Err(_) => letters.last(),
        };
        let queued = stats.as_ref().ok().map(|stats| stats.ready);
        let (processes, redirectors, is_settled, callers) = {
            let mut heard = shared.heard.lock();
            heard.forget();
            let is_settled = heard.asked_for() >= ANSWERED_LATE;
            let redirectors = heard.redirectors();
            (heard.processes(), redirectors, is_settled, heard.callers())
        };
        let past = self.reading.past();
        let swept = callers.swept.as_ref();
        let swept_at = swept.and_then(|swept| swept.at);
        let overdue = swept.filter(|swept| swept.is_overdue(now));
        let overdue = overdue.map(|swept| (swept.process.clone(), swept.at));
        let (waiting, count) = callers.all(now, queued.unwrap_or_default(), &past, &dead);
        let not_well = Known {
            now,
            stats: &stats,
            processes: &processes,
            redirectors,
            is_settled,
            waiting: &waiting,
            overdue,
            dead: &dead,
            nobody_answers: past.nobody_answers(now),
        }
        .not_well();
        let first = waiting.iter().filter_map(|waiting| waiting.since).min();
        let longest =
            first.map(|since| Duration::try_from(now.duration_since(since)).unwrap_or_default());
        let callers = queued.map(|_| count);
        Overview {
            at: now,
            sentence: well::sentence(callers, longest, &not_well),
            not_well,
            callers,
            queued,
            waiting,
            swept_at,
            recent: past.recent(),
            dead,
            plans: self
                .plans
                .as_ref()
                .map(|plans| plans_now(plans, now))
                .unwrap_or_default(),
            day: past.day(now, self.reading.is_whole()),
            processes,
        }
    }
}

impl Shared {
    /// How the queue stands, once the processes have had the time to answer; or why it can't be used.
    async fn answered(&self) -> Result<Stats, String> {
        let stats = loop {
            let stats = match timeout(STATS, self.queue.stats()).await {
                Ok(Ok(stats)) => stats,
                Ok(Err(error)) => return Err(self.trouble().unwrap_or_else(|| error.to_string())),
                Err(_) => return Err(format!("it does not answer within {STATS:?}")),
            };
            let (asked_for, all_answer) = {
                let heard = self.heard.lock();
                let all_answer = heard.has_ingest() && heard.redirectors() >= stats.consumers;
                (heard.asked_for(), all_answer)
            };
            let enough = if all_answer { ANSWERED } else { ANSWERED_LATE };
            match enough.checked_sub(asked_for) {
                None | Some(Duration::ZERO) => break stats,
                Some(rest) => sleep(rest.min(LOOK)).await,
            }
        };
        self.trouble().map_or(Ok(stats), Err)
    }

    /// Why the queue can't be used, as far as that is seen from here.
    fn trouble(&self) -> Option<String> {
        match self.queue.health() {
            Health::Up => None,
            Health::Down(why) | Health::Broken(why) => Some(why),
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
                () = sleep_until(until) => {
                    if !is_recent(&looked.borrow()) {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Whether somebody has looked lately.
fn is_recent(looked: &Option<Instant>) -> bool {
    looked.is_some_and(|at| at.elapsed() < LOOKED)
}
