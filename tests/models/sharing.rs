//! What threads that make and release instances at the same time share, under loom: the count of those who use a module or a region, and
//! the free slots at hand.
//!
//! `lanes/tally.rs` and `region/parked.rs` are the library's own files, compiled here with loom's atomics.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use loom::thread;

#[path = "../../src/region/parked.rs"]
mod parked;
#[path = "../../src/lanes/tally.rs"]
mod tally;

use parked::Lane;
use tally::{Line, Tally};

/// A value that is ended by one of those who use it: loom's cell finds out when others may still be looking.
struct Value {
    tally: Tally,
    alive: UnsafeCell<bool>,
}

fn value(lanes: usize) -> Arc<Value> {
    Arc::new(Value {
        tally: Tally::new((0..lanes).map(|_| Line::new()).collect()),
        alive: UnsafeCell::new(true),
    })
}

impl Value {
    fn look(&self) {
        // SAFETY: loom's cell: the pointer is checked against what other threads do.
        self.alive.with(|alive| assert!(unsafe { *alive }));
    }

    /// One who finds that nobody is left.
    fn end(&self, last: bool) -> bool {
        if last {
            // SAFETY: as above.
            self.alive.with_mut(|alive| unsafe { *alive = false });
        }
        last
    }
}

/// Users that leave where they came in or elsewhere, and an owner that goes meanwhile: one of them is the last.
fn ends_once(lanes: usize, came_in: [usize; 2], leave_in: [usize; 2]) {
    loom::model(move || {
        let value = value(lanes);
        assert_eq!(value.tally.lanes(), lanes);
        for lane in came_in {
            value.tally.enter(lane);
        }
        let users = leave_in.map(|lane| {
            let value = Arc::clone(&value);
            thread::spawn(move || {
                value.look();
                value.end(value.tally.leave(lane))
            })
        });
        value.look();
        let closed = value.end(value.tally.close());
        let left = users.map(|user| user.join().expect("a user"));
        let last = left.into_iter().chain([closed]).filter(|last| *last);
        assert_eq!(last.count(), 1);
    });
}

#[test]
fn a_shared_value_ends_once_and_after_everything() {
    ends_once(1, [0, 0], [0, 0]);
    ends_once(2, [0, 1], [0, 1]);
    ends_once(2, [0, 1], [1, 0]);
    ends_once(2, [0, 0], [1, 1]);
}

#[test]
fn who_enters_while_the_owner_is_there_keeps_the_value() {
    loom::model(|| {
        let value = value(2);
        let other = thread::spawn({
            let value = Arc::clone(&value);
            // The owner waits for this thread before it goes, as a host does that has threads make instances.
            move || value.tally.enter(1)
        });
        value.tally.enter(0);
        let early = value.tally.leave(0);
        other.join().expect("the other thread");
        let closed = value.tally.close();
        value.look();
        assert!(!early && !closed && value.tally.leave(0));
    });
}

/// Slots, and what their owners do to them: loom's cells find out when two have the same.
struct Slots {
    lane: Lane,
    touched: [UnsafeCell<u32>; 4],
}

impl Slots {
    fn use_slot(&self, slot: u32) {
        // SAFETY: loom's cell: the pointer is checked against what other threads do.
        self.touched[slot as usize].with_mut(|count| unsafe { *count += 1 });
    }
}

fn slots(parked: &[u32]) -> Arc<Slots> {
    let slots = Slots {
        lane: Lane::new(),
        touched: std::array::from_fn(|_| UnsafeCell::new(0)),
    };
    for slot in parked {
        assert_eq!(slots.lane.put(*slot), None);
    }
    Arc::new(slots)
}

/// What two threads that share a lane, or one that gathers, have in the end, and what is left.
fn meet(
    parked: &[u32],
    first: impl Fn(&Slots) -> Vec<u32> + Copy + Send + Sync + 'static,
    second: impl Fn(&Slots) -> Vec<u32> + Copy + Send + Sync + 'static,
) {
    let parked = parked.to_vec();
    let mut all = parked.clone();
    all.push(3);
    loom::model(move || {
        let slots = slots(&parked);
        let other = thread::spawn({
            let slots = Arc::clone(&slots);
            move || second(&slots)
        });
        let mut had = first(&slots);
        had.extend(other.join().expect("the other thread"));
        had.extend(slots.lane.take_all());
        assert_eq!(slots.lane.len(), 0);
        had.sort_unstable();
        assert_eq!(had, all);
    });
}

fn take(slots: &Slots, wanted: impl Fn(u32) -> bool) -> Vec<u32> {
    let taken = slots.lane.take(wanted);
    taken.iter().for_each(|slot| slots.use_slot(*slot));
    taken.into_iter().collect()
}

/// Slot 3 comes back to the lane; another may have to leave.
fn give(slots: &Slots) -> Vec<u32> {
    slots.use_slot(3);
    let left_over = slots.lane.put(3);
    left_over.iter().for_each(|slot| slots.use_slot(*slot));
    left_over.into_iter().collect()
}

#[test]
fn a_slot_at_hand_is_had_once() {
    for parked in [&[][..], &[0], &[0, 1], &[0, 1, 2]] {
        meet(parked, give, |slots| take(slots, |_| true));
        meet(parked, give, |slots| take(slots, |slot| slot == 0));
        meet(parked, give, |slots| {
            let all: Vec<_> = slots.lane.take_all().collect();
            all.iter().for_each(|slot| slots.use_slot(*slot));
            all
        });
    }
}

#[test]
fn a_slot_that_comes_back_at_once_is_had_once() {
    // Taken and put back by one while the other is about to take: the word is the same as before.
    let again = |slots: &Slots| {
        let taken = take(slots, |_| true);
        let left_over = taken.iter().filter_map(|slot| slots.lane.put(*slot));
        let mut all: Vec<_> = left_over.collect();
        all.extend(give(slots));
        all
    };
    meet(&[0], again, |slots| take(slots, |_| true));
    meet(&[0, 1], again, |slots| take(slots, |slot| slot == 0));
}
