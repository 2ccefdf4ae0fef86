//! `overflow setup`: makes Twilio's side as it should be.

mod args;
mod events;
mod ours;
mod plan;

use service::Problems;
use twilio::rest::Patience;

use self::args::Setup;
pub use self::args::SetupArgs;
use self::plan::Planner;
use crate::console::{Console, Status};
use crate::dotenv::Dotenv;
use crate::error::Result;
use crate::site::Site;
use crate::step;

impl SetupArgs {
    pub(crate) async fn run(self, console: &mut Console<'_>, patience: Patience) -> Result<Status> {
        let mut problems = Problems::default();
        let setup = self.resolve(patience, &mut problems);
        problems.finish(setup)?.run(console).await
    }
}

impl Setup {
    async fn run(&self, console: &mut Console<'_>) -> Result<Status> {
        let mut site = Site::open(&self.api, &self.place).await?;
        let dotenv = Dotenv::read(&self.env_file)?;
        let planner = Planner {
            setup: self,
            site: &site,
        };
        let steps = planner.steps(&dotenv).await?;
        if !step::show(&steps, &site, console) {
            console.line("\nNothing to do: everything is as it should be.");
            self.say_what_is_missing(&dotenv, console);
            return Ok(Status::Done);
        }
        if let Some(status) = self.consent.refused(console)? {
            return Ok(status);
        }
        record_found(&mut site);
        site.record.write(&site.state_file)?;
        step::carry_out(steps, &mut site, true, console).await?;
        console.line("\nSet up.");
        self.say_what_is_missing(&Dotenv::read(&self.env_file)?, console);
        console.line("Check it with `overflow doctor`, start with `overflow run`.");
        Ok(Status::Done)
    }

    /// What the services need, and setup can't or mustn't write.
    fn say_what_is_missing(&self, dotenv: &Dotenv, console: &mut Console<'_>) {
        let file = self.env_file.display();
        let in_file = |name: &str| {
            dotenv.get(name).is_some() || dotenv.get(&format!("{name}_FILE")).is_some()
        };
        if !in_file("TWILIO_AUTH_TOKEN") {
            let why = match self.twilio.auth_tokens.is_empty() {
                true => "an API key can't verify signatures",
                false => "setup writes no secrets",
            };
            console.line(format_args!(
                "! {file} has no TWILIO_AUTH_TOKEN ({why}): the services need it there or in their \
                 environment."
            ));
        }
        if !in_file("FORWARD_TO_NUMBER") && !in_file("REDIRECT_PLANS") {
            console.line(format_args!(
                "! {file} has no FORWARD_TO_NUMBER: the number that redirected calls ring."
            ));
        }
    }
}

/// Records what is there already, so that teardown finds it when it is renamed.
fn record_found(site: &mut Site) {
    let (inventory, record) = (&site.inventory, &mut site.record);
    site.names.prefix().clone_into(&mut record.prefix);
    for (role, queue) in &inventory.task_queues {
        let name = site.names.task_queue(*role);
        record.task_queues.insert(name, queue.sid);
    }
    let workflow = inventory.workflow.as_ref().map(|workflow| workflow.sid);
    record.workflow = workflow.or(record.workflow);
    let flow = inventory.flow.as_ref().map(|flow| flow.sid);
    record.studio_flow = flow.or(record.studio_flow);
}
