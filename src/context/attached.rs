//! One word of each thread: its `running::Runner` while it is prepared for guests, else 0. Assembly looks at it.

use crate::word_of_thread::word_of_thread;

word_of_thread!("lucet_private_runner");

/// The address of this thread's runner; 0 while it is not prepared for guests.
#[inline]
pub fn runner() -> usize {
    // SAFETY: this thread's own word, which nobody else touches.
    unsafe { place().read() }
}

/// Notes it.
pub fn set_runner(runner: usize) {
    // SAFETY: as above.
    unsafe { place().write(runner) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_its_own() {
        set_runner(1);
        assert_eq!(runner(), 1);
        std::thread::spawn(|| assert_eq!(runner(), 0))
            .join()
            .expect("the other thread");
        set_runner(0);
        assert_eq!(runner(), 0);
    }
}
