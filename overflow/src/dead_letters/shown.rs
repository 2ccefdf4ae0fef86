//! How dead letters are shown: as JSON, as a table, one in full.

use std::borrow::Cow;

use jiff::Timestamp;
use queue::{Content, DeadLetter, QueueUrl, TraceParent};
use serde_json::{Value, json};

/// One dead letter as JSON shows it.
pub(super) fn json(letter: &DeadLetter) -> Value {
    let content = letter.message.content().ok();
    let (mut request, mut outcome, mut redirected) = (None, None, None);
    let body = content.is_none().then(|| body(letter));
    match content {
        Some(Content::Redirect(content)) => request = Some(content),
        Some(Content::Outcome(content) | Content::Notify(content)) => outcome = Some(content),
        Some(Content::Redirected(content)) => redirected = Some(content),
        None => {}
    }
    let traceparent = letter.message.traceparent.as_ref();
    json!({
        "id": letter.id,
        "died_at": letter.died_at,
        "reason": letter.cause.reason,
        "attempts": letter.cause.attempts,
        "last_error": letter.cause.last_error,
        "trace_id": traceparent.map(TraceParent::trace_id),
        "type": letter.message.kind,
        "request": request,
        "outcome": outcome,
        "redirected": redirected,
        "body": body,
    })
}

/// The message, where this version can't read it.
fn body(letter: &DeadLetter) -> Cow<'_, str> {
    String::from_utf8_lossy(&letter.message.body)
}

/// As wide as a terminal is at least.
const WIDTH: usize = 80;

/// That there are none, of so many in all.
pub(super) fn none(of: u64, queue: &QueueUrl) -> String {
    let queue = queue.absolute();
    match of {
        0 => format!("no dead letters in {queue}"),
        1 => format!("the 1 dead letter in {queue} does not match"),
        of => format!("none of the {of} dead letters in {queue} match"),
    }
}

/// A line for each, which fits a terminal.
pub(super) fn table(letters: &[DeadLetter]) -> String {
    let now = Timestamp::now();
    let line = |age: &str, id: &str, reason: &str, attempts: &str, error: &str| {
        let line = format!("{age:>4}  {id:<34}  {reason:<14}  {attempts:>5}  {error}");
        match line.chars().count() > WIDTH {
            true => line.chars().take(WIDTH - 1).chain(['…', '\n']).collect(),
            false => line + "\n",
        }
    };
    let mut text = line("AGE", "ID", "REASON", "TRIES", "LAST ERROR");
    for letter in letters {
        let age = age(now.duration_since(letter.died_at).as_secs());
        let (reason, attempts) = (
            letter.cause.reason.as_str(),
            letter.cause.attempts.to_string(),
        );
        let error = letter.cause.last_error.as_deref().unwrap_or("-");
        text.push_str(&line(&age, &letter.id.0, reason, &attempts, error));
    }
    text
}

/// In its largest unit.
fn age(seconds: i64) -> String {
    match seconds {
        // Another machine's clock may be ahead.
        ..60 => format!("{}s", seconds.max(0)),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// All that is known of one.
pub(super) fn details(letter: &DeadLetter) -> String {
    let cause = &letter.cause;
    let mut rows = vec![
        ("id", letter.id.to_string()),
        ("died", format!("{:.0}", letter.died_at)),
        ("reason", cause.reason.to_string()),
        ("attempts", cause.attempts.to_string()),
        (
            "last error",
            cause.last_error.as_deref().unwrap_or("-").to_owned(),
        ),
    ];
    if let Some(traceparent) = &letter.message.traceparent {
        rows.push(("trace", traceparent.trace_id().to_owned()));
    }
    if let Some(kind) = &letter.message.kind {
        rows.push(("type", kind.clone()));
    }
    match letter.message.content() {
        Ok(Content::Redirect(request)) => rows.extend([
            ("call", request.call_sid.to_string()),
            ("task", request.task_sid.to_string()),
            ("task queue", request.task_queue_sid.to_string()),
            ("workspace", request.workspace_sid.to_string()),
            ("entered", format!("{:.0}", request.entered_at)),
        ]),
        Ok(Content::Outcome(outcome) | Content::Notify(outcome)) => rows.extend([
            ("call", outcome.call_sid.to_string()),
            ("plan", outcome.plan),
            ("outcome", outcome.outcome.as_str().to_owned()),
        ]),
        Ok(Content::Redirected(redirected)) => {
            rows.extend(redirected.into_iter().flat_map(|redirected| {
                [
                    ("call", redirected.call_sid.to_string()),
                    ("task", redirected.task_sid.to_string()),
                    ("plan", redirected.plan),
                    ("redirected", format!("{:.0}", redirected.redirected_at)),
                ]
            }));
        }
        Err(_) => rows.push(("body", body(letter).into_owned())),
    }
    let lines = rows.into_iter();
    let lines = lines.map(|(name, value)| format!("{name:<10}  {value}\n"));
    lines.collect()
}
