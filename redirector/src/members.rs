//! Who waits in the voice queues. All who ask at the same time share one list, and those whose caller
//! is on its first page don't wait for the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::Instant;
use twilio::rest::{self, Client, QueueMember, RestError};
use twilio::{AccountSid, CallSid, QueueSid, WorkflowSid};

use crate::classify::ApiHealth;
use crate::limiter::Limiter;

/// The callers of one workflow who waited when Twilio was asked.
pub(crate) struct Members {
    /// When Twilio was asked. What it answered was true at some moment since.
    pub(crate) asked: Instant,
    pub(crate) listed: Listed,
}

impl Members {
    fn hold(&self, wanted: Option<CallSid>) -> bool {
        match (&self.listed, wanted) {
            (Listed::Callers(since), Some(wanted)) => since.contains_key(&wanted),
            _ => false,
        }
    }
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
/// The right to ask, and the SID of the voice queue as far as it is known.
type Asking = OwnedMutexGuard<Option<QueueSid>>;

#[derive(Default)]
struct List {
    /// Locked while Twilio is being asked. What it keeps is the SID of the voice queue.
    asking: Arc<tokio::sync::Mutex<Option<QueueSid>>>,
    latest: Mutex<Option<Latest>>,
    /// The callers on the pages that have come while Twilio is being asked.
    so_far: watch::Sender<Option<Arc<Members>>>,
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
    /// given. It may be a part that holds the caller who is `wanted`.
    ///
    /// Takes no slot of the limiter: at most one request for each workflow is under way, and those
    /// who wait for it hold slots of their own.
    pub(crate) async fn members(
        self: &Arc<Self>,
        key: Key,
        after: Option<Instant>,
        wanted: Option<CallSid>,
    ) -> Answer {
        let now = Instant::now();
        let list = Arc::clone(self.lists.lock().entry(key).or_default());
        let shared = now.checked_sub(self.good_for);
        let is_young = |asked: Instant| {
            (shared.is_some_and(|shared| asked > shared) || asked >= now)
                && after.is_none_or(|after| asked > after)
        };
        let will_do = |latest: &Latest| match &latest.answer {
            Ok(_) => is_young(latest.asked),
            // Those who waited for this answer take its failure as their own.
            Err(_) => latest.answered > now,
        };
        if let Some(answer) = list.answer(will_do) {
            self.ask_ahead(key, &list);
            return answer;
        }
        let mut so_far = list.so_far.subscribe();
        let is_there = |members: &Option<Arc<Members>>| {
            let members = members.as_ref();
            members.is_some_and(|members| is_young(members.asked) && members.hold(wanted))
        };
        loop {
            let asking = tokio::select! {
                Ok(members) = so_far.wait_for(is_there) => {
                    // There is one, or it would not do.
                    if let Some(members) = &*members {
                        return Ok(Arc::clone(members));
                    }
                    continue;
                }
                asking = Arc::clone(&list.asking).lock_owned() => asking,
            };
            if let Some(answer) = list.answer(will_do) {
                return answer;
            }
            self.start_asking(key, &list, asking);
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
            self.start_asking(key, list, asking);
        }
    }

    fn start_asking(self: &Arc<Self>, key: Key, list: &Arc<List>, asking: Asking) {
        let (queues, list) = (Arc::clone(self), Arc::clone(list));
        tokio::spawn(async move { queues.ask(key, &list, asking).await });
    }

    async fn ask(&self, (account, workflow): Key, list: &List, mut known: Asking) {
        let asked = Instant::now();
        let so_far = |listed: &rest::Listed<QueueMember>| {
            let listed = by_call(listed);
            let members = Members { asked, listed };
            list.so_far.send_replace(Some(Arc::new(members)));
        };
        let listed = self.list(&account, &workflow, &mut known, so_far).await;
        let health = ApiHealth::of(listed.as_ref(), false);
        self.limiter.report(health, asked);
        let answer = listed
            .map(|listed| Arc::new(Members { asked, listed }))
            .map_err(Arc::new);
        list.set(Latest {
            asked,
            answered: Instant::now(),
            answer,
        });
        list.so_far.send_replace(None);
    }

    async fn list(
        &self,
        account: &AccountSid,
        workflow: &WorkflowSid,
        known: &mut Option<QueueSid>,
        so_far: impl Fn(&rest::Listed<QueueMember>),
    ) -> Result<Listed, RestError> {
        // A queue that is no more was perhaps made anew, under the same name.
        if let Some(queue) = *known
            && let Some(members) = self.client.queue_members(account, &queue, &so_far).await?
        {
            return Ok(by_call(&members));
        }
        *known = self.client.voice_queue(account, workflow).await?;
        let Some(queue) = *known else {
            return Ok(Listed::NoQueue);
        };
        let members = self.client.queue_members(account, &queue, so_far).await?;
        Ok(members.map_or(Listed::Unclear, |members| by_call(&members)))
    }
}

/// An entry that can't be read may be any caller's, so the whole list says nothing then.
fn by_call(members: &rest::Listed<QueueMember>) -> Listed {
    let since = |member: &QueueMember| (member.call_sid, member.date_enqueued);
    match members.unreadable {
        0 => Listed::Callers(members.items.iter().map(since).collect()),
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

#[cfg(test)]
mod tests {
    use futures::future::{BoxFuture, FutureExt, pending, ready};
    use retry::Policy;
    use twilio::AuthToken;
    use twilio::rest::{ClientConfig, Credentials};

    use super::*;

    fn sid<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str, number: u32) -> T {
        format!("{prefix}{number:032x}").parse().unwrap()
    }

    /// A Twilio with one caller on the first page of the voice queue, whose second page never comes.
    fn transport(
        request: reqwest::Request,
    ) -> BoxFuture<'static, Result<reqwest::Response, RestError>> {
        let body = match request.url().path().rsplit('/').next() {
            Some("Queues.json") => format!(
                r#"{{"queues": [{{"sid": "QU{:032x}", "friendly_name": "WW{:032x}"}}]}}"#,
                1, 1
            ),
            Some("Members.json") => format!(
                r#"{{"queue_members": [{{"call_sid": "CA{:032x}"}}], "next_page_uri": "/next"}}"#,
                1
            ),
            _ => return pending().boxed(),
        };
        ready(Ok(http::Response::new(body).into())).boxed()
    }

    #[tokio::test]
    async fn a_caller_on_the_first_page_does_not_wait_for_the_second() {
        let account: AccountSid = sid("AC", 1);
        let token = AuthToken::new("token");
        let config = ClientConfig::new(Credentials::AuthToken(account, token));
        let client = Client::new(&config)
            .unwrap()
            .carried_by(Arc::new(transport));
        let second = Duration::from_secs(1);
        let limiter = Limiter::new("Twilio", 1, Policy::new(second, second).unwrap(), second);
        let queues = Arc::new(VoiceQueues::new(client, limiter, second));
        let members = async |call| {
            let members = queues.members((account, sid("WW", 1)), None, Some(sid("CA", call)));
            members.await.unwrap()
        };
        let (first, second) = (members(1), members(2));
        tokio::pin!(second);
        let listed = tokio::select! {
            members = first => members,
            _ = &mut second => panic!("only the second page tells who else is there"),
        };
        assert!(listed.hold(Some(sid("CA", 1))));
        assert!(second.now_or_never().is_none());
    }
}
