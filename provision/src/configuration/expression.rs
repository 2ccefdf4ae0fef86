//! Which tasks an expression takes, as far as that can be told without the tasks.

use serde_json::Value;

/// What a call's task has, and no other: Twilio puts it into the attributes.
const CALL: &str = "call_sid CONTAINS \"CA\"";

/// The channels that carry no calls. Others may: their names are everybody's own.
const MESSAGES: [&str; 10] = [
    "chat",
    "email",
    "facebook",
    "instagram",
    "line",
    "messenger",
    "rcs",
    "sms",
    "web",
    "whatsapp",
];

/// The expression, for calls alone.
pub(super) fn for_calls(expression: &str) -> String {
    match expression.trim() {
        "" => CALL.to_owned(),
        expression => format!("({expression}) AND {CALL}"),
    }
}

/// Which tasks a filter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tasks {
    /// Every one.
    All,
    /// Every call, and nothing else.
    EveryCall,
    /// Calls alone, though not all.
    SomeCalls,
    /// No calls.
    NoCalls,
    /// That depends on them.
    Unknown,
}

impl Tasks {
    pub(super) fn of(filter: &Value) -> Self {
        Self::by(super::expression(filter))
    }

    fn by(expression: &str) -> Self {
        let expression = expression.trim();
        if let Some(inner) = enclosed(expression) {
            return Self::by(inner);
        }
        let parts = |word| -> Vec<Self> { split(expression, word).map(Self::by).collect() };
        let all = |kinds: &[Self], is: fn(Self) -> bool| kinds.iter().all(|kind| is(*kind));
        if split(expression, "OR").nth(1).is_some() {
            return match parts("OR") {
                kinds if all(&kinds, |kind| kind == Self::NoCalls) => Self::NoCalls,
                kinds if kinds.contains(&Self::All) => Self::All,
                kinds if all(&kinds, Self::are_calls) => Self::SomeCalls,
                _ => Self::Unknown,
            };
        }
        if split(expression, "AND").nth(1).is_some() {
            return match parts("AND") {
                kinds if kinds.contains(&Self::NoCalls) => Self::NoCalls,
                kinds if all(&kinds, |kind| kind == Self::All) => Self::All,
                kinds if all(&kinds, Self::includes_every_call) => Self::EveryCall,
                kinds if kinds.iter().any(|kind| kind.are_calls()) => Self::SomeCalls,
                _ => Self::Unknown,
            };
        }
        Self::by_comparison(expression)
    }

    fn by_comparison(text: &str) -> Self {
        if let Some(equal) = equals_numbers(text) {
            return if equal { Self::All } else { Self::NoCalls };
        }
        let plain: String = text.chars().filter(|c| !"\"' ".contains(*c)).collect();
        let plain = plain.to_ascii_lowercase();
        if plain == "call_sidcontainsca" || plain == "call_sid!=null" {
            return Self::EveryCall;
        }
        match plain.replace("==", "=").split_once('=') {
            Some((attribute, value)) if is_of_a_channel(attribute) => match value {
                "voice" => Self::SomeCalls,
                value if MESSAGES.contains(&value) => Self::NoCalls,
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    pub(super) fn are_calls(self) -> bool {
        matches!(self, Self::EveryCall | Self::SomeCalls | Self::NoCalls)
    }

    pub(super) fn includes_every_call(self) -> bool {
        matches!(self, Self::All | Self::EveryCall)
    }
}

/// Whether it is an attribute that names a task's channel, and nothing else.
fn is_of_a_channel(attribute: &str) -> bool {
    attribute.contains("channel")
        && attribute
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || b == b'_')
}

/// What stands in a pair of parentheses around all of it.
fn enclosed(expression: &str) -> Option<&str> {
    let inner = expression.strip_prefix('(')?.strip_suffix(')')?;
    let mut open = 0;
    let closes = |c: char| {
        open += depth(c);
        open < 0
    };
    (!inner.contains(closes)).then_some(inner)
}

/// The parts between a word that stands outside of all parentheses.
fn split<'a>(expression: &'a str, word: &str) -> impl Iterator<Item = &'a str> {
    let (mut open, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (at, c) in expression.char_indices() {
        open += depth(c);
        let (before, rest) = expression.split_at(at);
        let Some((found, behind)) = rest.split_at_checked(word.len()) else {
            continue;
        };
        let apart = before.ends_with([' ', ')']) && behind.starts_with([' ', '(']);
        if open == 0 && apart && found.eq_ignore_ascii_case(word) {
            parts.push(&expression[start..at]);
            start = at + word.len();
        }
    }
    parts.push(&expression[start..]);
    parts.into_iter()
}

fn depth(c: char) -> i32 {
    match c {
        '(' => 1,
        ')' => -1,
        _ => 0,
    }
}

/// Whether an expression of target workers selects nobody; `None` where that depends on the workers.
pub(crate) fn matches_nobody(expression: &str) -> Option<bool> {
    match expression.trim() {
        // Twilio: "If empty, Tasks will wait until deleted or moved".
        "" => Some(true),
        expression => equals_numbers(expression).map(|equal| !equal),
    }
}

/// Whether two numbers are equal that the expression compares; `None` where it compares something
/// else.
fn equals_numbers(expression: &str) -> Option<bool> {
    let (left, right) = expression
        .split_once("==")
        .or_else(|| expression.split_once('='))?;
    let number = |text: &str| text.trim().parse::<i64>().ok();
    Some(number(left)? == number(right)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_of_numbers_is_judged_and_others_are_not() {
        for (expression, expected) in [
            ("1==2", Some(true)),
            ("1 == 0", Some(true)),
            ("", Some(true)),
            ("1==1", Some(false)),
            ("1=1", Some(false)),
            ("routing.skills HAS \"sales\"", None),
            ("level == 3", None),
            ("level >= 3", None),
        ] {
            assert_eq!(matches_nobody(expression), expected, "{expression}");
        }
    }

    #[test]
    fn which_tasks_a_filter_takes_is_told_where_it_can_be() {
        for (expression, expected) in [
            ("1==1", Tasks::All),
            ("1==2", Tasks::NoCalls),
            ("call_sid CONTAINS \"CA\"", Tasks::EveryCall),
            ("(1==1) AND call_sid CONTAINS \"CA\"", Tasks::EveryCall),
            (
                "(vip == true) AND call_sid CONTAINS \"CA\"",
                Tasks::SomeCalls,
            ),
            ("channelType == 'voice' and vip == true", Tasks::SomeCalls),
            ("channelType == \"web\"", Tasks::NoCalls),
            ("channelType == \"web\" OR vip == true", Tasks::Unknown),
            (
                "(vip == true OR x == 1) AND call_sid CONTAINS 'CA'",
                Tasks::SomeCalls,
            ),
            ("(a == 1) AND (b == 2)", Tasks::Unknown),
            ("channelType != \"web\"", Tasks::Unknown),
            ("channelType == \"phone\"", Tasks::Unknown),
            ("NOT (channelType == \"web\")", Tasks::Unknown),
            ("direction == \"inbound\"", Tasks::Unknown),
            ("", Tasks::Unknown),
        ] {
            assert_eq!(Tasks::by(expression), expected, "{expression}");
        }
    }
}
