//! The stop signal: a thread is to leave the guest that it runs, because somebody killed it or its time is over.
//!
//! The signal itself says nothing but "look": who asked, and for what, is in the stop word of the control block. It is sent
//! by [`send`] with the number of a block, and by timers with the number of a [`crate::running::Runner`].
//!
//! | state | the interrupted instruction | then |
//! |---|---|---|
//! | guest | in the module, or in the trampolines before they leave or after they entered | leave, or save registers and leave |
//! | guest | in the trampoline that leaves | nothing: it is being left |
//! | guest | at the return of a host function that has asked for a suspension, at the end of a slice | nothing: the trampoline leaves |
//! | guest | in the trampoline that restores registers | leave; what was saved before is still saved |
//! | guest | elsewhere: a signal handler of the host's runs on top of the guest | look again in 50 us |
//! | host, while it has another instance run | any | the same for that one |
//! | host, leaf | any | nothing: the trampoline, or guest code that called a leaf, looks at the stop word when the host function returns |
//! | entering | any | nothing: the trampoline looks at the stop word before the guest runs |
//! | others | any | nothing: no guest runs |
//!
//! A handler may be late: the run that it was sent for is over, and another thread is in the guest. So whose guest it is, is looked at behind
//! the state, which that thread changes last.
//!
//! Everything here is async-signal-safe, and uses no thread-local variable, since a stray signal may come to any thread.

use super::handler::{FLAGS_TO_CLEAR, register};
use super::install::stop_signal;
use crate::control::{ControlBlock, FLAGS_ALWAYS_SET, Times, Trap, exit, state, stop};
use crate::running::{self, Runner};
use crate::timing::{self, chain};
use crate::{context, directory};
use libc::{c_int, siginfo_t, ucontext_t};
use std::sync::atomic::Ordering;

/// What of a guest's flags is kept: carry, parity, adjust, zero, sign, overflow.
const ARITHMETIC_FLAGS: u64 = 0x8d5;

/// Deals with a stop signal. False: it is not one of ours.
pub(super) fn arrived(info: &siginfo_t, context: &mut ucontext_t) -> bool {
    // SAFETY: reads a word that exists in every siginfo; it is only used after `si_code` has given it a meaning.
    let value = unsafe { info.si_value() }.sival_ptr as usize;
    match info.si_code {
        libc::SI_TIMER => match running::by_value(value) {
            Some((runner, own)) if is_ours(runner, context) => {
                runner.alarm.fired(own);
                if !own {
                    runner.alarm.judge(interrupts_a_system_call(context));
                }
                look_at_runs(runner, context);
                true
            }
            // The timer of a thread that has ended, or somebody made this up.
            _ => false,
        },
        libc::SI_QUEUE => match u32::try_from(value).ok().and_then(directory::block) {
            Some(block) => {
                asked(block, context);
                true
            }
            None => false,
        },
        _ => false,
    }
}

/// Whether this is the thread of a runner. Asking the kernel is a system call, so the stack is looked at first: who is on that of the guest that
/// the runner's thread runs is that thread.
fn is_ours(runner: &Runner, context: &ucontext_t) -> bool {
    // SAFETY: blocks live for ever.
    let current = unsafe { runner.current.load(Ordering::Acquire).as_ref() };
    current
        .filter(|block| runs(runner, block))
        .is_some_and(|block| {
            let stack = register(context, libc::REG_RSP);
            (block.stack_low.get()..block.stack_high.get()).contains(&stack)
        })
        || runner.tid.load(Ordering::Acquire) == running::own_tid()
}

/// Whether a runner is the latest that has entered the guest of a block. Who has read of the block before that it is in a guest or in its
/// host function knows whose: the runner is written down first.
fn runs(runner: &Runner, block: &ControlBlock) -> bool {
    block.runner.load(Ordering::Acquire) == std::ptr::from_ref(runner) as usize
}

/// Somebody wants the guest of this block to be stopped.
fn asked(block: &'static ControlBlock, context: &mut ucontext_t) {
    // SAFETY: blocks hold addresses of runners.
    let runner = unsafe { running::at(block.runner.load(Ordering::Acquire)) };
    let Some(runner) =
        runner.filter(|runner| runner.tid.load(Ordering::Acquire) == running::own_tid())
    else {
        // The run is over, and this thread was late to be told.
        return;
    };
    if stop_guest(block, runner, context) == Done::NotYet {
        try_again(runner, block);
        if !runner.alarm.is_made() {
            // Nothing will look again: another kill may signal.
            block.word.not_sent();
        }
        runner.alarm.by(timing::now() + timing::RETRY_NS);
    }
}

fn try_again(runner: &Runner, block: &ControlBlock) {
    runner
        .retry
        .store(std::ptr::from_ref(block).cast_mut(), Ordering::Release);
}

/// Looks at all runs that this thread is in, and at the one that was to be looked at again.
fn look_at_runs(runner: &Runner, context: &mut ucontext_t) {
    let now = timing::now();
    let (mut next, mut next_own) = (Times::NEVER, Times::NEVER);
    for block in chain::of(runner) {
        timing::look(block, now);
    }
    for block in chain::of(runner) {
        chain::inherit(block);
        next = next.min(block.times.next());
        next_own = next_own.min(block.times.own_slice.get());
        if stop_guest(block, runner, context) == Done::NotYet {
            next = next.min(now + timing::RETRY_NS);
        }
    }
    let retry = runner.retry.swap(std::ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: blocks live for ever.
    if let Some(block) = unsafe { retry.as_ref() }
        && stop_guest(block, runner, context) == Done::NotYet
    {
        try_again(runner, block);
        next = next.min(now + timing::RETRY_NS);
    }
    runner.alarm.by(next);
    if next_own != Times::NEVER {
        runner.alarm.after_own(next_own - now);
    }
}

/// Whether the thread was in a system call that now fails with EINTR.
fn interrupts_a_system_call(context: &ucontext_t) -> bool {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    const PAGE: usize = 4096;
    let (pc, answer) = (
        register(context, libc::REG_RIP),
        register(context, libc::REG_RAX),
    );
    // Whether the page before can be read is not known.
    if answer as isize != -(libc::EINTR as isize) || pc % PAGE < SYSCALL.len() {
        return false;
    }
    // SAFETY: the page of the interrupted instruction is code, which programs can read.
    let before = unsafe { ((pc - SYSCALL.len()) as *const [u8; 2]).read_unaligned() };
    before == SYSCALL
}

/// Whether somebody has to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Yes,
    NotYet,
}

/// Stops the guest of a block if its stop word says so and this is the place for it; if it has had another instance called, then that
/// one's, and so on. Each has been entered later than the one before, so this comes to an end.
fn stop_guest(block: &'static ControlBlock, runner: &Runner, context: &mut ucontext_t) -> Done {
    let mut block = block;
    loop {
        let inside = block.bridge.load(Ordering::Acquire);
        // SAFETY: blocks live for ever.
        let inside = unsafe { inside.as_ref() };
        let is_over = block.state() == state::HOST && block.stops() & stop::FINAL != 0;
        match inside.filter(|_| is_over && runs(runner, block)) {
            Some(inside) => {
                inside.raise(stop::LINKED);
                block = inside;
            }
            None => return stop_innermost(block, runner, context),
        }
    }
}

fn stop_innermost(block: &ControlBlock, runner: &Runner, context: &mut ucontext_t) -> Done {
    let wanted = block.stops() & (stop::FINAL | stop::SLICE);
    if wanted == 0 {
        return Done::Yes;
    }
    let state = block.state();
    if !runs(runner, block) {
        // Since this handler began to look, another thread has entered it: that one has been told.
        return Done::Yes;
    }
    match state {
        state::GUEST => {}
        state::HOST | state::LEAF => {
            block.deferred.fetch_add(1, Ordering::Relaxed);
            return Done::Yes;
        }
        _ => return Done::Yes,
    }
    let pc = register(context, libc::REG_RIP);
    let within = |(from, to): (usize, usize)| (from..to).contains(&pc);
    let last = wanted & stop::FINAL != 0;
    if within(context::leaving()) {
        return Done::Yes;
    }
    if within(context::restoring()) {
        let code = if last {
            exit::UNSTARTED
        } else {
            exit::PREEMPTED
        };
        leave(block, context, code);
        return Done::Yes;
    }
    let in_guest = pc.wrapping_sub(block.text.get()) < block.text_length.get();
    if !in_guest && !within(context::trampolines()) {
        return Done::NotYet;
    }
    if last {
        note(block, context);
        leave(block, context, exit::INTERRUPTED);
        return Done::Yes;
    }
    if block.again.get().is_some() || block.stops() & stop::REQUEST != 0 {
        // The helper whose return this is has seen the same bits, or the host function has asked for something: the trampoline
        // looks now, and leaves. It is what was asked for that the host is told: its guest would go on without it.
        return Done::Yes;
    }
    let stack = register(context, libc::REG_RSP);
    if !(block.stack_guard.get()..=block.stack_high.get()).contains(&stack) {
        // On the host's stack: about to be in a host function, or out, or on the way in, past the look at the stop word.
        return Done::NotYet;
    }
    note(block, context);
    save(block, context);
    leave(block, context, exit::PREEMPTED);
    Done::Yes
}

/// Where the guest was, for backtraces.
fn note(block: &ControlBlock, context: &ucontext_t) {
    block.trap.set(Trap {
        code: 0,
        signal: stop_signal().unsigned_abs(),
        pc: register(context, libc::REG_RIP),
        frame: register(context, libc::REG_RBP),
        stack: register(context, libc::REG_RSP),
        address: 0,
    });
}

fn save(block: &ControlBlock, context: &ucontext_t) {
    const ORDER: [c_int; 16] = [
        libc::REG_RAX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RBX,
        libc::REG_RSP,
        libc::REG_RBP,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
    ];
    // SAFETY: the block's own, which nobody else touches while the guest runs. In place, since it is half a kilobyte.
    let saved = unsafe { &mut *block.registers.as_ptr() };
    for (place, number) in saved.general.iter_mut().zip(ORDER) {
        *place = register(context, number) as u64;
    }
    saved.pc = register(context, libc::REG_RIP) as u64;
    let flags = register(context, libc::REG_EFL) as u64;
    saved.flags = flags & ARITHMETIC_FLAGS | FLAGS_ALWAYS_SET;
    // SAFETY: the kernel saves vectors in every frame of a 64-bit thread, and says where.
    if let Some(vectors) = unsafe { context.uc_mcontext.fpregs.as_ref() } {
        for (place, vector) in saved.xmm.iter_mut().zip(&vectors._xmm) {
            let [a, b, c, d] = vector.element.map(u128::from);
            *place = a | b << 32 | c << 64 | d << 96;
        }
    }
}

/// Makes the interrupted thread continue in the trampoline that leaves the guest.
pub(super) fn leave(block: &ControlBlock, context: &mut ucontext_t, code: u32) {
    let registers = &mut context.uc_mcontext.gregs;
    registers[libc::REG_RIP as usize] = context::leave_address() as i64;
    registers[libc::REG_RBX as usize] = std::ptr::from_ref(block) as i64;
    registers[libc::REG_RAX as usize] = i64::from(code);
    registers[libc::REG_EFL as usize] &= !FLAGS_TO_CLEAR;
}

/// Makes the thread that runs the guest of a block look at its stop word. Any thread, async-signal-safe. False: it cannot be
/// reached, and looks when its host function returns.
pub fn send(block: &ControlBlock, number: u32) -> bool {
    // SAFETY: blocks hold addresses of runners.
    let runner = unsafe { running::at(block.runner.load(Ordering::Acquire)) };
    let (Some(runner), signal) = (runner, stop_signal()) else {
        return false;
    };
    if signal == 0 {
        return false;
    }
    // SAFETY: zeros are a valid siginfo.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    info.si_signo = signal;
    info.si_code = libc::SI_QUEUE;
    // SAFETY: si_value lies 24 bytes into the 128 of a siginfo.
    unsafe {
        (&raw mut info)
            .cast::<u8>()
            .add(24)
            .cast::<usize>()
            .write(number as usize)
    };
    // SAFETY: no memory arguments.
    let process = unsafe { libc::syscall(libc::SYS_getpid) };
    let thread = runner.tid.load(Ordering::Acquire);
    // SAFETY: the kernel reads the siginfo, or refuses.
    let queued = unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            process,
            thread,
            signal,
            &raw const info,
        )
    };
    if queued == 0 {
        return true;
    }
    // The queue of signals is full (RLIMIT_SIGPENDING). The thread's timer has a place of its own in it.
    try_again(runner, block);
    runner.alarm.now()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The handler's thread has left the guest since the signal was sent, and runs another instance of the same module.
    #[test]
    fn a_late_handler_leaves_the_guest_of_another_thread_alone() {
        const TEXT: usize = 0x10_0000;
        let block: &ControlBlock = Box::leak(Box::new(ControlBlock::new()));
        let [late, other] = [0; 2].map(|_| running::take(0).expect("a runner"));
        block.text.set(TEXT);
        block.text_length.set(0x1000);
        block
            .state
            .store(u64::from(state::GUEST), Ordering::Release);
        block
            .runner
            .store(std::ptr::from_ref(other) as usize, Ordering::Release);
        block.raise(stop::DEADLINE);
        // SAFETY: zeros are a context.
        let mut context: ucontext_t = unsafe { std::mem::zeroed() };
        context.uc_mcontext.gregs[libc::REG_RIP as usize] = TEXT as i64 + 16;
        assert_eq!(stop_guest(block, late, &mut context), Done::Yes);
        assert_eq!(register(&context, libc::REG_RIP), TEXT + 16);
        assert_eq!(stop_guest(block, other, &mut context), Done::Yes);
        assert_eq!(
            register(&context, libc::REG_RIP),
            context::leave_address(),
            "it is the other thread's"
        );
        running::give_back(late);
        running::give_back(other);
    }
}
