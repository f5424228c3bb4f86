//! Executes a guest instruction by instruction: the processor's trap flag stops the thread after each one, and the handler of the signal
//! that this is asks for a kill or a preemption at one of them, which is delivered right there.
//!
//! Three ways to begin. [`begin`] raises the signal, so everything is stepped from there: the library on its way in, the trampolines, the
//! guest, its host functions. [`begin_in_guest`] puts the flag among the registers of a guest that was preempted, so its resume runs at
//! full speed and stepping begins with the first instruction of the guest's that is executed. [`begin_at`] steps nothing: what is to be done is
//! done at a place of a run that was noted before ([`breaks`]).
//!
//! Invariants: one test at a time, which holds [`alone`]; the handler touches nothing but atomics and the block.

use crate::breaks::{self, Met, Place};
use crate::guests::{Setting, setting_of};
use crate::visited;
use libc::{c_int, c_void, siginfo_t, ucontext_t};
use lucet::abi::LUCET_RETURNED;
use lucet::control::{self, ControlBlock, state};
use lucet::instance::{KillHandle, kill, kill_handle};
use lucet::timing::{chain, look, now};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The handler is the process's.
static ONE: Mutex<()> = Mutex::new(());
static BLOCK: AtomicPtr<ControlBlock> = AtomicPtr::new(std::ptr::null_mut());
static NUMBER: AtomicU64 = AtomicU64::new(0);
static INCARNATION: AtomicU64 = AtomicU64::new(0);
/// A [`Stepping`].
static MODE: AtomicU64 = AtomicU64::new(Stepping::Nothing as u64);
static AT: AtomicU64 = AtomicU64::new(0);
static STEPS: AtomicU64 = AtomicU64::new(0);
/// See [`unseen`].
static UNSEEN: AtomicU64 = AtomicU64::new(0);
/// See [`dirty`].
static FOUND: AtomicU64 = AtomicU64::new(0);

const TRAP_FLAG: i64 = 0x100;

/// What is done at the step that was aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stepping {
    /// Nothing is stepped.
    Nothing,
    /// The slice ends; steps in state `GUEST` count, and those of trampolines and guest code that call out.
    Preempt,
    /// The same, or earlier: at an instruction at which no stop has come. Every instruction that is stepped is counted by [`visited`].
    PreemptAtNew,
    /// A kill comes; steps of the whole run count.
    Kill,
    /// The deadline passes, likewise.
    Deadline,
    /// The same, but the handler runs on top of another, so that the guest is not left at once.
    DeadlineUnseen,
    /// The CPU budget is used up, likewise.
    Budget,
    /// The slice ends, as the timer's handler sees it, likewise.
    Slice,
    /// At the guest's first instruction its registers are looked at: [`dirty`].
    Registers,
    /// Nothing is done, but every step is noted: [`breaks::places`].
    Note,
}

/// No other test steps meanwhile.
pub fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A guest from text that can be aimed at.
pub fn prepared(text: &str) -> Setting {
    let guest = setting_of(text);
    visited::next_guest();
    install();
    assert_eq!(guest.run("nothing", &[]).kind, LUCET_RETURNED);
    guest
}

/// From now on this guest, in its present incarnation, is the one that is stopped.
pub fn aim(guest: &Setting) {
    // The block of a suspended guest is the `lucet_call` of its host function; here, the directory is not public, so a
    // host function tells it.
    BLOCK.store(
        guest.desk.block.load(Ordering::Relaxed).cast(),
        Ordering::Relaxed,
    );
    let handle = kill_handle(guest.handle).expect("a kill handle");
    NUMBER.store(handle.block - 1, Ordering::Relaxed);
    INCARNATION.store(handle.incarnation, Ordering::Relaxed);
    STEPS.store(0, Ordering::Relaxed);
}

/// Steps from here on, and does something at this step, counted from 0.
pub fn begin(what: Stepping, at: u64) {
    prepare(what, at);
    // SAFETY: the handler sets the trap flag.
    unsafe { libc::raise(libc::SIGTRAP) };
}

/// Steps from the second instruction on that the guest, which was preempted, executes when it is resumed; from here on, if it was left
/// at the return of a call out, where its flags do not count.
pub fn begin_in_guest(what: Stepping, at: u64) {
    let Some(block) = block().filter(|block| block.registers.get().pc != 0) else {
        return begin(what, at);
    };
    prepare(what, at);
    let mut registers = block.registers.get();
    registers.flags |= TRAP_FLAG.cast_unsigned();
    block.registers.set(registers);
}

/// Does something at this place of what follows.
pub fn begin_at(what: Stepping, place: Place) {
    prepare(what, 0);
    breaks::arm(place);
}

/// The end of what was begun by [`begin_at`]. Answers whether the place has been reached.
pub fn end_at() -> bool {
    MODE.store(Stepping::Nothing as u64, Ordering::Relaxed);
    breaks::end()
}

fn prepare(what: Stepping, at: u64) {
    STEPS.store(0, Ordering::Relaxed);
    AT.store(at, Ordering::Relaxed);
    FOUND.store(u64::MAX, Ordering::Relaxed);
    MODE.store(what as u64, Ordering::Relaxed);
}

/// The end of stepping. Answers whether the step that was aimed at has been reached.
pub fn end() -> bool {
    MODE.store(Stepping::Nothing as u64, Ordering::Relaxed);
    STEPS.load(Ordering::Relaxed) > AT.load(Ordering::Relaxed)
}

/// The block of the guest that is aimed at.
pub fn block() -> Option<&'static ControlBlock> {
    // SAFETY: set by the test; blocks live for ever.
    unsafe { BLOCK.load(Ordering::Relaxed).as_ref() }
}

extern "C" fn on_step(_: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the handler's own context and siginfo.
    let (context, code) = unsafe { (&mut *context.cast::<ucontext_t>(), (*info).si_code) };
    match breaks::met(code, context) {
        Met::Nothing => step(context),
        Met::Done => {}
        Met::Place => arrive(context),
    }
}

/// At the place of [`begin_at`].
fn arrive(context: &mut ucontext_t) {
    let mode = MODE.load(Ordering::Relaxed);
    let Some(block) = block().filter(|_| mode != Stepping::Nothing as u64) else {
        return;
    };
    let pc = context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize;
    stop(block, mode, pc);
}

fn step(context: &mut ucontext_t) {
    let pc = context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize;
    let mode = MODE.load(Ordering::Relaxed);
    let is = |what: Stepping| mode == what as u64;
    context.uc_mcontext.gregs[libc::REG_EFL as usize] &= !TRAP_FLAG;
    let Some(block) = block().filter(|_| !is(Stepping::Nothing)) else {
        return;
    };
    let now = block.state();
    let preempting = is_preempting(mode);
    let distance = pc.wrapping_sub(block.text.get());
    let within = (distance < block.text_length.get()).then_some(distance);
    let (first, end) = lucet::context::trampolines();
    let on_the_way = (first..end).contains(&pc) || within.is_some();
    let in_slice = now == state::GUEST || matches!(now, state::HOST | state::LEAF) && on_the_way;
    let in_run = state::is_running(now);
    let counts = if preempting { in_slice } else { in_run };
    if is(Stepping::Note) {
        breaks::note(pc, in_run, in_slice);
    } else if is(Stepping::Registers) {
        if within.is_some() && FOUND.load(Ordering::Relaxed) == u64::MAX {
            FOUND.store(look_at_registers(context), Ordering::Relaxed);
        }
    } else if counts {
        let step = STEPS.fetch_add(1, Ordering::Relaxed);
        let at = AT.load(Ordering::Relaxed);
        // Behind the step that was aimed at the guest is being left, where nothing more can come.
        if is(Stepping::PreemptAtNew) && step <= at && visited::passed(pc, within) {
            AT.store(step, Ordering::Relaxed);
        }
        if step == AT.load(Ordering::Relaxed) {
            stop(block, mode, pc);
            if !preempting {
                return;
            }
        }
    }
    context.uc_mcontext.gregs[libc::REG_EFL as usize] |= TRAP_FLAG;
}

fn is_preempting(mode: u64) -> bool {
    mode == Stepping::Preempt as u64 || mode == Stepping::PreemptAtNew as u64
}

/// What was to be done is done at this instruction.
fn stop(block: &ControlBlock, mode: u64, pc: usize) {
    let distance = pc.wrapping_sub(block.text.get());
    visited::stopped(pc, (distance < block.text_length.get()).then_some(distance));
    let (first, end) = lucet::context::restoring();
    let saves =
        is_preempting(mode) || mode == Stepping::Slice as u64 && block.state() == state::GUEST;
    if saves && !(first..end).contains(&pc) {
        forget_saved(block);
    }
    act(block, mode);
}

/// So that it shows whether registers are saved at this stop.
fn forget_saved(block: &ControlBlock) {
    let mut registers = block.registers.get();
    registers.pc = 0;
    block.registers.set(registers);
}

fn act(block: &ControlBlock, mode: u64) {
    let is = |what: Stepping| mode == what as u64;
    let times = &block.times;
    if is_preempting(mode) {
        block.raise(control::stop::SLICE);
        signal_self(libc::SI_QUEUE, NUMBER.load(Ordering::Relaxed) as usize);
    } else if !is(Stepping::Kill) {
        // Only while the run is one that the timer's handler looks at.
        let Some(runner) = lucet::thread::runner() else {
            return;
        };
        if !chain::of(runner).any(|run| std::ptr::eq(run, block)) {
            let runs = matches!(block.state(), state::GUEST | state::HOST | state::LEAF);
            UNSEEN.fetch_add(u64::from(runs), Ordering::Relaxed);
            return;
        }
        if is(Stepping::Deadline) {
            times.deadline.set(0);
        } else if is(Stepping::Slice) {
            times.slice.set(0);
        } else if is(Stepping::DeadlineUnseen) {
            block.raise(control::stop::DEADLINE);
            return;
        } else {
            times.cpu_budget.set(1);
            // The first look begins to measure.
            times.cpu.set(0);
            look(block, now());
            times.cpu.set(0);
        }
        signal_self(libc::SI_TIMER, runner.value());
    } else {
        let victim = KillHandle {
            block: NUMBER.load(Ordering::Relaxed) + 1,
            incarnation: INCARNATION.load(Ordering::Relaxed),
        };
        kill(victim, 5);
    }
}

/// How often a handler would not have found the run that was aimed at while it was under way. Each would be a limit that is lost.
pub fn unseen() -> u64 {
    UNSEEN.load(Ordering::Relaxed)
}

/// So many bits of [`dirty`] are of general registers.
pub const GENERAL: usize = 10;

/// Which registers were not zero at the guest's first instruction, a bit each: those that neither its convention nor its adapter has use
/// for.
pub fn dirty() -> u64 {
    let found = FOUND.load(Ordering::Relaxed);
    assert_ne!(found, u64::MAX, "nobody has looked");
    found
}

fn look_at_registers(context: &ucontext_t) -> u64 {
    let registers = &context.uc_mcontext.gregs;
    // rdi is vmctx, rsi and rdx the adapter's, rax the code's address, rbx the block's.
    let clear: [_; GENERAL] = [
        libc::REG_RCX,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
        libc::REG_RBP,
    ];
    let general = clear
        .iter()
        .map(|register| registers[*register as usize] != 0);
    // SAFETY: the kernel saves vectors in every frame of a 64-bit thread.
    let vectors = unsafe { (*context.uc_mcontext.fpregs)._xmm };
    let vectors = vectors.iter().map(|vector| vector.element != [0; 4]);
    let found = general.chain(vectors).enumerate();
    found.fold(0, |bits, (place, dirty)| bits | u64::from(dirty) << place)
}

/// As `lucet_kill` and timers do it; delivered when the handler returns.
fn signal_self(code: c_int, value: usize) {
    // SAFETY: zeros are a valid siginfo, and the kernel only reads it.
    unsafe {
        let mut info: siginfo_t = std::mem::zeroed();
        info.si_code = code;
        (&raw mut info)
            .cast::<u8>()
            .add(24)
            .cast::<usize>()
            .write(value);
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            libc::getpid(),
            libc::syscall(libc::SYS_gettid),
            lucet::signal::stop_signal(),
            &raw const info,
        );
    }
}

fn install() {
    // SAFETY: zeros are a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_step;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: a valid set and signal.
    unsafe { libc::sigaddset(&mut action.sa_mask, lucet::signal::stop_signal()) };
    // SAFETY: a valid action.
    let failed = unsafe { libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()) };
    assert_eq!(failed, 0);
}
