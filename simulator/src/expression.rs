//! Expressions over attributes (<https://www.twilio.com/docs/taskrouter/expression-syntax>).

use std::cmp::Ordering;

use serde_json::Value;

/// Whether attributes match an expression. One that isn't understood counts as a match.
pub(crate) fn matches(expression: &str, attributes: &Value) -> bool {
    let mut reader = Reader {
        rest: expression,
        attributes,
    };
    let read = reader.any();
    let whole = reader.rest.trim().is_empty();
    read.filter(|_| whole).unwrap_or(true)
}

struct Reader<'a> {
    rest: &'a str,
    attributes: &'a Value,
}

const OPERATORS: [&str; 10] = [
    "==", "!=", ">=", "<=", "=", ">", "<", "HAS", "IN", "CONTAINS",
];

impl Reader<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut found = self.all()?;
        while self.takes("OR") {
            found |= self.all()?;
        }
        Some(found)
    }

    fn all(&mut self) -> Option<bool> {
        let mut found = self.one()?;
        while self.takes("AND") {
            found &= self.one()?;
        }
        Some(found)
    }

    fn one(&mut self) -> Option<bool> {
        if self.takes("NOT") {
            return Some(!self.one()?);
        }
        if self.takes("(") {
            let found = self.any()?;
            return self.takes(")").then_some(found);
        }
        let left = self.operand()?;
        let negated = self.takes("NOT");
        let operator = OPERATORS.into_iter().find(|word| self.takes(word))?;
        let right = self.operand()?;
        Some(compare(&left, operator, &right) != negated)
    }

    /// Whether the word comes next; it is then behind us.
    fn takes(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some((start, behind)) = rest.split_at_checked(word.len()) else {
            return false;
        };
        let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic());
        let goes_on = is_word && behind.starts_with(is_of_a_name);
        let taken = start.eq_ignore_ascii_case(word) && !goes_on;
        if taken {
            self.rest = behind;
        }
        taken
    }

    fn operand(&mut self) -> Option<Value> {
        if self.takes("[") {
            let mut list = Vec::new();
            while !self.takes("]") {
                list.push(self.operand()?);
                self.takes(",");
            }
            return Some(list.into());
        }
        let rest = self.rest.trim_start();
        let first = rest.chars().next()?;
        if matches!(first, '"' | '\'') {
            let (text, behind) = rest[1..].split_once(first)?;
            self.rest = behind;
            return Some(text.into());
        }
        let (name, behind) = split_name(rest);
        self.rest = behind;
        match name {
            "" => None,
            "null" => Some(Value::Null),
            "true" | "false" => Some((name == "true").into()),
            _ if name.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                serde_json::from_str(name).ok()
            }
            _ => {
                let mut found = descend(Some(self.attributes), name);
                while let Some((index, behind)) = index(self.rest) {
                    let (name, behind) = split_name(behind);
                    found = found.and_then(|list| list.get(index));
                    found = descend(found, name);
                    self.rest = behind;
                }
                Some(found.cloned().unwrap_or_default())
            }
        }
    }
}

fn split_name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_of_a_name(c)).unwrap_or(text.len()))
}

/// The value below these keys, which stand between dots.
fn descend<'a>(from: Option<&'a Value>, keys: &str) -> Option<&'a Value> {
    let mut keys = keys.split('.').filter(|key| !key.is_empty());
    keys.try_fold(from?, |at, key| at.get(key))
}

/// The index of an item, `[n]`, and what comes behind it.
fn index(text: &str) -> Option<(usize, &str)> {
    let (index, behind) = text.strip_prefix('[')?.split_once(']')?;
    Some((index.trim().parse().ok()?, behind))
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '$')
}

fn compare(left: &Value, operator: &str, right: &Value) -> bool {
    let holds = |list: &Value, one: &Value| {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().any(|item| is_equal(item, one))
    };
    let order = || -> Option<Ordering> {
        match (number(left), number(right)) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ if left.is_null() || right.is_null() => None,
            _ => Some(text(left).cmp(&text(right))),
        }
    };
    match operator {
        "==" | "=" => is_equal(left, right),
        "!=" => !is_equal(left, right),
        ">" => order().is_some_and(Ordering::is_gt),
        "<" => order().is_some_and(Ordering::is_lt),
        ">=" => order().is_some_and(Ordering::is_ge),
        "<=" => order().is_some_and(Ordering::is_le),
        "HAS" => holds(left, right),
        "IN" => holds(right, left),
        _ => {
            holds(left, right)
                || left
                    .as_str()
                    .is_some_and(|left| left.contains(&text(right)))
        }
    }
}

/// Numbers are equal however they are written; text that looks like one is text beside text.
fn is_equal(left: &Value, right: &Value) -> bool {
    match (number(left), number(right)) {
        (Some(one), Some(other)) if left.is_number() || right.is_number() => {
            one.partial_cmp(&other) == Some(Ordering::Equal)
        }
        _ => left.is_null() == right.is_null() && text(left) == text(right),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_read_as_twilio_reads_it() {
        let attributes = serde_json::json!({
            "direction": "inbound", "score": 7, "call_sid": "CA12", "vip": true,
            "teams": [{ "name": "a" }, { "name": "b" }], "version": "1.0",
            "skills": ["sales", "german"], "customer": { "tier": "gold" },
        });
        for (expression, expected) in [
            ("1==1", true),
            ("1 == 1", true),
            ("1==2", false),
            ("1=0", false),
            ("direction == \"inbound\"", true),
            ("direction == 'outbound'", false),
            ("direction != 'outbound'", true),
            ("score == 7", true),
            ("score == 7.0", true),
            ("score != 7.0", false),
            ("score IN [6, 7.0]", true),
            ("skills[0] == 'sales'", true),
            ("skills[1] == 'sales'", false),
            ("skills[2] == 'sales'", false),
            ("teams[1].name == 'b' AND score == 7", true),
            ("version == '1.0'", true),
            ("version == '1.00'", false),
            ("score > 3", true),
            ("score >= 8", false),
            ("vip == true", true),
            ("call_sid CONTAINS \"CA\"", true),
            ("chat_sid CONTAINS \"CA\"", false),
            ("(1==1) AND call_sid CONTAINS \"CA\"", true),
            (
                "(score > 9 OR vip == true) AND NOT (direction == 'outbound')",
                true,
            ),
            ("(1==2) AND call_sid CONTAINS \"CA\"", false),
            ("skills HAS 'german'", true),
            ("skills NOT HAS 'german'", false),
            ("direction IN ['inbound', \"internal\"]", true),
            ("customer.tier == 'gold' and score < 8", true),
            ("nothing == 'gold'", false),
            ("nothing != 'gold'", true),
            ("what is this?", true),
        ] {
            assert_eq!(matches(expression, &attributes), expected, "{expression}");
        }
    }
}
