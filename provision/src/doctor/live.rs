//! What `overflow verify-live` has found out. Nothing depends on it: it is only shown.

use std::path::Path;

use twilio::AccountSid;

use super::report::Report;
use crate::live::Answers;

pub(super) fn show(file: &Path, account: AccountSid, report: &mut Report<'_>) {
    let answers = match Answers::read(file, account) {
        Ok(answers) => answers,
        Err(error) => {
            let text = error.to_string();
            let (found, todo) = text.split_once("\n  ").unwrap_or((&text, ""));
            return report.warn("live", found, todo);
        }
    };
    for told in answers.iter().flat_map(Answers::told) {
        let told = told.unwrap_or_else(|question| format!("not found out: {question}"));
        report.ok("live", told);
    }
}
