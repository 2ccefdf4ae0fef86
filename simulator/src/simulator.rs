//! The simulator's interface.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tower::ServiceExt;
use twilio::{AccountSid, CallSid, E164, TaskQueueSid, TaskSid, WorkflowSid, WorkspaceSid};
use url::Url;

use crate::config::{Account, Config};
use crate::core::Core;
use crate::faults::Faults;
use crate::http::{self, ConnectionHandle, Server};
use crate::journal::{HangUp, Journal};
use crate::line::Source;
use crate::phone::Phone;
use crate::readings::Readings;
use crate::state::{Begin, Caller, Demo, OtherTask, PlaceCall, PlaceCallError, State, TurnDown};
use crate::story::Moment;

/// The longest that [`Simulator::shutdown`] takes.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// A running simulator. It ends when this is dropped.
pub struct Simulator {
    pub(crate) core: Arc<Core>,
    /// `None` if it is called in process.
    server: Option<Server>,
    router: Router,
    api_url: Url,
    pub(crate) demo: Demo,
}

/// Why the simulator didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener is unusable.
    #[error("the simulator's listener has no address: {0}")]
    Listener(#[source] io::Error),
}

impl Simulator {
    /// Starts to serve on `listener`, on the current tokio runtime.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn start(listener: TcpListener, config: Config) -> Result<Self, StartError> {
        // It fails if the process already has one, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = listener.local_addr().map_err(StartError::Listener)?;
        let mut api_url = localhost();
        // A host and a port are always valid in an http URL.
        let _ = api_url.set_ip_host(address.ip());
        let _ = api_url.set_port(Some(address.port()));

        let mut simulator = Self::new(config, api_url);
        let (core, router) = (simulator.core.clone(), simulator.router.clone());
        simulator.server = Some(Server::start(core, router, listener, address));
        Ok(simulator)
    }

    /// A simulator without a listener: [`Simulator::answer`] answers. It runs on the current tokio
    /// runtime.
    pub fn in_process(config: Config) -> Self {
        Self::new(config, localhost())
    }

    fn new(config: Config, api_url: Url) -> Self {
        let seed = config.seed.unwrap_or_else(rand::random);
        let state = State::new(config, seed, api_url.clone());
        let demo = state.demo;
        let faults = Faults::seeded(seed);
        let core = Arc::new(Core::new(state, faults, Handle::current()));
        Self {
            router: http::router(core.clone()),
            core,
            server: None,
            api_url,
            demo,
        }
    }

    /// Answers one request; `None` if its connection was cut instead.
    pub async fn answer(&self, mut request: Request) -> Option<Response> {
        let (handle, cut) = ConnectionHandle::alone();
        request.extensions_mut().insert(ConnectInfo(handle));
        let answer = self.router.clone().oneshot(request);
        cut.run_until_cancelled(answer).await?.ok()
    }

    /// Where all of the API is: `http://127.0.0.1:PORT/`.
    pub fn api_url(&self) -> &Url {
        &self.api_url
    }

    /// The account and its secrets.
    pub fn account(&self) -> &Account {
        &self.core.account
    }

    /// The account.
    pub fn account_sid(&self) -> AccountSid {
        self.core.account.sid
    }

    /// The account's auth token.
    pub fn auth_token(&self) -> &str {
        &self.core.account.auth_token
    }

    /// The workspace.
    pub fn workspace_sid(&self) -> WorkspaceSid {
        self.demo.workspace
    }

    /// The workflow: Sales, Support, Everyone, then the placeholder.
    pub fn workflow_sid(&self) -> WorkflowSid {
        self.demo.workflow
    }

    /// The placeholder queue, which a caller's task enters when nobody took it.
    pub fn placeholder(&self) -> TaskQueueSid {
        self.demo.placeholder
    }

    /// A caller calls: they hear hold music, and their task enters the workflow.
    ///
    /// # Errors
    /// The workflow doesn't exist, or takes no such task.
    pub fn place_call(&self, call: PlaceCall) -> Result<Caller, PlaceCallError> {
        self.core.change(|state| state.place_call(call))
    }

    /// Several callers call at once.
    ///
    /// # Errors
    /// As [`Simulator::place_call`].
    pub fn place_calls(
        &self,
        count: usize,
        call: &PlaceCall,
    ) -> Result<Vec<Caller>, PlaceCallError> {
        (0..count).map(|_| self.place_call(call.clone())).collect()
    }

    /// A caller in a conversation is put into the workflow's queue again, and the same call gets a new
    /// task. `None` if the call is over or still in a queue.
    pub fn enqueue_again(&self, call: CallSid, begin: Begin) -> Option<TaskSid> {
        self.core.change(|state| state.enqueue_again(call, begin))
    }

    /// A task that doesn't stand for a waiting caller enters the placeholder queue.
    pub fn place_other_task(&self, other: OtherTask) -> Option<TaskSid> {
        self.core.change(|state| state.place_other_task(other))
    }

    /// Offers the task to an agent; returns whether it was pending.
    pub fn offer(&self, task: TaskSid) -> bool {
        self.core.change(|state| state.offer_task(task))
    }

    /// The agent doesn't take the task; returns whether it was offered.
    pub fn turn_down(&self, task: TaskSid, how: TurnDown) -> bool {
        self.core.change(|state| state.turn_down_task(task, how))
    }

    /// Other software takes the caller off hold, for a voicemail, say; returns whether they were on
    /// hold.
    pub fn take_off_hold(&self, call: CallSid) -> bool {
        self.core.change(|state| state.take_off_hold(call))
    }

    /// Gives a call new instructions, as an API request with `Twiml` does; returns whether it was in
    /// progress.
    pub fn redirect(&self, call: CallSid, twiml: &str) -> bool {
        let source = Source::Inline(twiml.to_owned());
        self.core.change(|state| {
            let request_id = state.ids.text("RQ");
            state.redirect(call, &request_id, source).is_ok()
        })
    }

    /// The caller hangs up; returns whether the call was still in progress.
    pub fn hang_up(&self, call: CallSid) -> bool {
        self.core
            .change(|state| state.end_call(call, HangUp::Caller).is_ok())
    }

    /// An agent takes the call out of the queue; returns whether it was still there.
    pub fn agent_answers(&self, call: CallSid) -> bool {
        self.core.change(|state| state.agent_answers(call))
    }

    /// The task's time to live ends, and its call waits on; returns whether the task was pending.
    pub fn expire_task(&self, task: TaskSid) -> bool {
        self.core.change(|state| state.task_expired(task))
    }

    /// Sets what becomes of calls to this number from now on.
    pub fn set_phone(&self, number: E164, phone: impl Into<Phone>) {
        let phone = phone.into();
        self.core.change(|state| state.phones.insert(number, phone));
    }

    /// Sets how Twilio does what its documentation doesn't say of calls.
    pub fn set_readings(&self, readings: Readings) {
        self.core.change(|state| state.config.readings = readings);
    }

    /// What goes wrong. It can be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.core.faults
    }

    /// Looks at the state. It is locked meanwhile, so be brief.
    pub fn inspect<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.core.look(look)
    }

    /// A copy of the current journal.
    pub fn journal(&self) -> Journal {
        self.core.look(|state| state.journal().clone())
    }

    /// How many times a caller was redirected.
    pub fn redirects(&self, call: CallSid) -> usize {
        self.core.look(|state| state.journal().redirects(&call))
    }

    /// The callers who hear hold music.
    pub fn callers_still_waiting(&self) -> Vec<CallSid> {
        self.core.look(State::callers_still_waiting)
    }

    /// Waits until the condition holds. It is checked after each change, so it should be quick.
    pub async fn wait_until(&self, mut condition: impl FnMut(&State) -> bool) {
        self.wait_for(|state| condition(state).then_some(())).await;
    }

    /// Waits until `look` finds something. It is called after each change, so it should be quick.
    pub async fn wait_for<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let mut changes = self.core.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(found) = self.core.look(&mut look) {
                return found;
            }
            if changes.changed().await.is_err() {
                // This never happens: the sender lives as long as the simulator.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Everything that happens from now on.
    pub fn story(&self) -> broadcast::Receiver<Moment> {
        self.core.story.subscribe()
    }

    /// Refuses connections, as if Twilio were down, and resets those that are open.
    pub async fn stop_listening(&self) {
        if let Some(server) = &self.server {
            server.close().await;
        }
    }

    /// Accepts connections again, at the same address.
    ///
    /// # Errors
    /// Another program has taken the address meanwhile.
    pub async fn resume_listening(&self) -> io::Result<()> {
        match &self.server {
            Some(server) => server.open().await,
            None => Ok(()),
        }
    }

    /// Ends everything within 2 s: open requests are reset, and events under way are dropped.
    pub async fn shutdown(self) {
        self.end();
        let ended = self.core.running.wait();
        if tokio::time::timeout(SHUTDOWN_LIMIT, ended).await.is_err() {
            tracing::warn!("the simulator did not end within {SHUTDOWN_LIMIT:?}");
        }
    }

    fn end(&self) {
        self.core.ended.cancel();
        self.core.running.close();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.end();
    }
}

fn localhost() -> Url {
    Url::parse("http://localhost/").unwrap_or_else(|_| unreachable!())
}
