//! Who has signed in: the token, and the sessions that it opens.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::change::Change;

/// How long a session lasts.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// How many there are at most; the oldest goes first.
const MOST: usize = 100;

/// How many wrong tokens are heard in a minute; then no token is, right or wrong.
const WRONG_A_MINUTE: usize = 5;

const MINUTE: Duration = Duration::from_secs(60);

/// The token and the sessions.
pub(crate) struct Sessions {
    token: Option<SecretString>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: HashMap<String, Arc<Session>>,
    opened: u64,
    wrong: VecDeque<Instant>,
}

/// Somebody who has signed in.
pub(crate) struct Session {
    /// Which one, for the log.
    pub(crate) number: u64,
    /// What each of its forms must carry: no other page knows it.
    pub(crate) form_key: String,
    /// What it did last.
    pub(crate) change: Mutex<Option<Arc<Change>>>,
    opened: Instant,
}

/// Why nobody was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSignedIn {
    /// No token is set.
    #[error("Nobody can sign in: no token is set (PAGE_TOKEN).")]
    NoToken,
    /// It was another one.
    #[error("That is not the token.")]
    Wrong,
    /// Too many were wrong.
    #[error("There were too many wrong tokens. Wait a minute.")]
    TooMany,
}

impl Sessions {
    pub(crate) fn new(token: Option<SecretString>) -> Self {
        Self {
            token,
            state: Mutex::default(),
        }
    }

    pub(crate) fn can_be_opened(&self) -> bool {
        self.token.is_some()
    }

    /// Opens one for whoever has the token: what the browser is to keep.
    pub(crate) fn open(&self, given: &str) -> Result<(String, Arc<Session>), NotSignedIn> {
        let token = self.token.as_ref().ok_or(NotSignedIn::NoToken)?;
        let mut state = self.state.lock();
        state.wrong.retain(|at| at.elapsed() < MINUTE);
        if state.wrong.len() >= WRONG_A_MINUTE {
            return Err(NotSignedIn::TooMany);
        }
        if !same(given, token.expose_secret()) {
            state.wrong.push_back(Instant::now());
            return Err(NotSignedIn::Wrong);
        }
        state.forget_old();
        state.opened += 1;
        let session = Arc::new(Session {
            number: state.opened,
            form_key: secret(),
            change: Mutex::default(),
            opened: Instant::now(),
        });
        let id = secret();
        state.open.insert(id.clone(), Arc::clone(&session));
        Ok((id, session))
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.state.lock().open.get(id).cloned()?;
        (session.opened.elapsed() < LIFE).then_some(session)
    }

    pub(crate) fn close(&self, id: &str) {
        self.state.lock().open.remove(id);
    }
}

impl Session {
    pub(crate) fn sent(&self, form_key: &str) -> bool {
        same(form_key, &self.form_key)
    }
}

impl State {
    fn forget_old(&mut self) {
        self.open
            .retain(|_, session| session.opened.elapsed() < LIFE);
        let oldest = self.open.iter().min_by_key(|(_, session)| session.opened);
        let oldest = oldest.map(|(id, _)| id.clone());
        if let Some(oldest) = oldest.filter(|_| self.open.len() >= MOST) {
            self.open.remove(&oldest);
        }
    }
}

/// In a time that tells nothing, not even by the length.
fn same(given: &str, wanted: &str) -> bool {
    Sha256::digest(given).ct_eq(&Sha256::digest(wanted)).into()
}

/// What nobody guesses.
fn secret() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
