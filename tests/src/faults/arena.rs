//! Where faults strike: everything that runs in production, every connection through a proxy.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clock::Clock;
use jiff::Timestamp;
use rabbitmq::{Hole, Node, free_address};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use simulator::Simulator;

use super::conditions::Conditions;
use super::disk::Disk;
use super::load::Load;
use crate::{Process, Proxy, Stack, StackOptions};

/// Which queue lies between ingest and redirectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Between {
    /// A RabbitMQ node of the scenario's own.
    #[value(name = "rabbitmq")]
    RabbitMq,
    /// A file.
    Embedded,
}

impl Between {
    /// Its name in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RabbitMq => "RabbitMQ",
            Self::Embedded => "embedded",
        }
    }
}

/// A broker, and the proxies by which it is reached.
pub struct Broker {
    /// The node itself.
    pub node: &'static Node,
    /// Between the ingests and the broker.
    pub to_ingests: Proxy,
    /// Between the redirectors and the broker.
    pub to_redirectors: Proxy,
    /// Another of its addresses, if there is one, at which packets are dropped.
    pub dead: Option<Hole>,
}

/// Two ingests behind one address, three redirectors, a queue, and the simulated Twilio.
pub struct Arena {
    /// The processes and the simulator.
    pub stack: Stack,
    /// The broker, if there is one.
    pub broker: Option<Broker>,
    /// The disk of the spools or of the embedded queue, if it can be filled.
    pub disk: Option<Disk>,
    /// What Twilio connects to: it balances over the ingests.
    pub front: Proxy,
    /// The callers.
    pub load: Load,
    /// Decides whatever is left to chance.
    pub random: StdRng,
    longer: bool,
}

/// How an arena is built.
pub struct Plan {
    /// The queue.
    pub between: Between,
    /// Settings of all processes, beside those that make faults pass quickly.
    pub settings: Vec<(&'static str, String)>,
    /// What all processes run in.
    pub conditions: Conditions,
    /// A disk for the spools or the embedded queue; else they lie with everything else.
    pub disk: Option<Disk>,
    /// Calls a second.
    pub rate: f64,
    /// Of whatever is left to chance.
    pub seed: u64,
    /// Whether faults last longer, each by a random factor.
    pub longer: bool,
}

/// What makes faults pass in seconds rather than minutes.
const QUICK: [(&str, &str); 6] = [
    ("TWILIO_TIMEOUT", "2s"),
    ("TWILIO_CONNECT_TIMEOUT", "1s"),
    ("RETRY_LONGEST", "1s"),
    ("SWEEP_INTERVAL", "0"),
    ("SWEEP_GRACE", "3s"),
    ("TWILIO_LATE", "4s"),
];

impl Arena {
    /// Builds everything; the load begins at once.
    pub async fn build(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let front = Proxy::start(Vec::new()).await;
        let mut options = StackOptions {
            ingests: 2,
            redirectors: 3,
            public_url: Some(format!("http://{}", front.address())),
            settings: QUICK
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .chain(plan.settings)
                .collect(),
            surroundings: plan.conditions.surroundings,
            ..StackOptions::default()
        };
        options.simulator.seed = Some(plan.seed);
        let ahead = plan.conditions.clock_ahead;
        if !ahead.is_zero() {
            options.simulator.clock = Clock::simulated(Timestamp::now() - ahead);
        }
        let disk = plan.disk;
        let on_disk = disk.as_ref().map_or(folder.path(), Disk::path);
        options.spools = Some(on_disk.to_owned());
        let (queue_url, broker) = match plan.between {
            Between::Embedded => {
                let file = on_disk.join("queue.db");
                (format!("sqlite:{}", file.display()), None)
            }
            Between::RabbitMq => {
                let node = tokio::task::spawn_blocking(take_node).await.unwrap();
                let broker = Broker {
                    node,
                    to_ingests: Proxy::start(vec![node.address()]).await,
                    to_redirectors: Proxy::start(vec![node.address()]).await,
                    dead: plan
                        .conditions
                        .dead_address
                        .then(|| Hole::at(free_address())),
                };
                let through = |proxy: &Proxy| {
                    let direct = node.address().to_string();
                    let mut addresses = proxy.address().to_string();
                    if let Some(dead) = &broker.dead {
                        addresses = format!("{},{addresses}", dead.address());
                    }
                    Some(node.url().replace(&direct, &addresses))
                };
                options.ingest_queue = through(&broker.to_ingests);
                options.redirector_queue = through(&broker.to_redirectors);
                (node.url(), Some(broker))
            }
        };
        let stack = Stack::start_at(queue_url, folder, options).await;
        front.set_targets(stack.ingest_addresses().to_vec());
        let load = Load::start(stack.simulator.clone(), plan.rate, plan.seed);
        Self {
            stack,
            broker,
            disk,
            front,
            load,
            random: StdRng::seed_from_u64(plan.seed),
            longer: plan.longer,
        }
    }

    /// How many redirectors work at a time: on the embedded queue one, and the others stand by.
    pub fn consumers(&self) -> usize {
        match &self.broker {
            Some(_) => self.stack.redirectors.len(),
            None => 1,
        }
    }

    /// The simulated Twilio.
    pub fn twilio(&self) -> &Simulator {
        &self.stack.simulator
    }

    /// The broker.
    ///
    /// # Panics
    /// There is none.
    pub fn broker(&self) -> &Broker {
        self.broker
            .as_ref()
            .expect("the scenario is one of a broker")
    }

    /// The disk that can be filled.
    ///
    /// # Panics
    /// There is none.
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("the scenario needs a disk")
    }

    /// Whether no other fault has struck here before.
    pub fn is_new(&self) -> bool {
        !self.longer
    }

    /// Where the ingests take events from Event Streams.
    pub fn event_stream_url(&self) -> String {
        format!("http://{}/taskrouter/event-stream", self.front.address())
    }

    /// Lets a fault last `time`, or longer.
    pub async fn last(&mut self, time: Duration) {
        let factor = match self.longer {
            true => self.random.random_range(0.3..2.5),
            false => 1.0,
        };
        tokio::time::sleep(time.mul_f64(factor)).await;
    }

    /// Starts the `index`th ingest again.
    pub async fn start_ingest(&mut self, index: usize) {
        self.stack.ingests[index] = self.stack.start_ingest(index).await;
    }

    /// Starts the `index`th redirector again.
    pub async fn start_redirector(&mut self, index: usize) {
        self.stack.redirectors[index] = self.stack.start_redirector().await;
    }

    /// Stops a process in order.
    ///
    /// # Panics
    /// It takes longer than `bound`, or fails.
    pub async fn stop_in_order(process: &mut Process, bound: Duration) {
        process.signal("TERM");
        let ended = tokio::time::timeout(bound, process.ended()).await;
        let status =
            ended.unwrap_or_else(|_| panic!("still there after {bound:?}:\n{}", process.log()));
        assert!(status.success(), "{status}:\n{}", process.log());
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take()
            && !std::thread::panicking()
        {
            return_node(broker.node);
        }
    }
}

/// Nodes take seconds to boot, so scenarios of one process use them one after the other. One that a
/// scenario failed on is not used again; all end with the process.
static NODES: Mutex<Vec<&'static Node>> = Mutex::new(Vec::new());

fn take_node() -> &'static Node {
    let idle = NODES.lock().unwrap_or_else(PoisonError::into_inner).pop();
    idle.unwrap_or_else(|| Box::leak(Box::new(Node::start())))
}

fn return_node(node: &'static Node) {
    NODES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(node);
}
