//! What `overflow verify-live` has found out. Nothing depends on it: it is only shown.

use std::path::Path;

use twilio::AccountSid;

use super::report::Report;
use crate::live::Answers;

pub(super) fn show(file: &Path, account: AccountSid, report: &mut Report<'_>) {
    match Answers::find(file) {
        Ok(Some(answers)) if answers.are_of(account) => {
            for answer in answers.told() {
                report.ok("live", answer);
            }
        }
        // Nothing is known of this account.
        Ok(_) => {}
        Err(error) => {
            let text = error.to_string();
            let (found, todo) = text.split_once("\n  ").unwrap_or((&text, ""));
            report.warn("live", found, todo);
        }
    }
}
