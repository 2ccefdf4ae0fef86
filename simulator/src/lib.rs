//! A stateful fake of the parts of Twilio that redirect callers, over real HTTP.
//!
//! A [`Simulator`] holds a Flex workspace whose workflow nobody answers. Callers are placed, their
//! tasks pass through the task queues, signed event callbacks go out, and the API takes redirects. What
//! each caller hears is kept in a [`Journal`], so that a test can tell whether they were
//! redirected once. [`Faults`] make the API and the callbacks fail on demand.

mod config;
mod core;
mod dates;
mod delivery;
mod events;
mod expression;
mod faults;
mod http;
mod ids;
mod journal;
mod line;
mod millis;
mod ordered;
mod phone;
mod provisioning;
mod readings;
mod resources;
mod simulator;
mod state;
mod story;
mod twiml;

pub use config::{Account, Carrier, Config, InvalidSpeed, Speed, TaskAfterRedirect};
pub use delivery::{Callback, Delivery};
pub use events::{EventKind, Transport};
pub use faults::{CallbackFault, CallbackRule, Fault, Faults, Loss, Rule, RuleId, When};
pub use journal::{
    CallbackOutcome, CallbackRecord, Callee, CalleeEnd, CalleeLog, CalleeMoment, CallerLog,
    DialOutcome, DialRecord, Entry, Fate, HangUp, Heard, Instructions, Journal, RequestOutcome,
    RequestRecord,
};
pub use phone::{Conduct, InvalidPhone, Phone, PickUp};
pub use provisioning::NumberTaker;
pub use readings::{Readings, RefusedWhisper};
pub use resources::TaskStatus;
pub use simulator::{Simulator, StartError};
pub use state::{Begin, Caller, OtherTask, PlaceCall, PlaceCallError, State, TaskView, TurnDown};
pub use story::{Moment, Story};
pub use twilio::rest::Endpoint;
