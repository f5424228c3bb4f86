//! A word of each thread that is 0 at first: a thread-local variable that assembly can name, in the initial-exec model, so one load
//! finds its place and one reads it. A library that is loaded late takes 8 bytes for each of them of the room that the C library keeps for such
//! variables.
//!
//! Not here: what the words are for (`context::attached`, `lanes::number`).

/// Defines the variable of this name, and `place()`, which answers where this thread's word is.
macro_rules! word_of_thread {
    ($name:literal) => {
        std::arch::global_asm!(
            concat!(".pushsection .tbss.", $name, ",\"awT\",@nobits"),
            concat!(".globl ", $name),
            concat!(".hidden ", $name),
            concat!(".type ", $name, ",@object"),
            concat!(".size ", $name, ", 8"),
            ".balign 8",
            concat!($name, ":"),
            ".quad 0",
            ".popsection",
        );

        /// The place of this thread's word.
        #[inline]
        fn place() -> *mut usize {
            let place: *mut usize;
            // SAFETY: reads this thread's own pointer to its thread control block, and adds the variable's distance from it.
            unsafe {
                std::arch::asm!(
                    "mov {place}, qword ptr fs:[0]",
                    concat!("add {place}, qword ptr [rip + ", $name, "@GOTTPOFF]"),
                    place = out(reg) place,
                    options(nostack, readonly, pure),
                );
            }
            place
        }
    };
}

pub(crate) use word_of_thread;
