//! One word of each thread: its `running::Runner` while it is prepared for guests, else 0. Assembly looks at it, so it is a
//! thread-local variable that assembly can name, in the initial-exec model: one load of its place, one of the word. A library that is
//! loaded late takes 8 bytes of the room that the C library keeps for such variables.

use std::arch::{asm, global_asm};

global_asm!(
    ".pushsection .tbss.lucet_private_runner,\"awT\",@nobits",
    ".globl lucet_private_runner",
    ".hidden lucet_private_runner",
    ".type lucet_private_runner,@object",
    ".size lucet_private_runner, 8",
    ".balign 8",
    "lucet_private_runner:",
    ".quad 0",
    ".popsection",
);

/// The place of this thread's word.
#[inline]
fn place() -> *mut usize {
    let place: *mut usize;
    // SAFETY: reads this thread's own pointer to its thread control block, and adds the variable's distance from it.
    unsafe {
        asm!(
            "mov {place}, qword ptr fs:[0]",
            "add {place}, qword ptr [rip + lucet_private_runner@GOTTPOFF]",
            place = out(reg) place,
            options(nostack, readonly, pure),
        );
    }
    place
}

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
