//! Making pages zero that are zero in most places: they are read, and written only where something is found.
//!
//! Guests change a few lines of most pages that they write. Reading a page in the cache takes less than half as long as writing it, and a line
//! that was not written need not be written back. Where all lines have been changed it takes as long as writing alone, since a line has to
//! be fetched before it is written in any case.
//!
//! Lines are looked at with AVX2 where the processor has it, and with SSE2, which all have, otherwise.
//!
//! It is not for pages that are not in memory: looking at them gets them no page of their own.

use lucet_format::PAGE_SIZE;
use std::arch::x86_64::{
    __m128i, __m256i, _mm_cmpeq_epi8, _mm_load_si128, _mm_movemask_epi8, _mm_or_si128,
    _mm_setzero_si128, _mm_store_si128, _mm256_load_si256, _mm256_or_si256, _mm256_setzero_si256,
    _mm256_store_si256, _mm256_testz_si256,
};

/// Lines are judged together, so that one wrong guess of the processor's is paid for many.
const BLOCK: usize = 512;
const _: () = assert!((PAGE_SIZE as usize).is_multiple_of(BLOCK));

/// Makes whole pages zero.
///
/// # Safety
///
/// They can be read and written, and nobody looks at them.
pub unsafe fn clear(at: *mut u8, length: usize) {
    debug_assert!((at as usize | length).is_multiple_of(PAGE_SIZE as usize));
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the caller's promise; the processor has the instructions.
        unsafe { clear_by_avx2(at, length) };
    } else {
        // SAFETY: the caller's promise; every processor has the instructions.
        unsafe { clear_by_sse2(at, length) };
    }
}

/// Defines a way of clearing with one kind of vectors: `$is_zero` says of a vector whether it is zero, the others are instructions.
macro_rules! clear_by {
    ($name:ident, $feature:literal, $vector:ty, $load:ident, $or:ident, $store:ident, $zero:ident, $is_zero:ident) => {
        /// # Safety
        ///
        /// As [`clear`], and the processor has the instructions.
        #[target_feature(enable = $feature)]
        unsafe fn $name(at: *mut u8, length: usize) {
            const VECTORS: usize = BLOCK / size_of::<$vector>();
            for offset in (0..length).step_by(BLOCK) {
                // SAFETY: the caller's promise, here and below; pages are aligned.
                let start = unsafe { at.add(offset) }.cast::<$vector>();
                let mut found: [$vector; VECTORS] =
                    // SAFETY: the same.
                    std::array::from_fn(|index| unsafe { $load(start.add(index)) });
                // In pairs, so that none waits for all others.
                let mut step = 1;
                while step < VECTORS {
                    for index in (0..VECTORS).step_by(2 * step) {
                        found[index] = $or(found[index], found[index + step]);
                    }
                    step *= 2;
                }
                if !$is_zero(found[0]) {
                    for index in 0..VECTORS {
                        // SAFETY: as above.
                        unsafe { $store(start.add(index), $zero()) };
                    }
                }
            }
        }
    };
}

clear_by!(
    clear_by_avx2,
    "avx2",
    __m256i,
    _mm256_load_si256,
    _mm256_or_si256,
    _mm256_store_si256,
    _mm256_setzero_si256,
    is_zero_avx2
);
clear_by!(
    clear_by_sse2,
    "sse2",
    __m128i,
    _mm_load_si128,
    _mm_or_si128,
    _mm_store_si128,
    _mm_setzero_si128,
    is_zero_sse2
);

#[target_feature(enable = "avx2")]
fn is_zero_avx2(vector: __m256i) -> bool {
    _mm256_testz_si256(vector, vector) != 0
}

#[target_feature(enable = "sse2")]
fn is_zero_sse2(vector: __m128i) -> bool {
    _mm_movemask_epi8(_mm_cmpeq_epi8(vector, _mm_setzero_si128())) == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Access, Mapping};

    type Way = unsafe fn(*mut u8, usize);

    #[repr(align(4096))]
    struct Pages([u8; 3 * 4096]);

    /// What [`clear`] chooses, and what it may choose on this machine and on others.
    fn ways() -> Vec<(&'static str, Way)> {
        let mut ways: Vec<(&str, Way)> = vec![("chosen", clear), ("sse2", clear_by_sse2)];
        if is_x86_feature_detected!("avx2") {
            ways.push(("avx2", clear_by_avx2));
        }
        ways
    }

    #[test]
    fn every_byte_is_found_and_nothing_else_is_touched() {
        for (name, way) in ways() {
            let mut pages = Box::new(Pages([0; 3 * 4096]));
            for place in 0..4096 {
                pages.0.fill(0);
                pages.0[4095] = 7;
                pages.0[8192] = 7;
                pages.0[4096 + place] = 1 << (place % 8);
                // SAFETY: the second page is ours, and the processor has the instructions.
                unsafe { way(pages.0.as_mut_ptr().add(4096), 4096) };
                assert!(
                    pages.0[4096..8192].iter().all(|byte| *byte == 0),
                    "{name}: {place}"
                );
                assert_eq!((pages.0[4095], pages.0[8192]), (7, 7), "{name}: {place}");
            }
            pages.0.fill(0xff);
            // SAFETY: all pages are ours.
            unsafe { way(pages.0.as_mut_ptr(), 3 * 4096) };
            assert!(pages.0.iter().all(|byte| *byte == 0), "{name}");
        }
    }

    #[test]
    fn zeros_are_not_written() {
        let pages = 3 * PAGE_SIZE as usize;
        let zeros = Mapping::reserve(pages, 1).expect("address space");
        zeros.protect(0, pages, Access::Read).expect("zeros");
        for (_, way) in ways() {
            // SAFETY: nobody else has the pages. A write to them would be a fault, so only nothing to be cleared can be there.
            unsafe { way(zeros.base() as *mut u8, pages) };
        }
    }
}
