//! The numbers that a control block says where a guest is with: the states of a slot and of its memory, and the ways out of a run.
//!
//! Trampolines and signal handlers use them, so they are plain numbers. Which may follow which, and who changes them, is not said here.

/// The states of a slot.
pub mod state {
    /// No instance.
    pub const FREE: u32 = 0;
    /// An instance that can be entered.
    pub const READY: u32 = lucet_format::runtime::READY;
    /// Between the host's call and the guest's first instruction, or the other way round.
    pub const ENTERING: u32 = 2;
    /// Guest code runs.
    pub const GUEST: u32 = lucet_format::call_out::IN_GUEST;
    /// A host function or a helper runs on the host's stack.
    pub const HOST: u32 = 4;
    /// A leaf host function runs on the guest's stack.
    pub const LEAF: u32 = lucet_format::call_out::IN_LEAF;
    /// Trapped or terminated: needs a reset, or `keep`.
    pub const STOPPED: u32 = 6;
    /// Being reset or released.
    pub const CLEANING: u32 = 7;
    /// A host function suspended the guest: `resume` delivers what the host function would have returned.
    pub const SUSPENDED: u32 = 8;
    /// A time slice ended: `resume` goes on where the guest was interrupted.
    pub const PREEMPTED: u32 = 9;

    /// Whether a run has begun and not ended.
    pub const fn is_running(state: u32) -> bool {
        matches!(state, ENTERING | GUEST | HOST | LEAF)
    }
}

/// Whether cold pages of an instance's memory can be written: [`super::ControlBlock::sealed`].
pub mod sealing {
    /// All of them, and they have been since the memory was made.
    pub const PLAIN: u32 = 0;
    /// None.
    pub const SEALED: u32 = 1;
    /// The memory was sealed, and has been opened.
    pub const OPENED: u32 = 2;
}

/// How a guest was left: what `enter` returns.
pub mod exit {
    /// The entered function returned.
    pub const RETURNED: u32 = 0;
    /// A signal handler found a trap; see [`crate::control::Trap`].
    pub const TRAPPED: u32 = 1;
    /// A call out found something in the stop word when it returned; see [`crate::control::Request`] and [`crate::control::stop`]. What the
    /// import has returned is in [`crate::control::Registers`].
    pub const STOPPED: u32 = 2;
    /// A signal handler stopped guest code; see [`crate::control::stop`] and [`crate::control::Trap`].
    pub const INTERRUPTED: u32 = 3;
    /// A signal handler stopped guest code at the end of its slice: [`crate::control::Registers`] are those of the guest.
    pub const PREEMPTED: u32 = 4;
    /// The stop word said no before any guest code ran.
    pub const UNSTARTED: u32 = 5;
}
