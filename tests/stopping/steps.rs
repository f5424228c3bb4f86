//! Stops at every instruction: the processor's trap flag stops the thread after each one, and the handler asks for a kill or a
//! preemption, whose signal is delivered right there, in guest code, in trampolines, and in the library on the way in and out.

use crate::guests::{GUEST, GUEST_OF_WORDS, Setting, limit, setting_of, values};
use crate::support::i32;
use crate::visited;
use libc::{c_int, c_void, siginfo_t, ucontext_t};
use lucet::abi::{
    LUCET_PREEMPTED, LUCET_RETURNED, LUCET_STOP_DEADLINE, LUCET_STOP_KILL, LUCET_SUSPENDED,
    LUCET_TERMINATED, LUCET_TRAPPED, lucet_outcome,
};
use lucet::capi::run::lucet_instance_call;
use lucet::capi::status::LUCET_OK;
use lucet::control::{ControlBlock, state, stop};
use lucet::instance::{self, KillHandle, kill, kill_handle};
use lucet::timing::{Allowance, now};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// One test at a time: the handler is the process's.
static ONE: Mutex<()> = Mutex::new(());
static BLOCK: AtomicPtr<ControlBlock> = AtomicPtr::new(std::ptr::null_mut());
static NUMBER: AtomicU64 = AtomicU64::new(0);
static INCARNATION: AtomicU64 = AtomicU64::new(0);
/// 0: do not step; 1: preempt at step `AT` of the entry's guest code; 2: kill at step `AT` of the run; 3: its deadline passes there; 4: look at
/// the registers at the guest's first instruction.
static MODE: AtomicU32 = AtomicU32::new(0);
static AT: AtomicU64 = AtomicU64::new(0);
static STEPS: AtomicU64 = AtomicU64::new(0);

const TRAP_FLAG: i64 = 0x100;

extern "C" fn on_step(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the handler's own context.
    let flags =
        unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs[libc::REG_EFL as usize] };
    *flags &= !TRAP_FLAG;
    // SAFETY: as above.
    let pc = unsafe { (*context.cast::<ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] };
    let mode = MODE.load(Ordering::Relaxed);
    // SAFETY: set by the test; blocks live for ever.
    let Some(block) = (unsafe { BLOCK.load(Ordering::Relaxed).as_ref() }) else {
        return;
    };
    if mode == 0 {
        return;
    }
    *flags |= TRAP_FLAG;
    let now = block.state();
    if mode == 4 {
        // SAFETY: as above.
        return look_at_registers(block, unsafe { &*context.cast() });
    }
    if mode == 1 && now == state::GUEST {
        if STEPS.fetch_add(1, Ordering::Relaxed) == AT.load(Ordering::Relaxed) {
            note(block, pc as usize);
            block.raise(stop::SLICE);
            signal_self();
        }
    } else if mode >= 2
        && state::is_running(now)
        && STEPS.fetch_add(1, Ordering::Relaxed) == AT.load(Ordering::Relaxed)
    {
        *flags &= !TRAP_FLAG;
        note(block, pc as usize);
        if mode == 3 {
            // As the timer's handler: only while the run is one that it looks at.
            let looked_at = lucet::thread::runner().map(|it| it.current.load(Ordering::Relaxed));
            if looked_at == Some(BLOCK.load(Ordering::Relaxed)) {
                block.raise(stop::DEADLINE);
            }
            return;
        }
        let victim = KillHandle {
            block: NUMBER.load(Ordering::Relaxed) + 1,
            incarnation: INCARNATION.load(Ordering::Relaxed),
        };
        kill(victim, 5);
    }
}

fn note(block: &ControlBlock, pc: usize) {
    let distance = pc.wrapping_sub(block.text.get());
    visited::note(pc, (distance < block.text_length.get()).then_some(distance));
}

/// Which registers are not zero at the guest's first instruction, a bit each: those that neither its convention nor its adapter has use for.
static FOUND: AtomicU64 = AtomicU64::new(0);

/// So many bits are of general registers.
const GENERAL: usize = 10;

fn look_at_registers(block: &ControlBlock, context: &ucontext_t) {
    let registers = &context.uc_mcontext.gregs;
    let pc = registers[libc::REG_RIP as usize] as usize;
    let in_guest = pc.wrapping_sub(block.text.get()) < block.text_length.get();
    if !in_guest || FOUND.load(Ordering::Relaxed) != u64::MAX {
        return;
    }
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
    let bits = found.fold(0, |bits, (place, dirty)| bits | u64::from(dirty) << place);
    FOUND.store(bits, Ordering::Relaxed);
}

/// As `lucet_kill` and timers do it; delivered when the handler returns.
fn signal_self() {
    // SAFETY: zeros are a valid siginfo, and the kernel only reads it.
    unsafe {
        let mut info: siginfo_t = std::mem::zeroed();
        info.si_code = libc::SI_QUEUE;
        let value = NUMBER.load(Ordering::Relaxed) as usize;
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

fn step(mode: u32) {
    MODE.store(mode, Ordering::Relaxed);
    if mode != 0 {
        // SAFETY: the handler sets the trap flag.
        unsafe { libc::raise(libc::SIGTRAP) };
    }
}

fn aim(guest: &Setting) {
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

fn prepared(text: &str) -> Setting {
    let guest = setting_of(text);
    install();
    assert_eq!(guest.run("nothing", &[]).kind, LUCET_RETURNED);
    guest
}

#[test]
fn a_slice_may_end_at_every_instruction() {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let guest = prepared(GUEST);
    // LUCET_SOAK: so many times longer.
    let times = std::env::var_os("LUCET_SOAK").map_or(1, |_| 300);
    let cases = [
        // Of few instructions a round: the function that it calls is inlined.
        ("work", 160 * times),
        ("vectors", 90 * times),
        ("talk", 40 * times),
        ("pair", 3),
        ("throw", 5 * times),
    ];
    let mut places = 0;
    for (name, argument) in cases {
        let arguments = &[i32(argument)];
        guest.reset();
        let wanted = values(&guest.run(name, arguments));
        guest.reset();
        aim(&guest);
        AT.store(0, Ordering::Relaxed);
        step(1);
        let outcome = instance::run(guest.handle, name.as_bytes(), arguments);
        step(0);
        let mut outcome = outcome.expect("a run");
        let mut slices = 0;
        while outcome.kind == LUCET_PREEMPTED {
            slices += 1;
            // The first steps are those that restore the registers, where preempting again makes no headway; with a
            // distance that is prime to the length of most loops, every instruction has its turn.
            STEPS.store(0, Ordering::Relaxed);
            AT.store(slices * 5 % 13, Ordering::Relaxed);
            step(1);
            let resumed = instance::resume(guest.handle, &[]);
            step(0);
            outcome = resumed.expect("a resume");
        }
        assert_eq!(values(&outcome), wanted, "{name}");
        assert!(slices > 5, "{name}: {slices}");
        places += slices;
    }
    assert!(places > 3500 * times as u64, "{places}");
    visited::report();
}

/// Kills at each step of what `act` does, after `prepare`; or, without LUCET_SOAK, at one in `stride`. Answers how many came too late
/// for the run.
fn kill_at_each_step(
    text: &str,
    stride: usize,
    prepare: impl Fn(&Setting),
    act: impl Fn(&Setting) -> lucet_outcome,
) -> u32 {
    kill_at_each_step_until(text, LUCET_RETURNED, stride, prepare, act)
}

/// The same, where the run ends in another way by itself.
fn kill_at_each_step_until(
    text: &str,
    end: u32,
    stride: usize,
    prepare: impl Fn(&Setting),
    act: impl Fn(&Setting) -> lucet_outcome,
) -> u32 {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let guest = prepared(text);
    let (mut ended, mut returned) = (0, 0);
    let stride = std::env::var_os("LUCET_SOAK").map_or(stride, |_| 1);
    for at in (0..).step_by(stride) {
        guest.reset();
        prepare(&guest);
        aim(&guest);
        AT.store(at, Ordering::Relaxed);
        step(2);
        let outcome = act(&guest);
        step(0);
        if STEPS.load(Ordering::Relaxed) <= at {
            // It has fewer instructions.
            assert_eq!(outcome.kind, end);
            break;
        }
        match outcome.kind {
            LUCET_TERMINATED => {
                assert_eq!((outcome.detail, outcome.token), (LUCET_STOP_KILL, 5));
                ended += 1;
            }
            kind => {
                assert_eq!(kind, end, "step {at}");
                returned += 1;
                if end == LUCET_TRAPPED {
                    // It has ended for good in one way.
                    continue;
                }
                // Too late for this run, not forgotten.
                let next = guest.run("plain", &[]);
                assert_eq!(
                    (next.kind, next.detail),
                    (LUCET_TERMINATED, LUCET_STOP_KILL)
                );
            }
        }
    }
    assert!(ended > 10, "{ended}");
    visited::report();
    returned
}

#[test]
fn a_kill_may_come_at_every_instruction() {
    let run = |guest: &Setting| instance::run(guest.handle, b"talk", &[i32(2)]).expect("a run");
    assert!(
        kill_at_each_step(GUEST, 11, |_| {}, run) > 0,
        "none was too late"
    );
}

#[test]
fn a_kill_may_come_at_every_instruction_of_a_call_by_handle() {
    for text in [GUEST, GUEST_OF_WORDS] {
        for way in [Way::Short, Way::FromC] {
            kill_at_each_step(text, 1, |_| {}, |guest| call_plain(guest, way));
        }
    }
}

#[test]
fn a_kill_may_come_at_every_instruction_of_a_callback() {
    let run = |guest: &Setting| instance::run(guest.handle, b"callback", &[i32(3)]).expect("a run");
    kill_at_each_step(GUEST, 11, |_| {}, run);
}

#[test]
fn a_kill_may_come_at_every_instruction_of_a_resume() {
    let suspend = |guest: &Setting| {
        guest.desk.suspending.store(true, Ordering::Relaxed);
        assert_eq!(guest.run("word", &[i32(1)]).kind, LUCET_SUSPENDED);
        guest.desk.suspending.store(false, Ordering::Relaxed);
    };
    for text in [GUEST, GUEST_OF_WORDS] {
        kill_at_each_step(text, 7, suspend, |guest| {
            instance::resume(guest.handle, &[i32(4)]).expect("a resume")
        });
    }
    let preempt = |guest: &Setting| {
        aim(guest);
        AT.store(40, Ordering::Relaxed);
        step(1);
        let outcome = instance::run(guest.handle, b"work", &[i32(2)]);
        step(0);
        assert_eq!(outcome.expect("a run").kind, LUCET_PREEMPTED);
    };
    kill_at_each_step(GUEST, 7, preempt, |guest| {
        instance::resume(guest.handle, &[]).expect("a resume")
    });
}

/// Whatever comes first is the outcome: the trap, or the kill.
#[test]
fn a_kill_may_come_at_every_instruction_of_a_run_that_traps() {
    let run = |guest: &Setting| instance::run(guest.handle, b"trap", &[i32(3)]).expect("a run");
    kill_at_each_step_until(GUEST, LUCET_TRAPPED, 5, |_| {}, run);
}

/// What a guest finds in registers when it starts: its arguments, and nothing of the host's.
#[test]
fn a_guest_starts_with_clear_registers() {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // One that uses no vector registers finds in them what it cannot see.
    for (text, visible) in [(GUEST, u64::MAX), (GUEST_OF_WORDS, (1 << GENERAL) - 1)] {
        let guest = prepared(text);
        for way in [Way::Long, Way::Short, Way::FromC] {
            aim(&guest);
            FOUND.store(u64::MAX, Ordering::Relaxed);
            step(4);
            let outcome = call_plain(&guest, way);
            step(0);
            assert_eq!(outcome.kind, LUCET_RETURNED);
            let found = FOUND.load(Ordering::Relaxed);
            assert_ne!(found, u64::MAX, "nobody has looked");
            assert_eq!(found & visible, 0, "registers that are not zero");
        }
    }
}

/// A run with times may return although they are over; the short way into its next run, which has none, knows nothing of them.
#[test]
fn a_time_that_is_over_too_late_is_forgotten() {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let guest = prepared(GUEST);
    for way in [Way::Long, Way::Short] {
        let (mut ended, mut returned) = (0, 0);
        // LUCET_SOAK: at each instruction.
        let stride = std::env::var_os("LUCET_SOAK").map_or(3, |_| 1);
        for at in (0..).step_by(stride) {
            let Some(outcome) = over_at_step(&guest, at, way) else {
                break;
            };
            if outcome.kind == LUCET_TERMINATED {
                assert_eq!(outcome.detail, LUCET_STOP_DEADLINE);
                ended += 1;
                instance::keep(guest.handle).expect("a stopped guest");
            } else {
                assert_eq!(outcome.kind, LUCET_RETURNED);
                returned += 1;
            }
            limit(guest.handle, Allowance::default());
            let next = call_plain(&guest, Way::Short);
            assert_eq!(next.kind, LUCET_RETURNED, "step {at}");
        }
        assert!(ended > 0 && returned > 0, "{ended} {returned}");
    }
}

#[derive(Clone, Copy)]
enum Way {
    Long,
    Short,
    FromC,
}

fn call_plain(guest: &Setting, way: Way) -> lucet_outcome {
    match way {
        Way::Long => instance::run(guest.handle, b"plain", &[]).expect("a run"),
        Way::Short => {
            let func = guest.module.func(b"plain").expect("an export");
            let mut outcome = instance::outcome::NOT_RUN;
            assert!(instance::short::call(
                guest.handle.0,
                func,
                &[],
                &mut outcome
            ));
            outcome
        }
        Way::FromC => {
            let func = guest.module.func(b"plain").expect("an export");
            let func = std::ptr::from_ref(func).cast();
            let mut outcome = instance::outcome::NOT_RUN;
            let (instance, none) = (guest.handle.0 as *mut _, std::ptr::null());
            // SAFETY: a function of the guest's module, which has no parameters.
            let status = unsafe { lucet_instance_call(instance, func, none, 0, &raw mut outcome) };
            assert_eq!(status, LUCET_OK);
            outcome
        }
    }
}

/// A call whose deadline passes at this step of its run; `None`: it has no so many.
fn over_at_step(guest: &Setting, at: u64, way: Way) -> Option<lucet_outcome> {
    let time = Allowance {
        deadline: now() + 3_600_000_000_000,
        ..Allowance::default()
    };
    limit(guest.handle, time);
    aim(guest);
    AT.store(at, Ordering::Relaxed);
    step(3);
    let outcome = call_plain(guest, way);
    step(0);
    (STEPS.load(Ordering::Relaxed) > at).then_some(outcome)
}
