//! What the weather does to processes, and to the broker as a whole.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures::future::join_all;
use jiff::SignedDuration;
use queue::memory::Broker;
use queue::{DeadLetters, Filter, Options};
use tokio::time::{Instant, timeout};

use crate::kind::Kind;
use crate::life::Doom;
use crate::processes::{Process, Role};
use crate::story::Teller;
use crate::weather::{Sky, seconds};

/// Within this a doomed process has asked something of others, or goes on living.
const DOOMED_FOR: Duration = Duration::from_secs(20);

/// What strikes strike.
pub struct Struck {
    pub(crate) processes: Vec<Arc<Process>>,
    pub(crate) broker: Broker,
    pub(crate) teller: Teller,
}

impl Struck {
    /// Lets everything strike that is in the sky, until it has.
    pub async fn suffer(&self, sky: &Sky, seed: u64) {
        let began = Instant::now();
        let kinds = Kind::ALL.iter().filter(|kind| sky.has(**kind));
        join_all(kinds.map(|kind| {
            let mut rng = kind.rng(seed.rotate_left(32));
            let count = match kind {
                Kind::BrokerConnections => 12,
                // An odd number: of two ingests, one has another file at the end.
                Kind::OtherPlans => 3,
                _ => 4,
            };
            let strikes = sky.strikes(*kind, count);
            async move {
                for at in strikes {
                    tokio::time::sleep_until(began + at).await;
                    self.strike(*kind, &mut rng).await;
                }
            }
        }))
        .await;
    }

    async fn strike(&self, kind: Kind, rng: &mut Rng) {
        let mut one = |role: Option<Role>| {
            let all = self.processes.iter();
            let of_role: Vec<_> = all
                .filter(|process| role.is_none_or(|role| process.role() == role))
                .collect();
            Arc::clone(of_role[rng.usize(..of_role.len())])
        };
        match kind {
            Kind::BrokerConnections => {
                let process = one(None);
                let all = rng.u32(..4) == 0;
                let away = seconds(rng, 0.01, 8.0);
                match all {
                    true => {
                        let lost = self.processes.iter().map(|p| p.lose_broker(away));
                        join_all(lost).await;
                    }
                    false => process.lose_broker(away).await,
                }
            }
            Kind::ConsumerTimeouts => one(Some(Role::Redirector)).time_out(),
            Kind::LostLog => {
                let count = [1, 1, 2, usize::MAX][rng.usize(..4)];
                self.teller.say("the log of intents shrinks");
                self.broker.lose_last_intents(count);
            }
            Kind::RedirectorsStop => self.stop(&one(Some(Role::Redirector)), rng).await,
            Kind::IngestsStop => self.stop(&one(Some(Role::Ingest)), rng).await,
            Kind::RedirectorsDie => self.kill(&one(Some(Role::Redirector)), rng).await,
            Kind::IngestsDie => self.kill(&one(Some(Role::Ingest)), rng).await,
            Kind::OtherPlans => {
                let ingest = one(Some(Role::Ingest));
                ingest.change_plans();
                self.teller
                    .say("the file of an ingest's plans is another one");
                self.stop(&ingest, rng).await;
            }
            Kind::RedirectorsDieWorking => self.doom(&one(Some(Role::Redirector)), rng).await,
            Kind::IngestsDieWorking => self.doom(&one(Some(Role::Ingest)), rng).await,
            Kind::Replays => {
                let operator = self.broker.open("operator", Options::default());
                let replayed = operator.replay(&Filter::default()).await;
                let count = replayed.map_or(0, |ids| ids.len());
                if count > 0 {
                    self.teller
                        .say(format!("an operator replays {count} dead letters"));
                }
            }
            Kind::WrongClocks => {
                let process = one(None);
                let by = match rng.bool() {
                    true => SignedDuration::from_mins(rng.i64(-20..=20)),
                    false => SignedDuration::from_secs(rng.i64(-90..=90)),
                };
                process.set_wrong_by(by);
            }
            _ => {}
        }
    }

    async fn stop(&self, process: &Arc<Process>, rng: &mut Rng) {
        process.stop().await;
        self.restart(process, rng).await;
    }

    async fn kill(&self, process: &Arc<Process>, rng: &mut Rng) {
        process.kill();
        self.restart(process, rng).await;
    }

    async fn doom(&self, process: &Arc<Process>, rng: &mut Rng) {
        process.set_doom(Some(Doom {
            steps: rng.u32(..6),
            after: rng.bool(),
        }));
        if timeout(DOOMED_FOR, process.dead()).await.is_ok() {
            self.restart(process, rng).await;
        } else {
            process.set_doom(None);
        }
    }

    async fn restart(&self, process: &Arc<Process>, rng: &mut Rng) {
        tokio::time::sleep(seconds(rng, 0.001, 8.0)).await;
        process.start();
    }
}
