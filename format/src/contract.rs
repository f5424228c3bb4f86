//! What guest code takes for granted: the memory contract and the CPU features.
//!
//! A region that cannot honour a module's contract must refuse the module: code without bounds checks is
//! safe only where the reservation and the guards are at least as large as the compiler assumed. Code that checks every access
//! says so by a reservation of 0, and is safe anywhere.

use crate::record;

/// Bytes reserved for linear memory 0 where guest code relies on guard pages: every 32-bit index.
pub const RESERVATION: u64 = 4 << 30;

/// Bytes of guard behind the reservation. Static offsets below 2 GiB need no check; the 64 KiB more cover
/// the widest access.
pub const GUARD: u64 = (2 << 30) + (64 << 10);

/// Static offsets from here on get an explicit check.
pub const UNCHECKED_OFFSET_LIMIT: u64 = 1 << 31;

/// Addresses at the end of what 32-bit indices reach that no memory grows into, unless it starts with them. So an access that has
/// gone well tells the compiler that its index can be added to without wrapping around.
pub const HEADROOM: u64 = 64 << 20;

/// What a memory with 32-bit indices that starts with `minimum` bytes and declares at most `maximum` can ever have.
pub const fn with_headroom(minimum: u64, maximum: u64) -> u64 {
    const MOST: u64 = RESERVATION - HEADROOM;
    let most = if minimum > MOST { minimum } else { MOST };
    if maximum < most { maximum } else { most }
}

record! {
    /// What a region must offer. All sizes in bytes.
    pub struct MemoryContract {
        /// Address space from vmctx on that only linear memory 0 uses, `PROT_NONE` beyond its current length. 0: code compares
        /// each address with the memory's length.
        pub reservation: u64,
        /// Inaccessible bytes behind the reservation.
        pub guard: u64,
        /// Bytes below vmctx that hold the instance's state, the fixed header included.
        pub state_bytes: u32,
        /// The granularity of protections that the code assumes.
        pub page_size: u32,
        /// Elements of all mutable tables at instantiation.
        pub table_elements: u64,
        /// Values that the largest call in or out passes or returns.
        pub max_values: u32,
        /// Inaccessible bytes below the guest's stack.
        pub stack_guard: u32,
        /// Memories that the module defines besides memory 0.
        pub further_memories: u32,
        /// Zero in this revision.
        pub reserved: u32,
    }
}

/// CPU features that code generation may use, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuFeatures(pub u64);

/// The name and bit of every CPU feature that a module can require.
pub const CPU_FEATURES: [(&str, u64); 18] = [
    ("sse3", 1 << 0),
    ("ssse3", 1 << 1),
    ("sse4.1", 1 << 2),
    ("sse4.2", 1 << 3),
    ("popcnt", 1 << 4),
    ("cmpxchg16b", 1 << 5),
    ("avx", 1 << 6),
    ("avx2", 1 << 7),
    ("fma", 1 << 8),
    ("bmi1", 1 << 9),
    ("bmi2", 1 << 10),
    ("lzcnt", 1 << 11),
    ("avx512f", 1 << 12),
    ("avx512dq", 1 << 13),
    ("avx512vl", 1 << 14),
    ("avx512vbmi", 1 << 15),
    ("avx512bitalg", 1 << 16),
    ("avxvnni", 1 << 17),
];

impl CpuFeatures {
    /// x86-64-v2, the least that modules require.
    pub const X86_64_V2: CpuFeatures = CpuFeatures(0x3f);
    /// x86-64-v3.
    pub const X86_64_V3: CpuFeatures = CpuFeatures(0xfff);

    /// The bit of a feature by its name.
    pub fn named(name: &str) -> Option<CpuFeatures> {
        CPU_FEATURES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, bit)| CpuFeatures(*bit))
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: CpuFeatures) -> CpuFeatures {
        CpuFeatures(self.0 | other.0)
    }

    /// The features of `self` that `available` lacks.
    #[must_use]
    pub const fn missing_from(self, available: CpuFeatures) -> CpuFeatures {
        CpuFeatures(self.0 & !available.0)
    }

    /// Whether this is the empty set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names, for messages. Bits without a name are not listed.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        CPU_FEATURES
            .iter()
            .filter(move |(_, bit)| self.0 & bit != 0)
            .map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_leave_headroom_unless_they_start_beyond() {
        assert_eq!(with_headroom(0, 1 << 20), 1 << 20);
        assert_eq!(with_headroom(1 << 16, RESERVATION), RESERVATION - HEADROOM);
        assert_eq!(with_headroom(RESERVATION, RESERVATION), RESERVATION);
        let beyond = RESERVATION - HEADROOM + (1 << 16);
        assert_eq!(with_headroom(beyond, RESERVATION), beyond);
    }
}
