//! One byte of each thread: whether it is prepared for guests. Assembly looks at it, so it is a thread-local variable that
//! assembly can name, in the initial-exec model: one load of its place, one of the byte. A library that is loaded late takes a byte of
//! the room that the C library keeps for such variables.

use std::arch::{asm, global_asm};

global_asm!(
    ".pushsection .tbss.lucet_private_attached,\"awT\",@nobits",
    ".globl lucet_private_attached",
    ".hidden lucet_private_attached",
    ".type lucet_private_attached,@object",
    ".size lucet_private_attached, 1",
    "lucet_private_attached:",
    ".byte 0",
    ".popsection",
);

/// The place of this thread's byte.
#[inline]
fn place() -> *mut u8 {
    let place: *mut u8;
    // SAFETY: reads this thread's own pointer to its thread control block, and adds the variable's distance from it.
    unsafe {
        asm!(
            "mov {place}, qword ptr fs:[0]",
            "add {place}, qword ptr [rip + lucet_private_attached@GOTTPOFF]",
            place = out(reg) place,
            options(nostack, readonly, pure),
        );
    }
    place
}

/// Whether this thread is prepared for guests.
#[inline]
pub fn is_attached() -> bool {
    // SAFETY: this thread's own byte, which nobody else touches.
    unsafe { place().read() != 0 }
}

/// Notes whether it is.
pub fn set_attached(attached: bool) {
    // SAFETY: as above.
    unsafe { place().write(u8::from(attached)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_its_own() {
        set_attached(true);
        assert!(is_attached());
        std::thread::spawn(|| assert!(!is_attached()))
            .join()
            .expect("the other thread");
        set_attached(false);
        assert!(!is_attached());
    }
}
