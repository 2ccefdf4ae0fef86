//! A map that remembers the order of insertion, as Twilio's lists do.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use serde::{Serialize, Serializer};

/// Resources by SID, listed oldest first; each has a sequence number that is never used again.
#[derive(Debug, Clone)]
pub(crate) struct Ordered<K, V> {
    sequence: u64,
    by_key: HashMap<K, u64>,
    in_order: BTreeMap<u64, (K, V)>,
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self {
            sequence: 0,
            by_key: HashMap::new(),
            in_order: BTreeMap::new(),
        }
    }
}

impl<K: Hash + Eq + Copy, V> Ordered<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.sequence += 1;
        if let Some(replaced) = self.by_key.insert(key, self.sequence) {
            self.in_order.remove(&replaced);
        }
        self.in_order.insert(self.sequence, (key, value));
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        Some(&self.in_order.get(self.by_key.get(key)?)?.1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        Some(&mut self.in_order.get_mut(self.by_key.get(key)?)?.1)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        Some(self.in_order.remove(&self.by_key.remove(key)?)?.1)
    }

    pub(crate) fn len(&self) -> usize {
        self.in_order.len()
    }

    /// How many were inserted before `key` and are still here.
    pub(crate) fn rank(&self, key: &K) -> Option<usize> {
        let sequence = self.by_key.get(key)?;
        Some(self.in_order.range(..sequence).count())
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.in_order.values().map(|(_, value)| value)
    }

    /// For serde: the values as a sequence.
    pub(crate) fn serialize_values<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>
    where
        V: Serialize,
    {
        to.collect_seq(self.values())
    }

    /// Oldest first, with their sequence numbers and keys.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (u64, &K, &V)> {
        let entries = self.in_order.iter();
        entries.map(|(number, (key, value))| (*number, key, value))
    }
}
