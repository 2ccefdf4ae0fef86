//! Which tasks an expression takes, as far as that can be told without the tasks.

use serde_json::Value;

/// What a call's task has, and no other: Twilio puts it into the attributes.
const CALL: &str = "call_sid CONTAINS \"CA\"";

/// The attributes that name a task's channel. Others are everybody's own.
const CHANNEL: [&str; 4] = [
    "channel",
    "channelType",
    "channel_type",
    "task_channel_unique_name",
];

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

/// How many of a kind of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    None,
    /// Those of a channel of which nobody knows what it carries.
    OfSomeChannel,
    /// Some, or nobody can tell without them.
    Some,
    All,
}

/// Which tasks a filter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tasks {
    calls: Share,
    others: Share,
}

impl Tasks {
    const NONE: Self = Self::new(Share::None, Share::None);
    const ALL: Self = Self::new(Share::All, Share::All);
    const UNKNOWN: Self = Self::new(Share::Some, Share::Some);

    const fn new(calls: Share, others: Share) -> Self {
        Self { calls, others }
    }

    pub(super) fn of(filter: &Value) -> Self {
        Self::by(super::expression(filter))
    }

    fn by(expression: &str) -> Self {
        let expression = expression.trim();
        if let Some(inner) = enclosed(expression) {
            return Self::by(inner);
        }
        // How far it reaches isn't documented.
        if split(&format!(" {expression}"), "NOT").nth(1).is_some() {
            return Self::UNKNOWN;
        }
        if split(expression, "OR").nth(1).is_some() {
            return split(expression, "OR")
                .map(Self::by)
                .fold(Self::NONE, Self::or);
        }
        if split(expression, "AND").nth(1).is_some() {
            return split(expression, "AND")
                .map(Self::by)
                .fold(Self::ALL, Self::and);
        }
        Self::by_comparison(expression)
    }

    fn or(self, other: Self) -> Self {
        Self::new(self.calls.max(other.calls), self.others.max(other.others))
    }

    fn and(self, other: Self) -> Self {
        Self::new(self.calls.min(other.calls), self.others.min(other.others))
    }

    fn by_comparison(text: &str) -> Self {
        if let Some(equal) = equals_numbers(text) {
            return if equal { Self::ALL } else { Self::NONE };
        }
        let plain: String = text.chars().filter(|c| !"\"' ".contains(*c)).collect();
        let plain = plain.to_ascii_lowercase();
        if plain == "call_sidcontainsca" || plain == "call_sid!=null" {
            return Self::new(Share::All, Share::None);
        }
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let (attribute, rest) = text.split_at(end.unwrap_or(text.len()));
        if !CHANNEL.contains(&attribute) {
            return Self::UNKNOWN;
        }
        let rest = rest.trim_start();
        if let Some(value) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
            return Self::of_channel(value);
        }
        let list = rest.split_at_checked(2);
        match list.filter(|(word, _)| word.eq_ignore_ascii_case("IN")) {
            Some((_, list)) => list
                .trim_matches(['[', ']', ' '])
                .split(',')
                .map(Self::of_channel)
                .fold(Self::NONE, Self::or),
            None => Self::UNKNOWN,
        }
    }

    fn of_channel(name: &str) -> Self {
        let name = name.trim().trim_matches(['"', '\'']);
        match name.to_ascii_lowercase().as_str() {
            "voice" => Self::new(Share::Some, Share::None),
            name if MESSAGES.contains(&name) => Self::new(Share::None, Share::Some),
            _ => Self::new(Share::OfSomeChannel, Share::Some),
        }
    }

    pub(super) fn includes_all(self) -> bool {
        self == Self::ALL
    }

    pub(super) fn includes_every_call(self) -> bool {
        self.calls == Share::All
    }

    /// Whether it certainly takes calls: all of them, or nothing else.
    pub(super) fn includes_calls(self) -> bool {
        self.includes_every_call() || self.includes_calls_at_most() && self.is_known_for_calls()
    }

    pub(super) fn includes_no_call(self) -> bool {
        self.calls == Share::None
    }

    /// Whether it takes calls, as far as anybody can tell.
    pub(super) fn is_known_for_calls(self) -> bool {
        self.calls > Share::OfSomeChannel
    }

    /// Whether it takes no message, or whatever else is no call.
    pub(super) fn includes_calls_at_most(self) -> bool {
        self.others == Share::None
    }
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
        use super::Share::{All, None, OfSomeChannel, Some};
        let unknown = Tasks::new(Some, Some);
        let some_calls = Tasks::new(Some, None);
        let own_channel = Tasks::new(OfSomeChannel, Some);
        let (every_call, messages) = (Tasks::new(All, None), Tasks::new(None, Some));
        for (expression, expected) in [
            ("1==1", Tasks::new(All, All)),
            ("1==2", Tasks::new(None, None)),
            ("call_sid CONTAINS \"CA\"", every_call),
            ("(1==1) AND call_sid CONTAINS \"CA\"", every_call),
            ("(vip == true) AND call_sid CONTAINS \"CA\"", some_calls),
            ("channelType == 'voice' and vip == true", some_calls),
            ("channelType == \"web\"", messages),
            ("channelType == \"web\" OR vip == true", unknown),
            (
                "channelType == \"voice\" OR channelType == \"web\"",
                unknown,
            ),
            (
                "call_sid CONTAINS \"CA\" OR channelType == \"web\"",
                Tasks::new(All, Some),
            ),
            ("call_sid CONTAINS \"CA\" OR 1==2", every_call),
            ("channel_type == 'sms' OR channelType == 'web'", messages),
            (
                "(vip == true OR x == 1) AND call_sid CONTAINS 'CA'",
                some_calls,
            ),
            ("(a == 1) AND (b == 2)", unknown),
            ("channelType != \"web\"", unknown),
            ("channelType == \"phone\"", own_channel),
            (
                "(channelType == 'phone') AND call_sid CONTAINS 'CA'",
                Tasks::new(OfSomeChannel, None),
            ),
            ("channelType IN [\"web\", 'sms']", messages),
            ("channelType in ['voice']", some_calls),
            ("(channelType IN ['voice','chat'])", unknown),
            ("channelType IN ['phone', 'chat']", own_channel),
            ("channelType NOT IN ['web']", unknown),
            ("language IN ['de', 'en']", unknown),
            ("marketing_channel == \"facebook\"", unknown),
            ("channel == \"sms\"", messages),
            ("NOT channelType == \"web\"", unknown),
            ("NOT (channelType == \"web\")", unknown),
            (
                "NOT channelType == 'web' AND call_sid CONTAINS 'CA'",
                unknown,
            ),
            (
                "(NOT channelType == 'web') AND call_sid CONTAINS 'CA'",
                some_calls,
            ),
            ("direction == \"inbound\"", unknown),
            ("", unknown),
        ] {
            assert_eq!(Tasks::by(expression), expected, "{expression}");
        }
    }
}
