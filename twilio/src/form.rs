//! A form, as bodies of callbacks and queries are.

use std::ops::Range;

/// The decoded parameters of a form, in the order sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormParams {
    /// Each name, followed by its value.
    text: String,
    /// Where they are in the text.
    pairs: Vec<Pair>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    name: Range<usize>,
    /// It begins where the name ends.
    end: usize,
}

impl FormParams {
    /// Decodes `application/x-www-form-urlencoded`. Every input is a form of some kind, so this
    /// can't fail.
    ///
    /// All of it goes into one buffer, for each callback is read so: the library's own parser, which
    /// decides where bytes are not UTF-8, makes a string of each name and value.
    pub fn parse(form: &[u8]) -> Self {
        let mut text = Vec::with_capacity(form.len());
        let mut pairs = Vec::with_capacity(32);
        for pair in form
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let equals = pair.iter().position(|&byte| byte == b'=');
            let (name, value) = pair.split_at(equals.unwrap_or(pair.len()));
            let start = text.len();
            decode(name, &mut text);
            let name = start..text.len();
            decode(value.get(1..).unwrap_or_default(), &mut text);
            let end = text.len();
            pairs.push(Pair { name, end });
        }
        match String::from_utf8(text) {
            Ok(text) if pairs.iter().all(|pair| pair.is_of(&text)) => Self { text, pairs },
            _ => form_urlencoded::parse(form).collect(),
        }
    }

    /// The first value of the parameter `name`, if it is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(n, v)| *n == name && !v.is_empty())
            .map(|(_, v)| v)
    }

    /// Each parameter.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let of = |range: Range<usize>| &self.text[range];
        self.pairs
            .iter()
            .map(move |pair| (of(pair.name.clone()), of(pair.name.end..pair.end)))
    }

    /// Each parameter's name and value in one, as they are signed, and the name.
    pub(crate) fn signed(&self) -> impl Iterator<Item = (&str, &str)> {
        let of = |range: Range<usize>| &self.text[range];
        self.pairs
            .iter()
            .map(move |pair| (of(pair.name.start..pair.end), of(pair.name.clone())))
    }

    /// Sorted by name, then value, each distinct pair once: the order in which they are signed.
    pub(crate) fn canonical(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<_> = self.iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }
}

impl Pair {
    /// Whether it lies between characters.
    fn is_of(&self, text: &str) -> bool {
        text.is_char_boundary(self.name.end) && text.is_char_boundary(self.end)
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for FormParams {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            let start = form.text.len();
            form.text.push_str(name.as_ref());
            let name = start..form.text.len();
            form.text.push_str(value.as_ref());
            let end = form.text.len();
            form.pairs.push(Pair { name, end });
        }
        form
    }
}

fn decode(mut encoded: &[u8], text: &mut Vec<u8>) {
    while let Some(at) = encoded.iter().position(|byte| matches!(byte, b'%' | b'+')) {
        text.extend_from_slice(&encoded[..at]);
        let (byte, length) = match encoded[at..] {
            [b'+', ..] => (b' ', 1),
            [_, high, low, ..] => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'%', 1),
            },
            _ => (b'%', 1),
        };
        text.push(byte);
        encoded = &encoded[at + length..];
    }
    text.extend_from_slice(encoded);
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn as_the_library_reads(form: &[u8]) -> FormParams {
        form_urlencoded::parse(form).collect()
    }

    #[test]
    fn what_is_no_utf_8_is_read_as_the_library_reads_it() {
        for form in [
            "a=%E4&b=2",
            "a%C3=%A9",
            "a=%C3&%A9=b",
            "=&&=b&c",
            "a=%&b=%4&c=%zz",
            "a=b=c",
            "%",
            "+",
            "",
        ] {
            let form = form.as_bytes();
            assert_eq!(FormParams::parse(form), as_the_library_reads(form));
        }
    }

    proptest! {
        #[test]
        fn any_form_is_read_as_the_library_reads_it(form in "([a%+=&é]|%[0-9A-Fa-f]{2}){0,40}") {
            let form = form.as_bytes();
            prop_assert_eq!(FormParams::parse(form), as_the_library_reads(form));
        }

        #[test]
        fn any_bytes_are_read_as_the_library_reads_them(form: Vec<u8>) {
            prop_assert_eq!(FormParams::parse(&form), as_the_library_reads(&form));
        }
    }
}
