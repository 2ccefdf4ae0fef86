//! Leases by name.

use super::shared::{Failure, Handle};
use super::work::{Verdict, Work};
use crate::Lock;

pub(super) struct SqliteLease {
    name: String,
    /// Tells it from a later lease of the same name.
    ticket: i64,
    owner: i64,
    handle: Handle,
}

impl SqliteLease {
    pub(super) async fn take(
        name: &str,
        ticket: i64,
        handle: Handle,
    ) -> Result<Option<Self>, Failure> {
        // Made before it is asked for: should the caller go away meanwhile, its drop gives back
        // what was taken for it.
        let mut lease = Self {
            name: name.to_owned(),
            ticket,
            owner: 0,
            handle,
        };
        let work = Work::TakeLease {
            name: name.to_owned(),
            ticket,
        };
        let verdict = lease.handle.perform(work, None).await?;
        Ok(match verdict {
            Verdict::Leased(owner) => {
                lease.owner = owner;
                Some(lease)
            }
            _ => None,
        })
    }
}

impl Lock for SqliteLease {
    fn is_lost(&self) -> bool {
        self.handle.state().may_be_lost(self.owner)
    }
}

impl Drop for SqliteLease {
    fn drop(&mut self) {
        self.handle.perform_later(Work::ReturnLease {
            name: std::mem::take(&mut self.name),
            ticket: self.ticket,
        });
    }
}
