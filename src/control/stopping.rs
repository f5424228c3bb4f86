//! How guests are stopped and go on: the stop word's bits, saved registers, and the times of an entry.
//!
//! Invariants: the stop word is the only thing that other threads change; registers and times belong to the thread that runs
//! the guest, and its signal handlers.
//!
//! What the bits lead to is in [`crate::instance::outcome`], what the times mean in [`crate::timing`].

use std::cell::Cell;

/// The bits of the stop word: why a guest is to be left. Trampolines look at all eight at once; above them is
/// the number of the incarnation, so that a kill handle of an earlier one cannot set a bit.
pub mod stop {
    /// See [`crate::control::Request`]. Set by the thread that runs the guest.
    pub const REQUEST: u64 = 1;
    /// A kill handle. Set by any thread; stays until reset, release or `keep`.
    pub const KILL: u64 = 2;
    /// The deadline has passed. This bit and the following are set on the thread that runs the guest.
    pub const DEADLINE: u64 = 4;
    /// The CPU budget is used up.
    pub const CPU: u64 = 8;
    /// A nested run has outlasted its limit.
    pub const NESTED: u64 = 16;
    /// The slice has ended: the only one after which the guest goes on. Never set while runs are nested.
    pub const SLICE: u64 = 32;
    /// The guest of another instance that has had this one called is to be left. Set on the thread that runs both.
    pub const LINKED: u64 = 64;
    /// What ends a guest for good.
    pub const FINAL: u64 = KILL | DEADLINE | CPU | NESTED | LINKED;
    /// What every entry begins without.
    pub const TIMES: u64 = DEADLINE | CPU | NESTED | SLICE | LINKED;
    /// All bits.
    pub const MASK: u64 = 0xff;
    /// Above them, where trampolines do not look: a killer has sent the signal, or is about to.
    pub const SENT: u64 = 0x100;
    /// The incarnation is above this many bits.
    pub const INCARNATION: u32 = 9;
}

/// Flags of the processor that are always set in user code: bit 1, and interrupts enabled.
pub const FLAGS_ALWAYS_SET: u64 = 0x202;

/// A guest's registers where it was preempted; after [`super::exit::STOPPED`] only `rax`, `xmm[0]` and r12 to r15 count.
/// Guest code leaves everything else as a guest starts with it: x87 and MXCSR control, the upper halves of vectors.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Registers {
    /// xmm0 to xmm15.
    pub xmm: [u128; 16],
    /// rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15: the processor's own order.
    pub general: [u64; 16],
    /// The instruction that was not executed any more.
    pub pc: u64,
    /// The arithmetic flags.
    pub flags: u64,
}

impl Registers {
    /// Nothing saved.
    pub const NONE: Registers = Registers {
        xmm: [0; 16],
        general: [0; 16],
        pc: 0,
        flags: FLAGS_ALWAYS_SET,
    };

    /// Makes them those of a call of a helper, by `helper_call` at `pc`, that is about to be made with this stack pointer, at the return
    /// address, and with these rbx and rbp. r12 to r15 stay; all others mean nothing.
    pub fn call(&mut self, pc: u64, stack: u64, [rbx, rbp]: [u64; 2], again: &Again, vmctx: u64) {
        let [.., r12, r13, r14, r15] = self.general;
        let [rsi, rdx, rcx, r8, r9] = again.arguments;
        let r10 = u64::from(again.helper);
        let (rax, rdi, r11) = (0, vmctx, 0);
        *self = Registers {
            general: [
                rax, rcx, rdx, rbx, stack, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15,
            ],
            pc,
            ..Registers::NONE
        };
    }
}

/// A call of a helper that has done a part of its work and is to be called again, with these arguments after vmctx, for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// The helper's number.
    pub helper: u32,
    /// Its arguments.
    pub arguments: [u64; 5],
}

/// When the run must be looked at, in nanoseconds of CLOCK_MONOTONIC; [`Times::NEVER`] where there is nothing to wait for. Used by the
/// thread that runs the guest and its signal handler only; [`crate::timing`] says what they mean.
#[derive(Debug)]
pub struct Times {
    /// The deadline.
    pub deadline: Cell<u64>,
    /// The slice's end.
    pub slice: Cell<u64>,
    /// The same, when the timer of the thread's own processor time looks at it.
    pub own_slice: Cell<u64>,
    /// The end of a nested run that has outlasted the slice.
    pub nested: Cell<u64>,
    /// The next look at the CPU clock.
    pub cpu: Cell<u64>,
    /// When this entry began.
    pub begun: Cell<u64>,
    /// The slice has ended during a nested run.
    pub slice_due: Cell<bool>,
    /// What a nested run may take after the slice's end.
    pub nested_ns: Cell<u64>,
    /// The CPU budget, 0 for none.
    pub cpu_budget: Cell<u64>,
    /// The thread's CPU clock when measuring began in this entry; 0: not begun.
    pub cpu_baseline: Cell<u64>,
    /// CPU time measured since the instance is new.
    pub cpu_measured: Cell<u64>,
    /// Time in which CPU time was not measured.
    pub cpu_unmeasured: Cell<u64>,
}

impl Times {
    /// No event.
    pub const NEVER: u64 = u64::MAX;

    /// Nothing to wait for.
    pub const fn new() -> Times {
        Times {
            deadline: Cell::new(Times::NEVER),
            slice: Cell::new(Times::NEVER),
            own_slice: Cell::new(Times::NEVER),
            nested: Cell::new(Times::NEVER),
            cpu: Cell::new(Times::NEVER),
            begun: Cell::new(0),
            slice_due: Cell::new(false),
            nested_ns: Cell::new(0),
            cpu_budget: Cell::new(0),
            cpu_baseline: Cell::new(0),
            cpu_measured: Cell::new(0),
            cpu_unmeasured: Cell::new(0),
        }
    }

    /// The next time to look, by the clock on the wall.
    pub fn next(&self) -> u64 {
        self.deadline
            .get()
            .min(self.slice.get())
            .min(self.nested.get())
            .min(self.cpu.get())
    }
}

impl Default for Times {
    fn default() -> Self {
        Times::new()
    }
}
