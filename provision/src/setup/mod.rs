//! `overflow setup`: makes Twilio's side as it should be.

mod adopt;
mod args;
mod events;
mod left_behind;
mod numbers;
mod ours;
mod plan;
mod workflows;

use service::Problems;
use twilio::WorkflowSid;
use twilio::rest::Patience;

use self::adopt::Adopted;
use self::args::Setup;
pub use self::args::SetupArgs;
use self::plan::Planner;
use crate::console::{Console, Status};
use crate::dotenv::Dotenv;
use crate::error::Result;
use crate::record::{ReplacedCallback, ReplacedConfiguration, Via};
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
        let adopted = self.adopt(&mut site, &dotenv)?;
        let planner = Planner {
            setup: self,
            site: &site,
            adopted: &adopted,
        };
        let via = planner.via();
        let by_hand = planner.callback_by_hand();
        let planned = planner.plan(&dotenv).await?;
        let steps = planned.steps;
        let end = End {
            dead_ends: planned.dead_ends,
            nobody_calls: planned.nobody_calls,
        };
        if !step::show(&steps, &site, console) {
            if !self.consent.dry_run {
                self.record_found(&mut site, &adopted, via, by_hand, planned.extended);
                site.record.write(&site.state_file)?;
            }
            let status = end.say(end.nothing_to_do(), console);
            self.say_what_is_missing(&dotenv, console);
            return Ok(status);
        }
        if let Some(status) = self.consent.refused(console).await? {
            return Ok(status);
        }
        self.record_found(&mut site, &adopted, via, by_hand, planned.extended);
        site.record.write(&site.state_file)?;
        step::carry_out(steps, &mut site, true, console).await?;
        let status = end.say("Set up.", console);
        self.say_what_is_missing(&Dotenv::read(&self.env_file)?, console);
        if matches!(status, Status::Done) {
            console.line("Start with `overflow run`, then check it with `overflow doctor`.");
        }
        Ok(status)
    }

    /// Records what is there already, so that teardown finds it when it is renamed, and the next
    /// setup goes on with it.
    fn record_found(
        &self,
        site: &mut Site,
        adopted: &Adopted,
        via: Via,
        by_hand: Option<ReplacedCallback>,
        extended: Option<(WorkflowSid, ReplacedConfiguration)>,
    ) {
        let (inventory, record) = (&site.inventory, &mut site.record);
        site.names.prefix().clone_into(&mut record.prefix);
        for (role, queue) in &inventory.task_queues {
            let name = site.names.task_queue(*role);
            record.task_queues.insert(name, queue.sid);
        }
        record.placeholder = inventory.adopted.as_ref().map(|queue| queue.sid);
        let former = adopted.former.iter().map(|queue| queue.sid);
        record.former_placeholders = former.collect();
        record.reservation_timeout = self.reservation_timeout.or(record.reservation_timeout);
        record.via = Some(via);
        record.callback = record.callback.take().or(by_hand);
        record.extended_workflows.extend(extended);
        let workflow = inventory.workflow.as_ref().map(|workflow| workflow.sid);
        record.workflow = workflow.or(record.workflow);
        let flow = inventory.flow.as_ref().map(|flow| flow.sid);
        record.studio_flow = flow.or(record.studio_flow);
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

/// What becomes of calls once setup is done.
struct End {
    /// By which workflows no call gets to the placeholder.
    dead_ends: Vec<String>,
    nobody_calls: bool,
}

impl End {
    fn nothing_to_do(&self) -> &'static str {
        match self.nobody_calls {
            true => "Nothing to do.",
            false => "Nothing to do: everything is as it should be.",
        }
    }

    /// Success is said only if a call that nobody takes would now get to the placeholder.
    fn say(&self, done: &str, console: &mut Console<'_>) -> Status {
        if self.dead_ends.is_empty() {
            let but = match self.nobody_calls {
                true => " No number leads to the flow yet: run it again with --number +…",
                false => "",
            };
            console.line(format_args!("\n{done}{but}"));
            return Status::Done;
        }
        console.line(format_args!(
            "\n✗ No call gets to the placeholder by {}: callers are not redirected. See what is marked \
             ! above, and run setup again.",
            self.dead_ends.join(", ")
        ));
        Status::Failed
    }
}
