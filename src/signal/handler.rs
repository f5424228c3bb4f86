//! What runs when a signal arrives: collects the facts, has [`classify`] decide, and acts.
//!
//! Everything here runs inside signal handlers, at any instruction of the host: it takes no lock, allocates
//! nothing, cannot panic, touches no lazily made thread-local, and leaves `errno` as it was.
//!
//! Acting on a trap means writing [`Trap`] and changing the interrupted context, so that the return from the
//! handler continues at `context::leave_address()`: the kernel restores mask and alternate stack by itself. No
//! handler is ever left by a jump.

use super::classify::{Facts, Place, Slot, Verdict, classify};
use super::{ANOMALIES, LOST_SIGNALS, forward, frame_bytes, stop, stop_signal};
use crate::control::{ControlBlock, Trap, exit, state};
use crate::module::CodeImage;
use crate::region::seal::{Opening, open};
use crate::{context, region};
use libc::{c_int, c_void, siginfo_t, ucontext_t};
use lucet_format::trap::TrapCode;
use std::sync::atomic::Ordering;

/// Flags that an interrupted guest must not hand to the host: trap, direction, alignment check.
pub(super) const FLAGS_TO_CLEAR: i64 = 0x100 | 0x400 | 0x4_0000;

/// The handler that `install` gives to the kernel.
pub(super) extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel, or a handler that chains to this one, passes the arguments of an SA_SIGINFO handler.
    let ours = unsafe { handle(signal, info, context.cast()) };
    if !ours && signal != stop_signal() {
        // SAFETY: as above; this is the handler the kernel called.
        unsafe { forward::to_previous(signal, info, context) };
    }
}

/// Deals with a signal if it is a guest's: returns true, and the guest is left as soon as the handler returns.
///
/// # Safety
///
/// Called in a signal handler with the arguments of that handler; NULL is answered with false.
pub unsafe fn handle(signal: c_int, info: *mut siginfo_t, context: *mut ucontext_t) -> bool {
    let stopping = signal != 0 && signal == stop_signal();
    if info.is_null() || context.is_null() || !(stopping || super::SIGNALS.contains(&signal)) {
        return false;
    }
    // SAFETY: always a valid location for the calling thread.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: not null, and by the caller's promise those of the handler that is running, so nobody else
    // touches them.
    let ours = unsafe {
        if stopping {
            stop::arrived(&*info, &mut *context)
        } else {
            decide(signal, &*info, &mut *context)
        }
    };
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    ours
}

fn decide(signal: c_int, info: &siginfo_t, context: &mut ucontext_t) -> bool {
    let opening = match is_write_to_read_only(signal, info, context) {
        true => open_memory(info),
        false => Opening::NotSealed,
    };
    if opening == Opening::Done {
        return true;
    }
    let block = region::ranges::find_by_stack(register(context, libc::REG_RSP));
    let facts = collect(signal, info, context, block);
    let mut judged = facts;
    if let Some(slot) = facts.slot.filter(|_| opening == Opening::Refused) {
        // The memory may be one that the guest has of another instance.
        judged.address = slot.memory_low;
    }
    match (classify(&judged), block) {
        (Verdict::Trap { code, signal_lost }, Some(block)) => {
            if signal_lost {
                LOST_SIGNALS.fetch_add(1, Ordering::Relaxed);
            }
            let code = match opening {
                Opening::Refused => TrapCode::Resource,
                Opening::NotSealed | Opening::Done => code,
            };
            leave(block, context, &facts, code);
            true
        }
        (Verdict::Lend { signal_lost }, Some(block)) => {
            if signal_lost {
                LOST_SIGNALS.fetch_add(1, Ordering::Relaxed);
            }
            region::lend::lend(block)
        }
        (Verdict::Anomaly, _) => {
            ANOMALIES.fetch_add(1, Ordering::Relaxed);
            false
        }
        (Verdict::Trap { .. } | Verdict::Lend { .. } | Verdict::Forward, _) => false,
    }
}

/// Whether this is a fault of an instruction that wrote to a page that can only be read.
fn is_write_to_read_only(signal: c_int, info: &siginfo_t, context: &ucontext_t) -> bool {
    /// `SEGV_ACCERR`: the page is there.
    const ACCESS: c_int = 2;
    /// The bit of the processor's error code for writes.
    const WRITE: usize = 2;
    signal == libc::SIGSEGV
        && info.si_code == ACCESS
        && register(context, libc::REG_ERR) & WRITE != 0
}

/// A write to a sealed memory, whoever writes, is no error: the memory is opened, and the write is done again.
fn open_memory(info: &siginfo_t) -> Opening {
    // SAFETY: the signal is a fault's, for which the word is the address.
    let address = unsafe { info.si_addr() } as usize;
    region::ranges::find(address).map_or(Opening::NotSealed, |block| open(block, address))
}

fn collect(
    signal: c_int,
    info: &siginfo_t,
    context: &ucontext_t,
    block: Option<&ControlBlock>,
) -> Facts {
    // SAFETY: reads a word of the siginfo, which exists for every signal; only faults give it a meaning.
    let address = unsafe { info.si_addr() } as usize;
    let mut facts = Facts {
        signal,
        code: info.si_code,
        address,
        pc: register(context, libc::REG_RIP),
        stack: register(context, libc::REG_RSP),
        frame_bytes: frame_bytes(),
        trampolines: context::trampolines(),
        slot: None,
        trap: None,
    };
    if let Some(block) = block {
        let slot = describe(block);
        facts.slot = Some(slot);
        if slot.state == state::GUEST && slot.place(facts.pc, facts.trampolines) == Place::Guest {
            facts.trap = listed_trap(block, facts.pc.wrapping_sub(slot.text));
        }
    }
    facts
}

/// Reads the fields that are set before a run and do not change during one. Outside of runs the slot may be changing
/// owners on another thread; then the state is none that leads to a trap.
fn describe(block: &ControlBlock) -> Slot {
    let stack_low = block.stack_low.get();
    Slot {
        state: block.state(),
        text: block.text.get(),
        text_length: block.text_length.get(),
        stack_guard: block.stack_guard.get(),
        stack_low,
        lend_low: if region::lend::is_lent(block) {
            stack_low
        } else {
            region::lend::lowest(block)
        },
        memory_low: block.memory_low.get(),
        memory_high: block.memory_high.get(),
        trap_address: block.trap_address.get(),
    }
}

/// The trap entry of an instruction of the running guest.
fn listed_trap(block: &ControlBlock, text_offset: usize) -> Option<TrapCode> {
    let code = block.code.get().cast::<CodeImage>();
    let offset = u32::try_from(text_offset).ok()?;
    // SAFETY: null, or the module that the instance holds a count of; the caller has found the slot in state GUEST with
    // its own stack pointer in it, so the run goes on in this thread and the instance cannot go away meanwhile.
    let code = unsafe { code.as_ref() }?;
    code.image().trap_at(offset)
}

/// Makes the interrupted thread continue in the trampoline that leaves the guest.
fn leave(block: &ControlBlock, context: &mut ucontext_t, facts: &Facts, code: TrapCode) {
    block.trap.set(Trap {
        code: u32::from(code.number()),
        signal: facts.signal.unsigned_abs(),
        pc: facts.pc,
        frame: register(context, libc::REG_RBP),
        stack: facts.stack,
        address: facts.address,
    });
    stop::leave(block, context, exit::TRAPPED);
}

/// A register of the interrupted code. Only called with the `REG_*` constants, which are all in range.
pub(super) fn register(context: &ucontext_t, number: c_int) -> usize {
    context
        .uc_mcontext
        .gregs
        .get(number as usize)
        .map_or(0, |value| *value as usize)
}
