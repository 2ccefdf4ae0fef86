#![doc = include_str!("../README.md")]

mod api;
mod args;
mod callback;
mod callers;
mod command;
mod configuration;
mod console;
mod definitions;
mod diff;
mod doctor;
mod dotenv;
mod error;
mod files;
mod inventory;
mod live;
mod post;
mod record;
mod setup;
mod site;
mod step;
mod stream;
mod teardown;
mod unmade;
mod wording;
mod workspace;

pub use command::Command;
pub use console::{Ask, AskTerminal, Console, Status};
pub use doctor::DoctorArgs;
pub use live::VerifyLiveArgs;
pub use setup::SetupArgs;
pub use teardown::TeardownArgs;
pub use twilio::rest::Patience;
