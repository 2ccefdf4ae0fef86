//! The log of intents: one order for all, and nothing missing without a gap.

use std::sync::{Arc, Mutex};

use futures::future::join_all;
use queue::{Intent, IntentLog, IntentReader, Logged, Queue};
use tokio::sync::Notify;

use super::{Harness, PATIENCE, options};

/// Remembers all that it is told.
#[derive(Default)]
pub struct Recorder {
    told: Mutex<Vec<Logged>>,
    news: Notify,
}

impl IntentReader for Recorder {
    fn read(&self, logged: Logged) {
        self.told.lock().unwrap().push(logged);
        self.news.notify_waiters();
    }
}

impl Recorder {
    pub fn told(&self) -> Vec<Logged> {
        self.told.lock().unwrap().clone()
    }

    /// Whether it was told of the intent lately.
    pub fn knows(&self, number: u128) -> bool {
        let wanted = Logged::Intent(intent(number));
        let told = self.told.lock().unwrap();
        told.iter().rev().any(|logged| *logged == wanted)
    }

    /// The numbers of the intents; there must have been no gap.
    pub fn numbers(&self) -> Vec<u128> {
        numbers(&self.told())
    }

    /// Waits until it was told this.
    pub async fn hears(&self, wanted: Logged) {
        let heard = tokio::time::timeout(PATIENCE, async {
            loop {
                let news = self.news.notified();
                if self.told.lock().unwrap().contains(&wanted) {
                    return;
                }
                news.await;
            }
        });
        assert!(heard.await.is_ok(), "never told {wanted:?}");
    }
}

fn numbers(told: &[Logged]) -> Vec<u128> {
    let number = |logged: &Logged| match logged {
        Logged::Intent(intent) => intent.id,
        Logged::Gap => panic!("a gap"),
    };
    told.iter().map(number).collect()
}

/// All for the same call by the same redirector: only the number tells them apart.
pub fn intent(number: u128) -> Intent {
    Intent {
        id: number,
        incarnation: 0xfeed_0000_0000_beef,
        call_sid: "CA0123456789abcdef0123456789ABCDEF".parse().unwrap(),
    }
}

/// The log of `queue`, and its reader.
pub fn log(queue: &Arc<dyn Queue>) -> (Arc<dyn IntentLog>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    (queue.intents(recorder.clone()), recorder)
}

/// Appends until it works: it may take a while to recover.
pub async fn append_at_last(log: &Arc<dyn IntentLog>, numbers: impl Iterator<Item = u128>) -> u128 {
    let appended = tokio::time::timeout(PATIENCE * 3, async {
        for number in numbers {
            if log.append(intent(number)).await.is_ok() {
                return number;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        unreachable!("numbers don't end");
    });
    appended.await.expect("an append works at last")
}

pub async fn an_append_returns_once_the_reader_was_told_of_it(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let (log, recorder) = log(&queue);
    for number in 0..20 {
        log.append(intent(number)).await.unwrap();
        assert_eq!(
            recorder.told().last(),
            Some(&Logged::Intent(intent(number)))
        );
    }
    assert_eq!(recorder.numbers(), (0..20).collect::<Vec<_>>());
}

pub async fn every_reader_is_told_the_same_in_the_same_order(harness: impl Harness) {
    let (here, elsewhere) = (harness.open(options()).await, harness.open(options()).await);
    let readers = [log(&here), log(&here), log(&elsewhere)];
    let writers = (0..3_u128).flat_map(|reader| (0..10).map(move |writer| (reader, writer)));
    join_all(writers.map(|(reader, writer)| {
        let log = readers[usize::try_from(reader).unwrap()].0.clone();
        tokio::spawn(async move {
            for number in 0..30 {
                let number = reader * 10_000 + writer * 100 + number;
                log.append(intent(number)).await.unwrap();
            }
        })
    }))
    .await
    .into_iter()
    .for_each(Result::unwrap);

    readers[0].0.append(intent(99_999)).await.unwrap();
    let whole = readers[0].1.numbers();
    assert_eq!(whole.len(), 3 * 10 * 30 + 1);
    for (_, recorder) in &readers[1..] {
        recorder.hears(Logged::Intent(intent(99_999))).await;
        assert!(recorder.numbers() == whole, "another order");
    }
}

pub async fn appends_at_once_are_each_found_by_their_own_id(harness: impl Harness) {
    let (here, elsewhere) = (harness.open(options()).await, harness.open(options()).await);
    let readers = [log(&here), log(&elsewhere)];
    let appends = (0..400_u128).map(|number| {
        let (log, recorder) = &readers[usize::try_from(number % 2).unwrap()];
        async move {
            log.append(intent(number)).await.unwrap();
            assert!(recorder.knows(number));
        }
    });
    join_all(appends).await;

    readers[0].0.append(intent(400)).await.unwrap();
    let mut numbers = readers[0].1.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..=400).collect::<Vec<_>>());
}

pub async fn what_others_append_is_read_without_an_append_of_ones_own(harness: impl Harness) {
    let (here, elsewhere) = (harness.open(options()).await, harness.open(options()).await);
    let (_idle, recorder) = log(&here);
    let (log, _) = log(&elsewhere);
    log.append(intent(1)).await.unwrap();
    recorder.hears(Logged::Intent(intent(1))).await;
}

pub async fn a_new_reader_is_told_the_past_before_anything_that_follows(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let (first, _) = log(&queue);
    join_all((0..500).map(|number| {
        let first = first.clone();
        async move { first.append(intent(number)).await.unwrap() }
    }))
    .await;

    // At once, before it can have read anything.
    let (second, recorder) = log(&queue);
    second.append(intent(1000)).await.unwrap();
    let mut numbers = recorder.numbers();
    assert_eq!(numbers.pop(), Some(1000));
    numbers.sort_unstable();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
}

pub async fn what_was_appended_outlives_its_writer(harness: impl Harness) {
    let writer = harness.open(options()).await;
    let (closed, _) = log(&writer);
    closed.append(intent(1)).await.unwrap();
    writer.close().await;
    let writer = harness.open(options()).await;
    let (dropped, _) = log(&writer);
    dropped.append(intent(2)).await.unwrap();
    drop((dropped, writer));

    let queue = harness.open(options()).await;
    let (log, recorder) = log(&queue);
    recorder.hears(Logged::Intent(intent(2))).await;
    log.append(intent(3)).await.unwrap();
    assert_eq!(recorder.numbers(), [1, 2, 3]);
}

pub async fn a_log_made_anew_under_its_readers_is_a_gap(harness: impl Harness) {
    let (here, elsewhere) = (harness.open(short()).await, harness.open(short()).await);
    let (log_here, recorder_here) = log(&here);
    let (log_elsewhere, recorder_elsewhere) = log(&elsewhere);
    for number in 0..50 {
        log_here.append(intent(number)).await.unwrap();
    }
    recorder_elsewhere.hears(Logged::Intent(intent(49))).await;

    harness.lose_intents().await;
    let since = append_at_last(&log_here, 100..).await;
    append_at_last(&log_elsewhere, 500..).await;
    for recorder in [recorder_here, recorder_elsewhere] {
        recorder.hears(Logged::Intent(intent(since))).await;
        let told = recorder.told();
        let gap = told.iter().rposition(|logged| *logged == Logged::Gap);
        let gap = gap.expect("a gap is told");
        assert_eq!(numbers(&told[..50]), (0..50).collect::<Vec<_>>());
        assert!(numbers(&told[gap + 1..]).contains(&since), "{told:?}");
    }
}

/// A log that sends nothing is read again after this time.
fn short() -> queue::Options {
    queue::Options {
        publish_timeout: std::time::Duration::from_secs(10),
        ..options()
    }
}

pub async fn an_entry_that_cannot_be_read_is_a_gap(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let (log, recorder) = log(&queue);
    log.append(intent(1)).await.unwrap();
    harness.spoil_intents().await;
    log.append(intent(2)).await.unwrap();
    let one = Logged::Intent(intent(1));
    let two = Logged::Intent(intent(2));
    assert_eq!(recorder.told(), [one, Logged::Gap, two]);
}

pub async fn appends_that_are_given_up_leave_the_log_usable(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let (log, recorder) = log(&queue);
    for number in 0..100 {
        let mut append = Box::pin(log.append(intent(number)));
        for _ in 0..number % 4 {
            if futures::poll!(&mut append).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    log.append(intent(1000)).await.unwrap();
    let mut numbers = recorder.numbers();
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "told twice");
}

pub async fn a_closed_queue_takes_no_intents_and_does_not_hang(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let (open, _) = log(&queue);
    open.append(intent(1)).await.unwrap();
    queue.close().await;
    let (late, _) = log(&queue);
    for log in [open, late] {
        let append = tokio::time::timeout(PATIENCE, log.append(intent(2)));
        assert!(append.await.expect("it does not hang").is_err());
    }
}
