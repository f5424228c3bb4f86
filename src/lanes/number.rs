//! One word of each thread: its number, which is 0 until it has one.

use crate::word_of_thread::word_of_thread;

word_of_thread!("lucet_private_number");

/// This thread's number; 0: none yet.
#[inline]
pub fn get() -> usize {
    // SAFETY: this thread's own word, which nobody else touches.
    unsafe { place().read() }
}

/// Notes it.
pub fn set(number: usize) {
    // SAFETY: as above.
    unsafe { place().write(number) };
}
