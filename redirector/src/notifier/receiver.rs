//! Whom one plan tells.

use std::sync::Arc;
use std::time::Duration;

use notify::{Failure, Webhook};
use queue::Outcome;
use service::plan::Notify;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use twilio::E164;

use super::End;
use super::body::body;
use super::metrics::{GIVEN_UP, REFUSED};
use crate::classify::ApiHealth;
use crate::deadline::{Deadline, Interrupted};
use crate::limiter::{Class, Limiter};
use crate::shared::Shared;

/// How many requests to one receiver are under way at a time.
const AT_ONCE: usize = 8;

/// How long one waits that goes to the end of the queue: a busy receiver's are not moved all the time.
const PUT_OFF: Duration = Duration::from_secs(3);

/// Whom one plan tells.
pub(super) struct Receiver {
    notify: Notify,
    webhook: Webhook,
    limiter: Arc<Limiter>,
    /// How many notifications this process holds for it: others keep their share while it is slow.
    share: Semaphore,
}

impl Receiver {
    /// # Errors
    /// The system's certificates can't be read.
    pub(super) fn new(notify: Notify, share: usize, shared: &Shared) -> Result<Self, Failure> {
        let settings = &shared.settings;
        let host = notify.target.host().to_owned();
        Ok(Self {
            webhook: Webhook::new(notify.target.clone(), settings.notify_timeout)?,
            limiter: Limiter::new(host, AT_ONCE, settings.retry, settings.notify_deadline),
            share: Semaphore::new(share),
            notify,
        })
    }

    pub(super) fn host(&self) -> &str {
        self.notify.target.host()
    }

    /// Tells it, again and again until the deadline.
    pub(super) async fn tell(&self, shared: &Shared, outcome: &Outcome, attempts: &mut u32) -> End {
        let Ok(_share) = self.share.try_acquire() else {
            return self.put_off(shared, outcome).await;
        };
        let within = |time: Duration| Deadline {
            at: Instant::now() + time,
            stop: shared.stop.clone(),
        };
        let all = shared.settings.notify_deadline;
        let deadline = within(all);
        let number = match self.notify.number {
            // Half the time is kept: it is better told without the number than not at all.
            true => match within(all / 2).wait(number(shared, outcome)).await {
                Err(Interrupted::Stop) => return End::Released,
                number => number.ok().flatten(),
            },
            false => None,
        };
        let body = body(outcome, number.as_ref());
        let mut delays = shared.settings.retry.delays();
        let mut problem = "the receiver could not be asked in time".to_owned();
        loop {
            let mut slot = match deadline.wait(self.limiter.enter(Class::Redirect)).await {
                Ok(slot) => slot,
                Err(interrupted) => return ended(interrupted, problem),
            };
            *attempts += 1;
            let (started, now) = (Instant::now(), shared.time.now());
            let told = self.webhook.post(&outcome.id, now, &body).await;
            let metrics = &shared.metrics.notifier;
            metrics.requested(&outcome.plan, started.elapsed());
            slot.note(health(&told));
            drop(slot);
            let mut wait = delays.next_delay();
            match told {
                Ok(()) => return End::Told,
                Err(Failure::Final(problem)) => return End::Dead(REFUSED, problem),
                Err(Failure::Passing {
                    problem: passing,
                    retry_after,
                    ..
                }) => {
                    problem = passing;
                    wait = wait.max(retry_after.unwrap_or_default());
                }
            }
            if let Err(interrupted) = deadline.wait(sleep(wait)).await {
                return ended(interrupted, problem);
            }
        }
    }

    /// Its share is held already: those of others go first.
    async fn put_off(&self, shared: &Shared, outcome: &Outcome) -> End {
        let is_late = shared.time.age(outcome.at) > shared.settings.notify_deadline;
        if is_late && !self.limiter.reading().open {
            let problem = "too many wait already, and the receiver takes none";
            return End::Dead(GIVEN_UP, problem.to_owned());
        }
        let pause = shared.stop.run_until_cancelled(sleep(PUT_OFF)).await;
        pause.map_or(End::Released, |()| End::PutOff)
    }
}

/// The caller's number, from Twilio, once nobody else wants to ask anything there.
async fn number(shared: &Shared, outcome: &Outcome) -> Option<E164> {
    let (account, call) = (&outcome.account_sid, &outcome.call_sid);
    let mut delays = shared.settings.retry.delays();
    loop {
        let mut slot = shared.lookup.calls_api.enter(Class::Close).await;
        let number = shared.client.caller_number(account, call).await;
        slot.note(ApiHealth::of_what_can_wait(number.as_ref()));
        drop(slot);
        match number {
            Ok(number) => return number,
            Err(_) => sleep(delays.next_delay()).await,
        }
    }
}

fn ended(interrupted: Interrupted, problem: String) -> End {
    match interrupted {
        Interrupted::Stop => End::Released,
        Interrupted::Deadline => End::Dead(GIVEN_UP, problem),
    }
}

/// What it tells of the receiver, for the other messages that it is to get.
fn health(told: &Result<(), Failure>) -> ApiHealth {
    match *told {
        Ok(()) | Err(Failure::Final(_)) => ApiHealth::Sound,
        Err(Failure::Passing {
            retry_after,
            too_many,
            ..
        }) if too_many || retry_after.is_some() => ApiHealth::Refusing {
            retry_after,
            too_many,
        },
        Err(Failure::Passing { .. }) => ApiHealth::Failing,
    }
}
