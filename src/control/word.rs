//! The stop word: why a guest is to be left, and of which incarnation of its slot that is said.
//!
//! It is the only thing of a slot that other threads change. The low eight bits are [`stop`]'s; above them is the number of the
//! incarnation, which changes with every create, reset and release, so that one exchange sets a bit and makes sure that it meets
//! the guest that was meant.
//!
//! `tests/models` compiles this file a second time, with loom's atomics in place of the processor's, and tries every order in which
//! its operations can meet. So it names nothing of the crate but what its parent brings: `AtomicU64`, `Ordering`, `stop`.

use super::{AtomicU64, Ordering, stop};

/// See the file's header. Trampolines read the low byte, in place.
#[derive(Debug)]
#[repr(transparent)]
pub struct Word(pub(super) AtomicU64);

impl Word {
    /// The bits that are set.
    pub fn stops(&self) -> u64 {
        self.0.load(Ordering::Acquire) & stop::MASK
    }

    /// Sets bits. On the thread that runs the guest: the incarnation cannot change meanwhile.
    pub fn raise(&self, bits: u64) {
        self.0.fetch_or(bits, Ordering::AcqRel);
    }

    /// Clears bits. The owner does that.
    pub fn lower(&self, bits: u64) {
        if self.0.load(Ordering::Relaxed) & bits != 0 {
            self.0.fetch_and(!bits, Ordering::AcqRel);
        }
    }

    /// The number that tells this use of the slot from all others.
    pub fn incarnation(&self) -> u64 {
        self.0.load(Ordering::Acquire) >> stop::INCARNATION
    }

    /// A new incarnation: what was said of the one before is void. The owner does that.
    pub fn reincarnate(&self) {
        let next = self.incarnation() + 1;
        self.0.store(next << stop::INCARNATION, Ordering::Release);
    }

    /// Sets the bit for kills, on any thread, if the slot is in the incarnation that is meant and not `over`. `first` is called before the
    /// bit is set by the first who sets it; when several meet, perhaps by each. False: nothing was done.
    pub fn mark(&self, incarnation: u64, over: impl Fn() -> bool, first: impl Fn()) -> bool {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word >> stop::INCARNATION != incarnation || over() {
                return false;
            }
            if word & stop::KILL == 0 {
                first();
            }
            match self.0.compare_exchange_weak(
                word,
                word | stop::KILL,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }
}
