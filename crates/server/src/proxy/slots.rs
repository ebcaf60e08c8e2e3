//! How many requests of one tenant may be under way at once on this replica.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::instances::InUse;

#[derive(Debug)]
pub(super) struct Slots {
    per_tenant: usize,
    taken: Mutex<HashMap<Arc<str>, usize>>,
}

/// A place among the tenant's requests under way, free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    tenant: Arc<str>,
    in_use: Option<InUse>,
}

impl Slots {
    pub(super) fn new(per_tenant: usize) -> Arc<Self> {
        Arc::new(Self {
            per_tenant,
            taken: Mutex::new(HashMap::new()),
        })
    }

    /// Takes a place for the tenant, if one is free.
    pub(super) fn take(self: &Arc<Self>, tenant: &str) -> Option<Slot> {
        let tenant: Arc<str> = tenant.into();
        let mut taken = self.lock();
        let count = taken.entry(Arc::clone(&tenant)).or_default();
        if *count >= self.per_tenant {
            return None;
        }
        *count += 1;
        Some(Slot {
            slots: Arc::clone(self),
            tenant,
            in_use: None,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Keeps the instance awake for as long as the place is taken.
    pub(super) fn keep(&mut self, in_use: Option<InUse>) {
        self.in_use = in_use;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        if let Some(count) = taken.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_so_many_places_and_takes_nobody_elses() {
        let slots = Slots::new(2);
        let first = slots.take("a").unwrap();
        let second = slots.take("a").unwrap();
        assert!(slots.take("a").is_none());
        assert!(slots.take("b").is_some());
        drop(first);
        let third = slots.take("a").unwrap();
        assert!(slots.take("a").is_none());
        drop((second, third));
        assert!(slots.lock().is_empty(), "nothing is kept for the absent");
    }
}
