//! The free slots of a region: those at hand in each lane, and the list of all others, which has a lock.
//!
//! ```text
//!   put    --> the thread's lane --(the longest there, when it is full)--> the list
//!   take   <-- the thread's lane, if a slot there has the memory that is wanted; else, holding the lock, the best of all
//! ```
//!
//! A thread that makes and releases instances by turns meets no other. With one thread, slots are in the order in which they became free,
//! in its lane as in the list.
//!
//! Invariants:
//! * slots go from lanes to the list and never back, so whoever holds the lock and looks at the list first and the lanes then, finds
//!   all that are free, but for what others are putting back at that moment;
//! * what is in the list is only touched by who holds the lock; a slot in a lane by nobody, apart from looking at its tenant.

use super::free::FreeSlots;
use super::parked::Lane;
use crate::error::Result;
use crate::lanes;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many slots of the list are looked at for one whose memory needs nothing.
const SLOTS_TO_LOOK_AT: usize = 16;

/// See the file's header.
#[derive(Debug)]
pub(super) struct Pool {
    list: Mutex<FreeSlots>,
    lanes: Vec<Lane>,
}

impl Pool {
    /// All slots are free.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn all(count: u32) -> Result<Pool> {
        Ok(Pool {
            list: Mutex::new(FreeSlots::all(count)?),
            lanes: lanes::one_for_each(Lane::new, "the list of free slots")?,
        })
    }

    fn mine(&self) -> Option<&Lane> {
        self.lanes.get(lanes::mine(self.lanes.len()))
    }

    /// Puts a slot back.
    pub fn put(&self, slot: u32) {
        let left_over = match self.mine() {
            Some(lane) => lane.put(slot),
            None => Some(slot),
        };
        if let Some(slot) = left_over {
            self.list().put(slot);
        }
    }

    /// Takes a slot: one whose memory is already that of `tenant`, else one that was nobody's, else any; of those that became free last,
    /// which are in the caches.
    pub fn take(&self, tenant: u64, tenant_of: impl Fn(u32) -> Option<u64>) -> Option<u32> {
        let of_tenant = |slot: u32| tenant_of(slot) == Some(tenant);
        self.mine()
            .and_then(|lane| lane.take(of_tenant))
            .or_else(|| self.take_best(tenant, tenant_of))
    }

    #[cold]
    fn take_best(&self, tenant: u64, tenant_of: impl Fn(u32) -> Option<u64>) -> Option<u32> {
        let mut list = self.list();
        let recent = list.len().saturating_sub(SLOTS_TO_LOOK_AT)..list.len();
        let listed = |list: &FreeSlots, wanted: u64| {
            let of = |index: usize| tenant_of(list.at(index)?);
            recent
                .clone()
                .rev()
                .find(|index| of(*index) == Some(wanted))
        };
        let parked = |wanted: &dyn Fn(u32) -> bool| {
            let others = || self.lanes.iter().find_map(|lane| lane.take(wanted));
            self.mine()
                .and_then(|lane| lane.take(wanted))
                .or_else(others)
        };
        if let Some(place) = listed(&list, tenant) {
            return list.take(place);
        }
        if let Some(slot) = parked(&|slot| tenant_of(slot) == Some(tenant)) {
            return Some(slot);
        }
        if let Some(slot) = parked(&|slot| tenant_of(slot) == Some(0)) {
            return Some(slot);
        }
        let place = listed(&list, 0).or(list.len().checked_sub(1));
        match place {
            Some(place) => list.take(place),
            None => parked(&|_| true),
        }
    }

    fn list(&self) -> MutexGuard<'_, FreeSlots> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list, with what is in the lanes at the end, for whoever is about to touch all that is free.
    pub fn gathered(&self) -> MutexGuard<'_, FreeSlots> {
        let mut list = self.list();
        self.gather(&mut list);
        list
    }

    fn gather(&self, list: &mut FreeSlots) {
        for slot in self.lanes.iter().flat_map(Lane::take_all) {
            list.put(slot);
        }
    }

    /// Hands the slots that have been free for longest, of those that have not been asked since, to `ask`, one after the other until it
    /// answers true. False: it never did.
    pub fn coldest(&self, mut ask: impl FnMut(u32) -> bool) -> bool {
        let mut list = self.list();
        for gathers in [false, true] {
            if gathers {
                self.gather(&mut list);
            }
            while let Some(slot) = list.coldest() {
                if ask(slot) {
                    return true;
                }
            }
        }
        false
    }

    /// How many there are, but for those that others are putting back or taking.
    pub fn len(&self) -> usize {
        let list = self.list();
        list.len() + self.lanes.iter().map(Lane::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODYS: u64 = 0;

    fn taken(pool: &Pool, tenants: &[u64], tenant: u64) -> Option<u32> {
        pool.take(tenant, |slot| tenants.get(slot as usize).copied())
    }

    #[test]
    fn slots_come_back_in_the_order_in_which_they_became_free() {
        let pool = Pool::all(6).expect("memory");
        let tenants = [NOBODYS; 6];
        let all: Vec<_> = (0..6).filter_map(|_| taken(&pool, &tenants, 7)).collect();
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
        assert_eq!(taken(&pool, &tenants, 7), None);
        all.iter().for_each(|slot| pool.put(*slot));
        assert_eq!(pool.len(), 6);
        let again: Vec<_> = (0..6).filter_map(|_| taken(&pool, &tenants, 0)).collect();
        assert_eq!(again, [5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn the_memory_that_is_wanted_comes_first_wherever_it_is() {
        let pool = Pool::all(6).expect("memory");
        let tenants = [1, 2, 1, 2, 0, 3];
        (0..6).for_each(|_| assert!(taken(&pool, &[9; 6], 9).is_some()));
        (0..6).for_each(|slot| pool.put(slot));
        // 3, 4 and 5 are at hand.
        assert_eq!(taken(&pool, &tenants, 2), Some(3));
        assert_eq!(taken(&pool, &tenants, 2), Some(1));
        assert_eq!(taken(&pool, &tenants, 2), Some(4));
        assert_eq!(taken(&pool, &tenants, 3), Some(5));
        assert_eq!(taken(&pool, &tenants, 3), Some(2));
        pool.put(2);
        std::thread::scope(|scope| {
            let theirs = scope.spawn(|| [taken(&pool, &tenants, 1), taken(&pool, &tenants, 1)]);
            // In that thread's order: the list before another thread's lane.
            assert_eq!(theirs.join().ok(), Some([Some(0), Some(2)]));
        });
        assert_eq!((taken(&pool, &tenants, 1), pool.len()), (None, 0));
    }

    #[test]
    fn the_coldest_are_asked_first_and_once() {
        let pool = Pool::all(5).expect("memory");
        (0..5).for_each(|_| assert!(taken(&pool, &[9; 5], 9).is_some()));
        [4, 0, 3, 1, 2].iter().for_each(|slot| pool.put(*slot));
        let mut asked = Vec::new();
        assert!(!pool.coldest(|slot| {
            asked.push(slot);
            false
        }));
        assert_eq!(asked, [4, 0, 3, 1, 2]);
        assert!(!pool.coldest(|_| true));
        assert_eq!(pool.gathered().len(), 5);
    }

    #[test]
    fn threads_never_have_the_same_slot() {
        let pool = Pool::all(4).expect("memory");
        let had: [std::sync::atomic::AtomicBool; 4] = Default::default();
        let order = std::sync::atomic::Ordering::Relaxed;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..20_000u64 {
                        let slot = pool.take(round % 3, |slot| Some(u64::from(slot % 3)));
                        let slot = slot.expect("four threads, four slots");
                        let mark = &had[slot as usize];
                        assert!(!mark.swap(true, order), "twice");
                        if round % 64 == 0 {
                            drop(pool.gathered());
                        }
                        assert!(mark.swap(false, order), "not had");
                        pool.put(slot);
                    }
                });
            }
        });
        assert_eq!(pool.len(), 4);
    }
}
