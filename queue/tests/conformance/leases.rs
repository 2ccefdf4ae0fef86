//! What only one may do at a time.

use std::sync::Arc;

use queue::{Lease, Queue};

use super::{Harness, PATIENCE, answered, options};

/// Takes the lease once it is free: a holder's end may be noticed a little late.
async fn take(queue: &Arc<dyn Queue>, name: &str) -> Box<dyn Lease> {
    tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(lease) = answered(async || queue.try_lease(name).await).await {
                return lease;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the lease becomes free")
}

pub async fn a_lease_has_one_holder_within_a_process(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let lease = queue.try_lease("sweep").await.unwrap().unwrap();
    assert!(!lease.is_lost());
    assert!(queue.try_lease("sweep").await.unwrap().is_none());
    assert!(queue.try_lease("sweep").await.unwrap().is_none());
    drop(lease);
    let lease = take(&queue, "sweep").await;
    assert!(!lease.is_lost());
}

pub async fn a_lease_has_one_holder_among_processes(harness: impl Harness) {
    let here = harness.open(options()).await;
    let elsewhere = harness.open(options()).await;
    let lease = here.try_lease("sweep").await.unwrap().unwrap();
    assert!(elsewhere.try_lease("sweep").await.unwrap().is_none());
    drop(lease);
    let lease = take(&elsewhere, "sweep").await;
    assert!(here.try_lease("sweep").await.unwrap().is_none());
    assert!(!lease.is_lost());
}

pub async fn leases_of_other_names_are_others(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let names = [
        "sweep",
        "call/CA1",
        "call/CA2",
        "",
        "with 'quotes' and \u{fc}",
    ];
    let mut leases = Vec::new();
    for name in names {
        leases.push(queue.try_lease(name).await.unwrap().unwrap());
    }
    assert!(leases.iter().all(|lease| !lease.is_lost()));
}

pub async fn a_holder_that_leaves_gives_its_leases_back(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let leaving = harness.open(options()).await;
    let held = leaving.try_lease("sweep").await.unwrap().unwrap();
    leaving.close().await;
    assert!(held.is_lost());
    let taken = take(&queue, "sweep").await;
    // Dropped late, it doesn't take away what somebody else has now.
    drop(held);
    assert!(queue.try_lease("sweep").await.unwrap().is_none());
    assert!(!taken.is_lost());
}

pub async fn a_lease_can_be_dropped_outside_the_runtime(harness: impl Harness) {
    let queue = harness.open(options()).await;
    let lease = queue.try_lease("sweep").await.unwrap().unwrap();
    std::thread::spawn(move || drop(lease)).join().unwrap();
    take(&queue, "sweep").await;
}

pub async fn an_attempt_at_a_lease_that_is_given_up_does_not_keep_it(harness: impl Harness) {
    let queue = harness.open(options()).await;
    for polls in 0..20 {
        let asking = queue.clone();
        let mut attempt = Box::pin(async move { asking.try_lease("sweep").await.map(drop) });
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

pub async fn of_many_who_try_at_once_one_gets_the_lease(harness: impl Harness) {
    let here = harness.open(options()).await;
    let elsewhere = harness.open(options()).await;
    for round in 0..10 {
        let name = format!("sweep{round}");
        let attempts = (0..10).map(|number| {
            let queue = if number % 2 == 0 { &here } else { &elsewhere };
            queue.try_lease(&name)
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
