//! A receiver in another language, with the official library of Standard Webhooks, takes what we sign.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use notify::{Failure, Reach, Target, Webhook};

const LIBRARY: &str = "standardwebhooks==1.1.0";

/// Of the specification, and another one.
const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const ID: &str = "CA00000000000000000000000000000001";
const BODY: &str = r#"{"text":"Grüße: a caller of plan \"sales\" was missed."}"#;

/// The folder that holds the library, from PyPI. It needs no other package to verify.
fn library() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(LIBRARY);
    if !folder.exists() {
        // Whole or not there at all.
        let ours = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let pip = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .args([ours.path().as_os_str(), LIBRARY.as_ref()])
            .output()
            .expect("python3 is needed (tests/run installs it)");
        let said = String::from_utf8_lossy(&pip.stderr);
        assert!(pip.status.success(), "{LIBRARY} can't be had: {said}");
        // Another test may have been first.
        let _ = std::fs::rename(ours.path(), &folder);
    }
    folder
}

struct Receiver {
    process: Child,
    port: u16,
    took: Lines<BufReader<ChildStdout>>,
}

impl Receiver {
    fn start(key: &str) -> Self {
        let mut process = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/receiver.py"))
            .arg(key)
            .env("PYTHONPATH", library())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut took = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = took.next().unwrap().unwrap().parse().unwrap();
        Self {
            process,
            port,
            took,
        }
    }

    /// Tells it, signed with these keys.
    async fn told(&self, keys: &[&str], at: Timestamp) -> Result<(), Failure> {
        let url = format!("http://127.0.0.1:{}/", self.port);
        let keys = keys.iter().map(|key| key.parse().unwrap()).collect();
        let target = Target::new(&url, keys, Reach::Anywhere).unwrap();
        let webhook = Webhook::new(target, Duration::from_secs(60)).unwrap();
        webhook.post(ID, at, BODY).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn the_official_library_takes_what_we_sign_and_nothing_else() {
    let mut receiver = Receiver::start(KEY);
    let now = Timestamp::now();
    receiver.told(&[KEY], now).await.unwrap();
    assert_eq!(receiver.took.next().unwrap().unwrap(), BODY);
    // While a key is changed, both sign.
    receiver.told(&[OTHER, KEY], now).await.unwrap();

    let long_ago = now - SignedDuration::from_mins(10);
    for refused in [
        receiver.told(&[OTHER], now).await,
        receiver.told(&[], now).await,
        receiver.told(&[KEY], long_ago).await,
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("answered 401"), "{refused}");
    }
}
