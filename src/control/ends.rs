//! What makes a run end, as it is noted for the one who has begun it: a trap in guest code, or what a host function has asked for.
//!
//! Neither is an outcome yet: [`crate::instance`] makes that of them.

/// Where and why guest code was interrupted, written by the signal handler or the stop path.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Trap {
    /// A [`lucet_format::trap::TrapCode`] number; 0: none.
    pub code: u32,
    /// The signal; 0 when a host function or helper raised the trap.
    pub signal: u32,
    /// The program counter: of the instruction that trapped, or the return address of the call out.
    pub pc: usize,
    /// The frame pointer there.
    pub frame: usize,
    /// The stack pointer there.
    pub stack: usize,
    /// The address that was accessed, for memory faults.
    pub address: usize,
}

impl Trap {
    /// No trap.
    pub const NONE: Trap = Trap {
        code: 0,
        signal: 0,
        pc: 0,
        frame: 0,
        stack: 0,
        address: 0,
    };
}

/// What a host function has asked for; takes effect when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Nothing.
    None,
    /// End the run with this trap.
    Trap(u32),
    /// End the run: stop kind (`LUCET_STOP_*`) and reason.
    Terminate(u32, u64),
    /// Suspend the guest, with this token.
    Suspend(u64),
    /// End the run with an exception that nobody catches: the reference to it.
    Uncaught(u64),
    /// A nested run ended badly, so the outer guest ends the same way; its outcome stands already.
    Unwind,
}
