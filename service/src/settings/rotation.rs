//! Secrets in files, which may be rotated while the process runs.

use std::fmt;
use std::time::Duration;

use ::twilio::SignatureVerifier;
use ::twilio::rest::Client;

use super::{Problems, TwilioArgs, TwilioSettings};

/// How often the files are read.
const LOOK: Duration = Duration::from_secs(1);

/// The settings as they were given, where files are among them.
#[derive(Clone)]
pub(super) struct Files(Option<Box<TwilioArgs>>);

impl Files {
    pub(super) fn of(args: &TwilioArgs) -> Self {
        let files = [&args.auth_token_file, &args.api_key_secret_file];
        let has_one = files.iter().any(|file| {
            file.as_ref()
                .is_some_and(|file| !file.as_os_str().is_empty())
        });
        Self(has_one.then(|| Box::new(args.clone())))
    }
}

/// Without what they hold.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files(…)")
    }
}

impl TwilioSettings {
    /// Has both use what the files of tokens and secrets hold from now on, also when that changes.
    pub fn follow_files(&self, client: Option<Client>, verifier: Option<SignatureVerifier>) {
        let Some(args) = self.files.0.clone() else {
            return;
        };
        tokio::spawn(async move {
            let mut before = held(&args);
            let mut looks = tokio::time::interval(LOOK);
            loop {
                looks.tick().await;
                let now = held(&args);
                if now == before {
                    continue;
                }
                before = now;
                let mut problems = Problems::default();
                let read = args.clone().resolve(&mut problems);
                match problems.finish(read) {
                    Ok(read) => {
                        if let Some(client) = &client {
                            client.authorize(&read.client.credentials);
                        }
                        if let Some(verifier) = &verifier {
                            verifier.accept(read.auth_tokens);
                        }
                        tracing::info!("Twilio's tokens have changed and were read again");
                    }
                    // Perhaps it is being written.
                    Err(error) => tracing::warn!(
                        %error, "Twilio's tokens can't be read again: those before are used"
                    ),
                }
            }
        });
    }
}

fn held(args: &TwilioArgs) -> [Option<String>; 2] {
    [&args.auth_token_file, &args.api_key_secret_file]
        .map(|file| std::fs::read_to_string(file.as_ref()?).ok())
}
