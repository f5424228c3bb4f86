//! The stop word under loom: every order in which the operations of two or three threads can meet, with every value that a load may
//! see by the memory model, and not only those that a test happens upon.
//!
//! `word.rs` is the library's own file, compiled here with loom's atomics. What is around it is written again, as short as it is in
//! the library: the guest's look at the word (the trampolines, in assembly), the killer's look at the state (`instance::kill`), and
//! taking a guest that waits (`instance::waiting`). `membarrier` by one side is, for loom, a fence on both: that is what it promises.
//!
//! Not here: the same races with real threads and signals, which are `tests/stopping`'s.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{Ordering, fence};
use loom::thread;
use lucet::control::{state, stop};

#[path = "../../src/control/word.rs"]
mod word;

use word::Word;

/// Loom's, but for plain stores. A compare-and-exchange that came before a store may come after it in loom's order of modifications, although
/// it has not read what was stored; exchanges have their place there, and say nothing more.
#[derive(Debug)]
struct AtomicU64(loom::sync::atomic::AtomicU64);

impl AtomicU64 {
    fn new(value: u64) -> AtomicU64 {
        AtomicU64(loom::sync::atomic::AtomicU64::new(value))
    }

    fn store(&self, value: u64, order: Ordering) {
        self.0.swap(value, order);
    }
}

impl std::ops::Deref for AtomicU64 {
    type Target = loom::sync::atomic::AtomicU64;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

const GUEST: u64 = state::GUEST as u64;
const HOST: u64 = state::HOST as u64;
const STOPPED: u64 = state::STOPPED as u64;
const SUSPENDED: u64 = state::SUSPENDED as u64;
const ENTERING: u64 = state::ENTERING as u64;

/// With loom's own stores for what is only stored and loaded.
struct Slot {
    word: Word,
    state: loom::sync::atomic::AtomicU64,
    reason: loom::sync::atomic::AtomicU64,
}

/// A slot in incarnation 1.
fn slot(state: u64) -> Arc<Slot> {
    Arc::new(Slot {
        word: Word(AtomicU64::new(1 << stop::INCARNATION)),
        state: loom::sync::atomic::AtomicU64::new(state),
        reason: loom::sync::atomic::AtomicU64::new(0),
    })
}

fn mark(slot: &Slot, incarnation: u64, reason: u64) -> bool {
    slot.word.mark(
        incarnation,
        || slot.state.load(Ordering::Acquire) == STOPPED,
        || slot.reason.store(reason, Ordering::Relaxed),
    )
}

/// A host function returns while a kill comes: the guest sees the mark, or the killer sees the guest, and signals its thread.
fn a_kill_meets_a_return(barrier: bool) {
    loom::model(move || {
        let slot = slot(HOST);
        let guest = thread::spawn({
            let slot = Arc::clone(&slot);
            move || {
                slot.state.store(GUEST, Ordering::Release);
                if barrier {
                    fence(Ordering::SeqCst);
                }
                slot.word.stops() != 0
            }
        });
        assert!(mark(&slot, 1, 7));
        if barrier {
            fence(Ordering::SeqCst);
        }
        let signalled = slot.state.load(Ordering::Acquire) == GUEST;
        let left = guest.join().expect("a guest");
        assert!(left || signalled, "the kill is lost");
    });
}

#[test]
fn a_kill_and_a_return_do_not_miss_each_other() {
    a_kill_meets_a_return(true);
}

/// What the barrier is for; and that these models can find something.
#[test]
#[should_panic(expected = "the kill is lost")]
fn without_a_barrier_they_do() {
    a_kill_meets_a_return(false);
}

/// Renewal by reset and release: a kill on its way to the incarnation before does not arrive at this one, and one that was meant for this one
/// does, whatever the other does meanwhile.
#[test]
fn kills_meet_the_incarnation_that_was_meant() {
    loom::model(|| {
        let slot = slot(HOST);
        let late = thread::spawn({
            let slot = Arc::clone(&slot);
            move || mark(&slot, 1, 7)
        });
        slot.word.reincarnate();
        let present = thread::spawn({
            let slot = Arc::clone(&slot);
            move || mark(&slot, 2, 8)
        });
        assert!(present.join().expect("a killer"), "refused");
        late.join().expect("a killer");
        assert_eq!(slot.word.stops(), stop::KILL);
        assert_eq!(slot.word.incarnation(), 2);
        slot.word.reincarnate();
        assert_eq!(slot.word.stops(), 0);
    });
}

#[test]
fn a_kill_of_the_past_leaves_nothing() {
    loom::model(|| {
        let slot = slot(HOST);
        let late = thread::spawn({
            let slot = Arc::clone(&slot);
            move || mark(&slot, 1, 7)
        });
        slot.word.reincarnate();
        late.join().expect("a killer");
        assert_eq!((slot.word.stops(), slot.word.incarnation()), (0, 2));
    });
}

/// A slice ends, or a deadline passes, and is taken back at the exit because the guest has returned: a kill at any of these moments stays.
#[test]
fn a_kill_survives_the_end_of_a_slice_and_of_the_run() {
    loom::model(|| {
        let slot = slot(GUEST);
        let killer = thread::spawn({
            let slot = Arc::clone(&slot);
            move || mark(&slot, 1, 7)
        });
        slot.word.raise(stop::SLICE);
        slot.word.lower(stop::TIMES);
        slot.word.raise(stop::REQUEST);
        slot.word.lower(stop::REQUEST);
        assert!(killer.join().expect("a killer"));
        assert_eq!(slot.word.stops(), stop::KILL);
    });
}

/// Who sees a kill sees the reason of one of the killers.
#[test]
fn a_kill_comes_with_a_reason() {
    loom::model(|| {
        let slot = slot(GUEST);
        let killers = [7, 8].map(|reason| {
            let slot = Arc::clone(&slot);
            thread::spawn(move || mark(&slot, 1, reason))
        });
        if slot.word.stops() & stop::KILL != 0 {
            assert_ne!(slot.reason.load(Ordering::Relaxed), 0);
        }
        for killer in killers {
            assert!(killer.join().expect("a killer"));
        }
        assert!([7, 8].contains(&slot.reason.load(Ordering::Relaxed)));
    });
}

/// A run that was suspended publishes its state last: of two who want to resume it one gets it, and finds everything written down. Loom
/// reports a read of the cell that could meet the write.
#[test]
fn one_resume_gets_what_waits() {
    loom::model(|| {
        let slot = slot(GUEST);
        let saved = Arc::new(UnsafeCell::new(0));
        let resumes = [(); 2].map(|()| {
            let (slot, saved) = (Arc::clone(&slot), Arc::clone(&saved));
            thread::spawn(move || {
                let taken = slot.state.compare_exchange(
                    SUSPENDED,
                    ENTERING,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                );
                taken.is_ok().then(|| {
                    // SAFETY: the state was taken from the thread that wrote.
                    saved.with_mut(|place| unsafe { std::mem::replace(&mut *place, 0) })
                })
            })
        });
        // SAFETY: the guest runs here, so the cell is this thread's.
        saved.with_mut(|place| unsafe { *place = 42 });
        slot.state.store(SUSPENDED, Ordering::Release);
        let taken = resumes.map(|resume| resume.join().expect("a resume"));
        let taken: Vec<i32> = taken.into_iter().flatten().collect();
        assert!(taken.is_empty() || taken == [42], "{taken:?}");
    });
}
