//! Who waits in the voice queues. All who ask at the same time share one list.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use twilio::rest::{Client, QueueMember, RestError};
use twilio::{AccountSid, CallSid, QueueSid, WorkflowSid};

use crate::classify::ApiHealth;
use crate::limiter::Limiter;

/// The callers of one workflow who waited when Twilio was asked.
pub(crate) struct Members {
    /// When Twilio was asked. What it answered was true at some moment since.
    pub(crate) asked: Instant,
    pub(crate) listed: Listed,
}

/// What a voice queue held.
pub(crate) enum Listed {
    /// Its callers, and when each was enqueued, cut to the second.
    Callers(HashMap<CallSid, Option<Timestamp>>),
    /// The workflow has none: nobody was ever enqueued for it.
    NoQueue,
    /// Twilio's answers contradict each other: there is a queue, and there is none.
    Unclear,
}

/// The lists, by workflow.
pub(crate) struct VoiceQueues {
    client: Client,
    limiter: Arc<Limiter>,
    /// How long a list that is there already will do.
    good_for: Duration,
    lists: Mutex<HashMap<Key, Arc<List>>>,
}

type Key = (AccountSid, WorkflowSid);
type Answer = Result<Arc<Members>, Arc<RestError>>;

#[derive(Default)]
struct List {
    /// Locked while Twilio is being asked. What it keeps is the SID of the voice queue.
    asking: Arc<tokio::sync::Mutex<Option<QueueSid>>>,
    latest: Mutex<Option<Latest>>,
}

struct Latest {
    asked: Instant,
    answered: Instant,
    answer: Answer,
}

impl VoiceQueues {
    /// Lists that are used by everybody for `good_for` from the moment at which they were asked
    /// for.
    pub(crate) fn new(client: Client, limiter: Arc<Limiter>, good_for: Duration) -> Self {
        Self {
            client,
            limiter,
            good_for,
            lists: Mutex::default(),
        }
    }

    /// The callers on hold in the workflow. The list was asked for later than `after`, if that is
    /// given.
    ///
    /// Takes no slot of the limiter: at most one request for each workflow is under way, and those
    /// who wait for it hold slots of their own.
    pub(crate) async fn members(self: &Arc<Self>, key: Key, after: Option<Instant>) -> Answer {
        let now = Instant::now();
        let list = Arc::clone(self.lists.lock().entry(key).or_default());
        let shared = now.checked_sub(self.good_for);
        let will_do = |latest: &Latest| match &latest.answer {
            Ok(_) => {
                (shared.is_some_and(|shared| latest.asked > shared) || latest.asked >= now)
                    && after.is_none_or(|after| latest.asked > after)
            }
            // Those who waited for this answer take its failure as their own.
            Err(_) => latest.answered > now,
        };
        if let Some(answer) = list.answer(will_do) {
            self.ask_ahead(key, &list);
            return answer;
        }
        let asking = Arc::clone(&list.asking).lock_owned().await;
        match list.answer(will_do) {
            Some(answer) => answer,
            None => self.ask(key, &list, asking).await,
        }
    }

    /// There will be looks for callers of the workflow soon.
    pub(crate) fn expect(self: &Arc<Self>, key: Key) {
        let list = Arc::clone(self.lists.lock().entry(key).or_default());
        self.ask_ahead(key, &list);
    }

    /// Asks before the list is too old, so that nobody has to wait for the next one.
    fn ask_ahead(self: &Arc<Self>, key: Key, list: &Arc<List>) {
        let young = |latest: &Latest| latest.asked.elapsed() <= self.good_for / 2;
        if list.answer(young).is_none()
            && let Ok(asking) = Arc::clone(&list.asking).try_lock_owned()
        {
            let (queues, list) = (Arc::clone(self), Arc::clone(list));
            tokio::spawn(async move {
                // A failure concerns only those who need the next list, and they ask again.
                let _ = queues.ask(key, &list, asking).await;
            });
        }
    }

    async fn ask(
        &self,
        (account, workflow): Key,
        list: &List,
        mut known: OwnedMutexGuard<Option<QueueSid>>,
    ) -> Answer {
        let asked = Instant::now();
        let listed = self.list(&account, &workflow, &mut known).await;
        let health = ApiHealth::of(listed.as_ref(), false);
        self.limiter.report(health, asked);
        let answer = listed
            .map(|listed| Arc::new(Members { asked, listed }))
            .map_err(Arc::new);
        list.set(Latest {
            asked,
            answered: Instant::now(),
            answer: answer.clone(),
        });
        answer
    }

    async fn list(
        &self,
        account: &AccountSid,
        workflow: &WorkflowSid,
        known: &mut Option<QueueSid>,
    ) -> Result<Listed, RestError> {
        // A queue that is no more was perhaps made anew, under the same name.
        if let Some(queue) = *known
            && let Some(members) = self.client.queue_members(account, &queue).await?
        {
            return Ok(by_call(members));
        }
        *known = self.client.voice_queue(account, workflow).await?;
        let Some(queue) = *known else {
            return Ok(Listed::NoQueue);
        };
        let members = self.client.queue_members(account, &queue).await?;
        Ok(members.map_or(Listed::Unclear, by_call))
    }
}

/// An entry that can't be read may be any caller's, so the whole list says nothing then.
fn by_call(members: twilio::rest::Listed<QueueMember>) -> Listed {
    let since = |member: QueueMember| (member.call_sid, member.date_enqueued);
    match members.unreadable {
        0 => Listed::Callers(members.items.into_iter().map(since).collect()),
        _ => Listed::Unclear,
    }
}

impl List {
    fn answer(&self, will_do: impl Fn(&Latest) -> bool) -> Option<Answer> {
        let latest = self.latest.lock();
        latest
            .as_ref()
            .filter(|latest| will_do(latest))
            .map(|latest| latest.answer.clone())
    }

    fn set(&self, latest: Latest) {
        *self.latest.lock() = Some(latest);
    }
}
