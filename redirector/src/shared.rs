//! What all jobs of the process share.

use std::sync::Arc;

use queue::{IntentLog, Queue};
use service::Plans;
use tokio_util::sync::CancellationToken;
use twilio::rest::Client;

use crate::calls::Calls;
use crate::follow_up::Memory;
use crate::ledger::Ledger;
use crate::lookup::Lookup;
use crate::metrics::Metrics;
use crate::settings::RedirectorSettings;
use crate::twilio_time::TwilioTime;

/// What all jobs of the process share.
pub(crate) struct Shared {
    pub(crate) settings: RedirectorSettings,
    pub(crate) plans: Plans,
    pub(crate) client: Client,
    pub(crate) lookup: Lookup,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) intents: Arc<dyn IntentLog>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) time: Arc<TwilioTime>,
    pub(crate) metrics: Metrics,
    pub(crate) told: Memory,
    pub(crate) stop: CancellationToken,
}
