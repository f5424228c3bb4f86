//! One word of each thread: its number, which is 0 until it has one. A thread-local variable in the initial-exec model, as
//! `context::attached`'s is and for the same reason: one load of its place, one of the word. A library that is loaded late takes 8 more
//! bytes of the room that the C library keeps for such variables.

use std::arch::{asm, global_asm};

global_asm!(
    ".pushsection .tbss.lucet_private_number,\"awT\",@nobits",
    ".globl lucet_private_number",
    ".hidden lucet_private_number",
    ".type lucet_private_number,@object",
    ".size lucet_private_number, 8",
    ".balign 8",
    "lucet_private_number:",
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
            "add {place}, qword ptr [rip + lucet_private_number@GOTTPOFF]",
            place = out(reg) place,
            options(nostack, readonly, pure),
        );
    }
    place
}

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
