//! What only one process may do at a time.

use std::sync::Arc;

use queue::{Lock, Queue};

use super::{Harness, PATIENCE, answered, options};

/// Takes the lock once it is free: a release may be noticed a little late.
async fn take(queue: &Arc<dyn Queue>, name: &str) -> Box<dyn Lock> {
    tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(lock) = answered(async || queue.try_lock(name).await).await {
                return lock;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the lock becomes free")
}

pub async fn a_lock_has_one_holder_within_a_process(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let lock = queue.try_lock("sweep").await.unwrap().unwrap();
    assert!(!lock.is_lost());
    assert!(queue.try_lock("sweep").await.unwrap().is_none());
    assert!(queue.try_lock("sweep").await.unwrap().is_none());
    drop(lock);
    let lock = take(&queue, "sweep").await;
    assert!(!lock.is_lost());
}

pub async fn a_lock_has_one_holder_among_processes(harness: impl Harness) {
    let here = harness.open(options()).await;
    let elsewhere = harness.open(options()).await;
    let lock = here.try_lock("sweep").await.unwrap().unwrap();
    assert!(elsewhere.try_lock("sweep").await.unwrap().is_none());
    drop(lock);
    let lock = take(&elsewhere, "sweep").await;
    assert!(here.try_lock("sweep").await.unwrap().is_none());
    assert!(!lock.is_lost());
}

pub async fn locks_of_other_names_are_others(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let names = [
        "sweep",
        "call/CA1",
        "call/CA2",
        "",
        "with 'quotes' and \u{fc}",
    ];
    let mut locks = Vec::new();
    for name in names {
        locks.push(queue.try_lock(name).await.unwrap().unwrap());
    }
    assert!(locks.iter().all(|lock| !lock.is_lost()));
}

pub async fn a_holder_that_leaves_gives_its_locks_back(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let leaving = harness.open(options()).await;
    let held = leaving.try_lock("sweep").await.unwrap().unwrap();
    leaving.close().await;
    assert!(held.is_lost());
    let taken = take(&queue, "sweep").await;
    // A late drop doesn't release what somebody else has now.
    drop(held);
    assert!(queue.try_lock("sweep").await.unwrap().is_none());
    assert!(!taken.is_lost());
}

pub async fn a_lock_can_be_dropped_outside_the_runtime(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let lock = queue.try_lock("sweep").await.unwrap().unwrap();
    std::thread::spawn(move || drop(lock)).join().unwrap();
    take(&queue, "sweep").await;
}

pub async fn an_attempt_at_a_lock_that_is_given_up_does_not_keep_it(harness: impl Harness) {
    let queue = harness.open(options()).await;
    for polls in 0..20 {
        let asking = queue.clone();
        let mut attempt = Box::pin(async move { asking.try_lock("sweep").await.map(drop) });
        for _ in 0..polls % 5 {
            if futures::poll!(&mut attempt).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(attempt);
        drop(take(&queue, "sweep").await);
    }
}

pub async fn of_many_who_try_at_once_one_gets_the_lock(harness: impl Harness) {
    let here = harness.open(options()).await;
    let elsewhere = harness.open(options()).await;
    for round in 0..10 {
        let name = format!("sweep{round}");
        let attempts = (0..10).map(|number| {
            let queue = if number % 2 == 0 { &here } else { &elsewhere };
            queue.try_lock(&name)
        });
        let taken: Vec<_> = futures::future::join_all(attempts)
            .await
            .into_iter()
            .filter_map(Result::unwrap)
            .collect();
        assert_eq!(taken.len(), 1);
        drop(taken);
        take(&here, &name).await;
    }
}
