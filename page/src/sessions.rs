//! Who has signed in: the token, and the sessions that it opens.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::change::Change;
use crate::refusal::Refusal;

/// How long a session lasts.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// How many there are at most; with one more, all have to sign in again.
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
    pub(crate) fn open(&self, given: &str) -> Result<(String, Arc<Session>), Refusal> {
        let token = self.token.as_ref().ok_or(Refusal(
            StatusCode::FORBIDDEN,
            "Nobody can sign in: no token is set (PAGE_TOKEN).",
        ))?;
        let mut state = self.state.lock();
        state.wrong.retain(|at| at.elapsed() < MINUTE);
        if state.wrong.len() >= WRONG_A_MINUTE {
            return Err(Refusal(
                StatusCode::TOO_MANY_REQUESTS,
                "There were too many wrong tokens. Wait a minute.",
            ));
        }
        if !same(given, token.expose_secret()) {
            state.wrong.push_back(Instant::now());
            return Err(Refusal(StatusCode::FORBIDDEN, "That is not the token."));
        }
        state.open.retain(|_, session| session.is_alive());
        if state.open.len() >= MOST {
            state.open.clear();
        }
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
        let session = self.state.lock().open.get(id).cloned();
        session.filter(|session| session.is_alive())
    }

    pub(crate) fn close(&self, closed: &Session) {
        let mut state = self.state.lock();
        state
            .open
            .retain(|_, session| session.number != closed.number);
    }
}

impl Session {
    pub(crate) fn sent(&self, form_key: &str) -> bool {
        same(form_key, &self.form_key)
    }

    fn is_alive(&self) -> bool {
        self.opened.elapsed() < LIFE
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
