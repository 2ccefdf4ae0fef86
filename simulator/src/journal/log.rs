//! A log with a limited length.

use std::collections::VecDeque;

use serde::Serialize;

/// The newest entries of a growing log, up to a limit.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Log<T> {
    entries: VecDeque<T>,
    #[serde(skip)]
    forgotten: u64,
    #[serde(skip)]
    limit: usize,
}

/// The place of an entry in its log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogId(u64);

impl<T> Log<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            forgotten: 0,
            limit,
        }
    }

    pub(crate) fn push(&mut self, entry: T) -> LogId {
        self.entries.push_back(entry);
        let id = LogId(self.total() - 1);
        if self.entries.len() > self.limit {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        id
    }

    pub(crate) fn get_mut(&mut self, id: LogId) -> Option<&mut T> {
        let index = id.0.checked_sub(self.forgotten)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }

    pub(crate) fn total(&self) -> u64 {
        self.forgotten + self.entries.len() as u64
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_the_newest_and_counts_all() {
        let mut log = Log::new(2);
        let ids: Vec<_> = (0..3).map(|n| log.push(n)).collect();
        assert_eq!(log.iter().copied().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(log.total(), 3);
        assert_eq!(log.get_mut(ids[0]), None);
        assert_eq!(log.get_mut(ids[2]), Some(&mut 2));
    }
}
