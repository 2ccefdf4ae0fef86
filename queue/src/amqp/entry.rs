//! What an entry of the log of intents looks like on the wire.

use crate::Intent;

const MARK: u8 = 0;
const INTENT: u8 = 1;

const ID: usize = size_of::<u128>();
const INCARNATION: usize = size_of::<u64>();

/// An entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Intent(Intent),
    /// Begins each reading: by it, the reader can tell its place later, and whether the log is still
    /// the one that it was.
    Mark(u128),
}

impl Entry {
    pub(super) fn id(&self) -> u128 {
        match self {
            Self::Intent(intent) => intent.id,
            Self::Mark(id) => *id,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let id = self.id().to_be_bytes();
        match self {
            Self::Intent(intent) => [
                &[INTENT],
                &id[..],
                &intent.incarnation.to_be_bytes(),
                intent.call_sid.as_str().as_bytes(),
            ]
            .concat(),
            Self::Mark(_) => [&[MARK], &id[..]].concat(),
        }
    }

    /// `None` where it is a stranger's, or of a later version.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (kind, rest) = body.split_first()?;
        let (id, rest) = rest.split_first_chunk::<ID>()?;
        let id = u128::from_be_bytes(*id);
        match *kind {
            MARK if rest.is_empty() => Some(Self::Mark(id)),
            INTENT => {
                let (incarnation, call_sid) = rest.split_first_chunk::<INCARNATION>()?;
                Some(Self::Intent(Intent {
                    id,
                    incarnation: u64::from_be_bytes(*incarnation),
                    call_sid: std::str::from_utf8(call_sid).ok()?.parse().ok()?,
                }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(
            id: u128,
            incarnation: u64,
            digits in "[0-9a-f]{32}",
        ) {
            let call_sid = format!("CA{digits}").parse().unwrap();
            let intent = Entry::Intent(Intent { id, incarnation, call_sid });
            prop_assert_eq!(Entry::decode(&intent.encode()), Some(intent));
            let mark = Entry::Mark(id);
            prop_assert_eq!(Entry::decode(&mark.encode()), Some(mark));
        }

        #[test]
        fn any_bytes_can_be_tried(body: Vec<u8>, kind in 0..3_u8) {
            let _ = Entry::decode(&body);
            let _ = Entry::decode(&[&[kind], &body[..]].concat());
        }
    }

    #[test]
    fn what_is_longer_or_shorter_than_ours_is_none_of_ours() {
        let mark = Entry::Mark(7).encode();
        assert_eq!(Entry::decode(&mark[1..]), None);
        assert_eq!(Entry::decode(&[&mark[..], &[0]].concat()), None);
        assert_eq!(Entry::decode(b""), None);
    }
}
