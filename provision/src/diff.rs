//! Differences as a person reads them.

use serde_json::Value;
use similar::TextDiff;

use crate::callback::shown;

/// A field that changes.
pub(crate) fn field(name: &str, old: &str, new: &str) -> String {
    format!("{name}: {old} → {new}")
}

/// The lines in which two JSON values differ, with some around them; none where they are equal.
/// Secrets in them are not shown.
pub(crate) fn json(old: &Value, new: &Value) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    // A value can always be written.
    let pretty = |value| serde_json::to_string_pretty(&without_secrets(value)).unwrap_or_default();
    let lines: Vec<_> = TextDiff::from_lines(pretty(old), pretty(new))
        .unified_diff()
        .context_radius(2)
        .to_string()
        .lines()
        .filter(|line| !line.starts_with("@@") && !line.starts_with('\\'))
        .map(str::to_owned)
        .collect();
    match lines.is_empty() {
        true => vec!["something that may be a secret".to_owned()],
        false => lines,
    }
}

/// What begins the value of a header that authorizes.
const SCHEMES: [&str; 2] = ["Basic ", "Bearer "];

/// What is in the names of things that are secret.
const SECRET: [&str; 8] = [
    "auth",
    "passw",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "credential",
];

/// What is sent to others: a form may hold anything.
const SENT: &str = "body";

fn without_secrets(value: &Value) -> Value {
    match value {
        Value::String(text) => text_without_secrets(text).into(),
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        Value::Object(fields) => {
            // A widget's parameters are pairs of a key and a value.
            let names = ["key", "name"];
            let is_pair = names.iter().any(|name| {
                let name = fields.get(*name).and_then(Value::as_str);
                name.is_some_and(is_secret)
            });
            let hides = |name: &str, value: &Value| {
                let is_hidden = is_secret(name) || name == SENT || is_pair && name == "value";
                is_hidden && (value.is_string() || value.is_array() || value.is_object())
            };
            let fields = fields.iter().map(|(name, value)| match hides(name, value) {
                true => (name.clone(), "…".into()),
                false => (name.clone(), without_secrets(value)),
            });
            Value::Object(fields.collect())
        }
        plain => plain.clone(),
    }
}

/// JSON may stand in strings, also such that a template makes.
fn text_without_secrets(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(inner @ (Value::String(_) | Value::Array(_) | Value::Object(_))) => {
            without_secrets(&inner).to_string()
        }
        _ if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) => "…".to_owned(),
        _ if text.trim_start().starts_with(['{', '[']) && is_secret(text) => "…".to_owned(),
        _ if text.contains("://") => shown(text),
        _ => text.to_owned(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRET.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_may_be_a_secret_is_not_shown_wherever_it_stands() {
        let with = |secret: &str| {
            json!({ "states": [{
                "url": format!("https://crm:{secret}@crm.example.com/hook?key={secret}"),
                "parameters": [{ "key": "Authorization", "value": secret }],
                "header": format!("Bearer {secret}"),
                "api_key": secret,
                "attributes": format!(r#"{{"crm": {{"api_key": "{secret}"}}, "list": ["Basic {secret}"]}}"#),
                "nested": json!(json!({ "token": secret }).to_string()).to_string(),
                "template": format!(r#"{{"token": "{secret}", "from": {{{{trigger.call.From}}}}}}"#),
                "body": format!("user=crm&pass={secret}"),
                "credentials": { "user": secret, "list": [secret] },
                "note": "x",
            }] })
        };
        let mut new = with("hush");
        new["states"][0]["note"] = json!("y");
        let lines = super::json(&with("hush"), &new).join("\n");
        assert!(lines.contains("+      \"note\": \"y\""), "{lines}");
        // What is no secret is shown.
        let attributes = |vip: bool| json!({ "attributes": json!({ "vip": vip }).to_string() });
        let lines = super::json(&attributes(false), &attributes(true)).join("\n");
        assert!(lines.contains(r#"{\"vip\":true}"#), "{lines}");
        assert!(!super::json(&json!({}), &new).join("").contains("hush"));
        // That it changes is shown.
        let changed = super::json(&with("hush"), &with("quiet"));
        assert_eq!(changed.len(), 1);
        assert!(!changed[0].contains("quiet"), "{changed:?}");
    }
}
