//! The stop word: why a guest is to be left, and of which incarnation of its slot that is said.
//!
//! It is the only thing of a slot that other threads change. The low eight bits are [`stop`]'s; above them is whether a kill has been
//! signalled, and the number of the incarnation, which changes with every create, reset and release, so that one exchange sets a bit and
//! makes sure that it meets the guest that was meant. The reason of a kill lies beside the word, and is written by the same exchange: who
//! reads it with the bit set reads that of a kill of this incarnation.
//!
//! `tests/models` compiles this file a second time, with loom's atomics in place of the processor's, and tries every order in which
//! its operations can meet. So it names nothing of the crate but what its parent brings: `Pair`, `stop`.

use super::{Pair, stop};

/// See the file's header. Trampolines read the low byte, in place.
#[derive(Debug)]
#[repr(transparent)]
pub struct Word(pub(super) Pair);

impl Word {
    /// The bits that are set.
    pub fn stops(&self) -> u64 {
        self.0.first() & stop::MASK
    }

    /// Sets bits. On the thread that runs the guest: the incarnation cannot change meanwhile.
    pub fn raise(&self, bits: u64) {
        self.0.set_bits(bits);
    }

    /// Clears bits. The owner does that.
    pub fn lower(&self, bits: u64) {
        let bits = if bits & stop::KILL != 0 {
            bits | stop::SENT
        } else {
            bits
        };
        if self.0.first() & bits != 0 {
            self.0.clear_bits(bits);
        }
    }

    /// The number that tells this use of the slot from all others.
    pub fn incarnation(&self) -> u64 {
        self.0.first() >> stop::INCARNATION
    }

    /// A new incarnation: what was said of the one before is void. The owner does that.
    pub fn reincarnate(&self) {
        let next = self.incarnation() + 1;
        self.0.set_first(next << stop::INCARNATION);
    }

    /// Sets the bit for kills, on any thread, if the slot is in the incarnation that is meant and not `over`. The reason stays that of the
    /// first who does. False: nothing was done.
    pub fn mark(&self, incarnation: u64, reason: u64, over: impl Fn() -> bool) -> bool {
        self.change(incarnation, |[word, before]| {
            let killed = word & stop::KILL != 0;
            (!over()).then_some([word | stop::KILL, if killed { before } else { reason }])
        })
    }

    /// Who has marked the word and found the guest in its own code asks whether the signal is his to send. False: another has, or the kill has
    /// been seen and taken back.
    pub fn take_sending(&self, incarnation: u64) -> bool {
        self.change(incarnation, |[word, reason]| {
            (word & (stop::KILL | stop::SENT) == stop::KILL).then_some([word | stop::SENT, reason])
        })
    }

    /// The signal was not sent, or has come to nothing: the next kill sends another. When it comes late, it costs a later incarnation a
    /// second signal and nothing else.
    pub fn not_sent(&self) {
        self.0.clear_bits(stop::SENT);
    }

    /// The reason of the kill whose bit is set. The owner asks.
    pub fn reason(&self) -> u64 {
        self.0.both()[1]
    }

    /// One change of both words in the incarnation that is meant, unless `to` does not want it any more.
    fn change(&self, incarnation: u64, to: impl Fn([u64; 2]) -> Option<[u64; 2]>) -> bool {
        let mut seen = self.0.both();
        loop {
            if seen[0] >> stop::INCARNATION != incarnation {
                return false;
            }
            let Some(wanted) = to(seen) else {
                return false;
            };
            match self.0.exchange(seen, wanted) {
                Ok(()) => return true,
                Err(now) => seen = now,
            }
        }
    }
}
