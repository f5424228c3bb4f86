//! Whose fault is it? The decision alone, as a function of plain facts, so that every row can be tested
//! without a fault. What is decided here is explained in `docs/signals.md`; first match wins:
//!
//! | # | facts | verdict |
//! |---|---|---|
//! | 1 | sent by a process or a thread (`si_code <= 0`), or a report of broken memory | forward |
//! | 2 | the stack pointer is in no slot's stack | forward |
//! | 2a | the pc is neither in that slot's module nor in the trampolines; the address is in the part of the guard that can be lent, or the kernel found no room for a further handler's frame | lend it, once |
//! | 2b | the pc is neither in that slot's module nor in the trampolines | forward |
//! | 3 | the slot's state does not fit the pc | anomaly in guest code, else forward |
//! | 4 | the address is in the slot's stack guard | trap: stack |
//! | 5 | the kernel found no room for a host handler's frame near the end of the stack | trap: stack, a signal was lost |
//! | 6 | guest code with a trap entry, not in state `LEAF`: illegal instruction, or an address in the slot's memory or trap zone | trap: the entry's |
//! | 7 | any other guest code | anomaly |
//! | 8 | any other trampoline code | forward |
//!
//! Invariants: no side effects, nothing that can panic; called from signal handlers.

use crate::control::state;
use lucet_format::contract::GUARD;
use lucet_format::trap::TrapCode;

/// What a signal handler knows about a signal.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The signal's number.
    pub signal: i32,
    /// `si_code`: how the signal came about.
    pub code: i32,
    /// `si_addr`: the address that was accessed.
    pub address: usize,
    /// The interrupted instruction.
    pub pc: usize,
    /// The stack pointer there.
    pub stack: usize,
    /// The most bytes that the kernel needs to push a signal frame.
    pub frame_bytes: usize,
    /// First and one past the last address of the trampolines.
    pub trampolines: (usize, usize),
    /// The slot whose stack the stack pointer is in.
    pub slot: Option<Slot>,
    /// The trap that the slot's module lists for the pc.
    pub trap: Option<TrapCode>,
}

/// What a signal handler knows about the slot.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// See [`state`].
    pub state: u32,
    /// First address of the module's text.
    pub text: usize,
    /// Bytes of text.
    pub text_length: usize,
    /// First address of the stack's guard.
    pub stack_guard: usize,
    /// Lowest usable address of the stack.
    pub stack_low: usize,
    /// From here to the stack is what can be lent; nothing when it is lent already.
    pub lend_low: usize,
    /// First address of the memory's reservation.
    pub memory_low: usize,
    /// One past the guard behind it.
    pub memory_high: usize,
    /// First address of the guard that failed checks lead to, which may be elsewhere.
    pub trap_address: usize,
}

/// Which code was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The module of the slot that the stack pointer is in.
    Guest,
    /// The assembly between guests and the host, on a guest's stack.
    Trampoline,
    /// Everything else, the host's signal handlers on a guest's stack included.
    Elsewhere,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Leave the guest with this trap.
    Trap {
        /// The trap.
        code: TrapCode,
        /// A signal of the host's could not be delivered and is gone.
        signal_lost: bool,
    },
    /// Guest code did what correct guest code cannot do: never resume it.
    Anomaly,
    /// Host code on the guest's stack, which is a signal handler or a leaf function, needs more of it: lend it a part of the guard.
    Lend {
        /// A further signal could not be delivered and is gone.
        signal_lost: bool,
    },
    /// Not ours.
    Forward,
}

/// Room that the kernel wants besides the frame: the red zone and the alignment.
const FRAME_SLACK: usize = 512;

impl Slot {
    /// Where an instruction is, given that the stack pointer is in this slot's stack.
    pub fn place(&self, pc: usize, trampolines: (usize, usize)) -> Place {
        if pc.wrapping_sub(self.text) < self.text_length {
            Place::Guest
        } else if (trampolines.0..trampolines.1).contains(&pc) {
            Place::Trampoline
        } else {
            Place::Elsewhere
        }
    }
}

impl Facts {
    fn is_broken_memory(&self) -> bool {
        self.signal == libc::SIGBUS
            && matches!(self.code, libc::BUS_MCEERR_AR | libc::BUS_MCEERR_AO)
    }

    fn is_access(&self) -> bool {
        matches!(self.signal, libc::SIGSEGV | libc::SIGBUS)
    }

    /// The kernel tried to start a handler without `SA_ONSTACK` on the guest's stack, and the frame did not fit.
    fn is_failed_delivery(&self, slot: &Slot) -> bool {
        // A protection fault of another kind looks the same, hence the look at the stack pointer.
        let room = self.frame_bytes.saturating_add(FRAME_SLACK);
        self.signal == libc::SIGSEGV
            && self.code == libc::SI_KERNEL
            && self.address == 0
            && self.stack < slot.stack_low.saturating_add(room)
    }
}

impl Facts {
    /// What to do about host code on a guest's stack.
    fn lend(&self, slot: &Slot) -> Verdict {
        let signal_lost = self.is_failed_delivery(slot);
        let overflow = self.is_access() && (slot.lend_low..slot.stack_low).contains(&self.address);
        if state::is_running(slot.state)
            && slot.lend_low < slot.stack_low
            && (overflow || signal_lost)
        {
            return Verdict::Lend { signal_lost };
        }
        Verdict::Forward
    }
}

/// Whether the interrupted instruction has nothing to do with the signal: somebody sent it, or the kernel tells of broken
/// memory that nobody has touched yet.
pub fn is_asynchronous(signal: i32, code: i32) -> bool {
    code <= 0 || (signal == libc::SIGBUS && code == libc::BUS_MCEERR_AO)
}

/// Decides. See the table at the top of the file.
pub fn classify(facts: &Facts) -> Verdict {
    if is_asynchronous(facts.signal, facts.code) || facts.is_broken_memory() {
        return Verdict::Forward;
    }
    // A row for slots with write-protected pages belongs here: it looks at the address only, for any pc and stack.
    let Some(slot) = &facts.slot else {
        return Verdict::Forward;
    };
    let place = slot.place(facts.pc, facts.trampolines);
    match place {
        Place::Elsewhere => return facts.lend(slot),
        // Guest code may be about to call a leaf, or back from one.
        Place::Guest if !matches!(slot.state, state::GUEST | state::LEAF) => {
            return Verdict::Anomaly;
        }
        Place::Trampoline if !state::is_running(slot.state) => return Verdict::Forward,
        Place::Guest | Place::Trampoline => {}
    }
    if facts.is_access() && (slot.stack_guard..slot.stack_low).contains(&facts.address) {
        return Verdict::Trap {
            code: TrapCode::Stack,
            signal_lost: false,
        };
    }
    if facts.is_failed_delivery(slot) {
        return Verdict::Trap {
            code: TrapCode::Stack,
            signal_lost: true,
        };
    }
    if place == Place::Trampoline {
        return Verdict::Forward;
    }
    if slot.state != state::GUEST {
        return Verdict::Anomaly;
    }
    let in_memory = (slot.memory_low..slot.memory_high).contains(&facts.address)
        || facts.address.wrapping_sub(slot.trap_address) < GUARD as usize;
    match facts.trap {
        Some(code) if facts.signal == libc::SIGILL || (facts.is_access() && in_memory) => {
            Verdict::Trap {
                code,
                signal_lost: false,
            }
        }
        _ => Verdict::Anomaly,
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
