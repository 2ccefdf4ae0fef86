//! Phone numbers in E.164 form, the only one that Twilio dials reliably.

use std::fmt;
use std::str::FromStr;

/// A phone number in E.164 form: `+`, then up to 15 digits of which the first is not 0
/// (ITU-T E.164, Twilio error 13224 for anything else).
///
/// `Debug` hides all but the last two digits, and there is no `Display`: a number is shown only
/// where a caller of [`E164::as_str`] means to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164 {
    /// Filled up with zeros.
    text: [u8; LONGEST],
    length: usize,
}

/// `+` and 15 digits.
const LONGEST: usize = 16;

/// Why a string is not an E.164 number. It doesn't repeat the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an E.164 number: expected + and 7 to 15 digits, the first not 0, no spaces, \
     for example +14155550100"
)]
pub struct InvalidE164;

impl E164 {
    /// The number as it is dialled, `+` included.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

impl FromStr for E164 {
    type Err = InvalidE164;

    fn from_str(text: &str) -> Result<Self, InvalidE164> {
        let digits = text.strip_prefix('+').ok_or(InvalidE164)?.as_bytes();
        let valid = (7..=15).contains(&digits.len())
            && digits[0] != b'0'
            && digits.iter().all(u8::is_ascii_digit);
        if !valid {
            return Err(InvalidE164);
        }
        let mut number = Self {
            text: [0; LONGEST],
            length: text.len(),
        };
        number.text[..text.len()].copy_from_slice(text.as_bytes());
        Ok(number)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+…{}", &self.as_str()[self.length - 2..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plus_and_digits_only() {
        for good in ["+14155550100", "+4930123456", "+123456789012345"] {
            assert_eq!(good.parse::<E164>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "+",
            "14155550100",
            "+04155550100",
            "+1 415 555 0100",
            "+1415555010a",
            "+1234567890123456",
            "+123456",
            "+１４１５５５５０１００",
            "+14155550100<",
        ] {
            assert!(bad.parse::<E164>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn debug_output_hides_the_number() {
        let number: E164 = "+14155550199".parse().unwrap();
        assert_eq!(format!("{number:?}"), "+…99");
    }
}
