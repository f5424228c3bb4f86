//! Two neighbouring words of which both can be changed at once.
//!
//! Invariants: the second is changed only together with the first, by [`Pair::exchange`]; the first, at the pair's address, also by itself.
//!
//! The processor has an instruction for this (CMPXCHG16B, in everything since 2006, and asked for when a region is made), the standard
//! library no type. `tests/models` has another of this name, for loom.

use std::arch::asm;
use std::sync::atomic::{AtomicU64, Ordering};

/// See the file's header.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Pair {
    first: AtomicU64,
    second: AtomicU64,
}

impl Pair {
    pub const fn new(first: u64, second: u64) -> Pair {
        Pair {
            first: AtomicU64::new(first),
            second: AtomicU64::new(second),
        }
    }

    pub fn first(&self) -> u64 {
        self.first.load(Ordering::Acquire)
    }

    /// Both, but not of one moment: the first is not younger than the second.
    pub fn both(&self) -> [u64; 2] {
        let first = self.first();
        [first, self.second.load(Ordering::Acquire)]
    }

    pub fn set_bits(&self, bits: u64) {
        self.first.fetch_or(bits, Ordering::AcqRel);
    }

    pub fn clear_bits(&self, bits: u64) {
        self.first.fetch_and(!bits, Ordering::AcqRel);
    }

    pub fn set_first(&self, first: u64) {
        self.first.store(first, Ordering::Release);
    }

    /// Changes both if they are as expected; else answers what they are. A full barrier either way.
    pub fn exchange(&self, expected: [u64; 2], new: [u64; 2]) -> Result<(), [u64; 2]> {
        let (mut first, mut second) = (expected[0], expected[1]);
        let done: u8;
        // SAFETY: the 16 bytes are this pair's, aligned, and changed by atomic operations only. rbx, which the compiler keeps for itself and
        // may give to any operand that names no register, holds none of these, and has its value again.
        unsafe {
            asm!(
                "xchg rsi, rbx",
                "lock cmpxchg16b xmmword ptr [rdi]",
                "sete r8b",
                "mov rbx, rsi",
                in("rdi") std::ptr::from_ref(self),
                inout("rsi") new[0] => _,
                out("r8b") done,
                in("rcx") new[1],
                inout("rax") first,
                inout("rdx") second,
                options(nostack),
            );
        }
        if done != 0 {
            Ok(())
        } else {
            Err([first, second])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pair;

    #[test]
    fn both_or_none_are_changed() {
        let pair = Pair::new(1, 2);
        for wrong in [[0, 2], [1, 0]] {
            assert_eq!(pair.exchange(wrong, [3, 4]), Err([1, 2]));
        }
        assert_eq!(pair.exchange([1, 2], [3, 4]), Ok(()));
        assert_eq!((pair.first(), pair.both()), (3, [3, 4]));
        pair.set_bits(4);
        pair.clear_bits(1);
        assert_eq!(pair.both(), [6, 4]);
        pair.set_first(9);
        assert_eq!(pair.both(), [9, 4]);
    }
}
