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
        let mut text = vec![0; form.len()];
        let mut pairs = Vec::with_capacity(32);
        let mut end = 0;
        for pair in form
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let start = end;
            let mut name_end = None;
            let mut rest = pair;
            while let [byte, after @ ..] = rest {
                rest = after;
                text[end] = match (byte, after) {
                    (b'=', _) if name_end.is_none() => {
                        name_end = Some(end);
                        continue;
                    }
                    (b'+', _) => b' ',
                    (b'%', [high, low, after @ ..]) if is_hex(*high) && is_hex(*low) => {
                        rest = after;
                        DIGITS[usize::from(*high)] << 4 | DIGITS[usize::from(*low)]
                    }
                    _ => *byte,
                };
                end += 1;
            }
            let name = start..name_end.unwrap_or(end);
            pairs.push(Pair { name, end });
        }
        text.truncate(end);
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

const NONE: u8 = u8::MAX;

/// What each byte is worth as a hexadecimal digit.
const DIGITS: [u8; 256] = {
    let mut digits = [NONE; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

fn is_hex(byte: u8) -> bool {
    DIGITS[usize::from(byte)] != NONE
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
