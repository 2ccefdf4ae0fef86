//! What the log tells of changes. Alone here, for the log is the whole process's.

#![allow(clippy::unwrap_used, reason = "tests")]

mod browser;
mod sample;

use std::io::Write;
use std::sync::{Arc, Mutex};

use browser::{ANY_PORT, Browser, event};
use sample::{TOKEN, settings};

/// A log that is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_change_is_in_the_log_with_its_session_and_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let _log = tracing::subscriber::set_default(subscriber.finish());
    let mut browser = Browser::at(settings(ANY_PORT)).await;
    browser.post("sign-in", &[("token", "guessed")]).await;
    browser.sign_in().await;
    let form_key = browser.form_key().await;
    browser.press("discard", &[("id", &event(1))]).await;
    browser.post("sign-out", &[("form_key", &form_key)]).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for said in [
        "nobody was signed in to the page why=That is not the token.",
        "somebody signed in to the page session=1",
        &format!(
            "dead letter discarded by the page session=1 dead_letter={}",
            event(1)
        ),
        "dead letters were discarded by the page session=1 count=1",
        "somebody signed out of the page session=1",
    ] {
        assert!(log.contains(said), "{said} in {log}");
    }
    let id = browser.cookie.split_once('=').unwrap().1;
    for secret in [TOKEN, "guessed", &form_key, id] {
        assert!(!log.contains(secret), "{log}");
    }
}
