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
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;
use lucet::control::{state, stop};

#[path = "../../src/control/word.rs"]
mod word;

use word::Word;

mod sharing;

/// `control::Pair` for loom, which knows nothing wider than 64 bits: the first word in the low half of one, the second in the high half. So
/// both are of one moment more often than in the library, which reads one after the other and finds out by the exchange.
///
/// Plain stores are exchanges. A compare-and-exchange that came before a store may come after it in loom's order of modifications,
/// although it has not read what was stored; exchanges have their place there, and say nothing more.
#[derive(Debug)]
pub(crate) struct Pair(AtomicU64);

impl Pair {
    fn new(first: u64, second: u64) -> Pair {
        Pair(AtomicU64::new(joined([first, second])))
    }

    fn first(&self) -> u64 {
        split(self.0.load(Ordering::Acquire))[0]
    }

    /// Not a load: loom remembers of each location the last access, so that a thread which loads and then exchanges hides what others have
    /// loaded before, and orders are not tried.
    fn both(&self) -> [u64; 2] {
        split(self.0.fetch_or(0, Ordering::Acquire))
    }

    fn set_bits(&self, bits: u64) {
        self.0.fetch_or(bits, Ordering::AcqRel);
    }

    fn clear_bits(&self, bits: u64) {
        self.0.fetch_and(!bits, Ordering::AcqRel);
    }

    fn set_first(&self, first: u64) {
        let with = |both| Some(joined([first, split(both)[1]]));
        let set = self
            .0
            .fetch_update(Ordering::Release, Ordering::Relaxed, with);
        assert!(set.is_ok(), "never refused");
    }

    fn exchange(&self, expected: [u64; 2], new: [u64; 2]) -> Result<(), [u64; 2]> {
        let (expected, new) = (joined(expected), joined(new));
        self.0
            .compare_exchange(expected, new, Ordering::AcqRel, Ordering::Acquire)
            .map_or_else(|now| Err(split(now)), |_| Ok(()))
    }
}

fn joined([first, second]: [u64; 2]) -> u64 {
    assert!(first >> 32 == 0 && second >> 32 == 0, "more than a half");
    second << 32 | first
}

fn split(both: u64) -> [u64; 2] {
    [both & 0xffff_ffff, both >> 32]
}

const GUEST: u64 = state::GUEST as u64;
const HOST: u64 = state::HOST as u64;
const STOPPED: u64 = state::STOPPED as u64;
const SUSPENDED: u64 = state::SUSPENDED as u64;
const ENTERING: u64 = state::ENTERING as u64;

struct Slot {
    word: Word,
    state: AtomicU64,
}

/// A slot in incarnation 1.
fn slot(state: u64) -> Arc<Slot> {
    Arc::new(Slot {
        word: Word(Pair::new(1 << stop::INCARNATION, 0)),
        state: AtomicU64::new(state),
    })
}

fn mark(slot: &Slot, incarnation: u64, reason: u64) -> bool {
    slot.word.mark(incarnation, reason, || {
        slot.state.load(Ordering::Acquire) == STOPPED
    })
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
        let mut signalled = slot.state.load(Ordering::Acquire) == GUEST;
        if !signalled {
            if barrier {
                fence(Ordering::SeqCst);
            }
            signalled = slot.state.load(Ordering::Acquire) == GUEST;
        }
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
/// does, with its own reason, whatever the other does meanwhile.
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
        assert_eq!((slot.word.incarnation(), slot.word.reason()), (2, 8));
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
            assert_ne!(slot.word.reason(), 0);
        }
        for killer in killers {
            assert!(killer.join().expect("a killer"));
        }
        assert!([7, 8].contains(&slot.word.reason()));
    });
}

/// The reason of the kill by which the guest is to end, if any.
fn ends_by(slot: &Slot) -> Option<u64> {
    (slot.word.stops() & stop::KILL != 0).then(|| slot.word.reason())
}

/// As `instance::kill` does it. What the handler of the signal sees, which runs now at the earliest: `None`: no signal was sent, or the handler
/// found nothing to do.
fn kill(slot: &Slot, reason: u64) -> Option<u64> {
    let marked = mark(slot, 1, reason);
    let is_seen = || slot.state.load(Ordering::Acquire) == GUEST;
    let signals = marked
        && (is_seen() || {
            fence(Ordering::SeqCst);
            is_seen()
        })
        && slot.word.take_sending(1);
    signals.then(|| ends_by(slot)).flatten()
}

/// A guest is killed, leaves and is kept by its host, runs again and is killed again, while the first killer is slow: the second kill is not taken
/// for one that has been signalled.
#[test]
fn a_kill_after_keep_is_signalled() {
    loom::model(|| {
        let slot = slot(GUEST);
        let first = thread::spawn({
            let slot = Arc::clone(&slot);
            move || kill(&slot, 7)
        });
        if ends_by(&slot).is_some() {
            slot.state.store(STOPPED, Ordering::Release);
            slot.word.lower(stop::FINAL);
            slot.state.store(GUEST, Ordering::Release);
            fence(Ordering::SeqCst);
        }
        let seen = ends_by(&slot);
        let handled = [kill(&slot, 8), first.join().expect("a killer")];
        let wanted = ends_by(&slot);
        assert!(wanted.is_some(), "the kill is lost");
        assert!(
            seen == wanted || handled.contains(&wanted),
            "{wanted:?} is not signalled: {seen:?}, {handled:?}"
        );
    });
}

/// Of several who find the guest in its own code one signals.
#[test]
fn one_kill_signals() {
    loom::model(|| {
        let slot = slot(GUEST);
        let kills = [7, 8].map(|reason| {
            let slot = Arc::clone(&slot);
            thread::spawn(move || kill(&slot, reason))
        });
        let handled = kills.map(|kill| kill.join().expect("a killer"));
        assert_eq!(handled.iter().flatten().count(), 1, "{handled:?}");
    });
}

/// The signal could not be sent: the kill after that sends one, whatever others found meanwhile.
#[test]
fn after_a_signal_that_was_not_sent_there_is_another() {
    loom::model(|| {
        let slot = slot(GUEST);
        let unlucky = thread::spawn({
            let slot = Arc::clone(&slot);
            move || {
                if mark(&slot, 1, 7) && slot.word.take_sending(1) {
                    slot.word.not_sent();
                }
            }
        });
        let handled = kill(&slot, 8);
        unlucky.join().expect("a killer");
        assert!(handled.is_some() || kill(&slot, 9).is_some(), "lost");
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
