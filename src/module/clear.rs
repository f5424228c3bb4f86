//! Making pages zero that are zero in most places: they are read, and written only where something is found.
//!
//! Guests change a few lines of most pages that they write. Reading a page in the cache takes less than half as long as writing it, and a line
//! that was not written need not be written back. Where all lines have been changed it takes as long as writing alone, since a line has to
//! be fetched before it is written in any case.
//!
//! It is not for pages that are not in memory: looking at them gets them no page of their own.

use lucet_format::PAGE_SIZE;
use std::arch::x86_64::{
    __m256i, _mm256_load_si256, _mm256_or_si256, _mm256_setzero_si256, _mm256_store_si256,
    _mm256_testz_si256,
};

/// Lines are judged together, so that one wrong guess of the processor's is paid for many.
const BLOCK: usize = 512;
const VECTORS: usize = BLOCK / size_of::<__m256i>();
const _: () = assert!((PAGE_SIZE as usize).is_multiple_of(BLOCK));

/// Makes whole pages zero.
///
/// # Safety
///
/// They can be read and written, and nobody looks at them.
pub(super) unsafe fn clear(at: *mut u8, length: usize) {
    debug_assert!((at as usize | length).is_multiple_of(PAGE_SIZE as usize));
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the caller's promise; the processor has the instructions.
        unsafe { clear_blocks(at.cast(), length / BLOCK) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { at.write_bytes(0, length) };
    }
}

/// # Safety
///
/// As [`clear`], of so many blocks.
#[target_feature(enable = "avx2")]
unsafe fn clear_blocks(at: *mut __m256i, blocks: usize) {
    for block in 0..blocks {
        // SAFETY: the caller's promise, here and below; pages are aligned.
        let start = unsafe { at.add(block * VECTORS) };
        let mut found: [__m256i; VECTORS] =
            // SAFETY: the same.
            std::array::from_fn(|index| unsafe { _mm256_load_si256(start.add(index)) });
        // In pairs, so that none waits for all others.
        let mut step = 1;
        while step < VECTORS {
            for index in (0..VECTORS).step_by(2 * step) {
                found[index] = _mm256_or_si256(found[index], found[index + step]);
            }
            step *= 2;
        }
        if _mm256_testz_si256(found[0], found[0]) == 0 {
            for index in 0..VECTORS {
                // SAFETY: as above.
                unsafe { _mm256_store_si256(start.add(index), _mm256_setzero_si256()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(4096))]
    struct Pages([u8; 3 * 4096]);

    #[test]
    fn every_byte_is_found_and_nothing_else_is_touched() {
        let mut pages = Box::new(Pages([0; 3 * 4096]));
        for place in 0..4096 {
            pages.0.fill(0);
            pages.0[4095] = 7;
            pages.0[8192] = 7;
            pages.0[4096 + place] = 1 << (place % 8);
            // SAFETY: the second page is ours.
            unsafe { clear(pages.0.as_mut_ptr().add(4096), 4096) };
            assert!(pages.0[4096..8192].iter().all(|byte| *byte == 0), "{place}");
            assert_eq!((pages.0[4095], pages.0[8192]), (7, 7));
        }
        pages.0.fill(0xff);
        // SAFETY: all pages are ours.
        unsafe { clear(pages.0.as_mut_ptr(), 3 * 4096) };
        assert!(pages.0.iter().all(|byte| *byte == 0));
    }
}
