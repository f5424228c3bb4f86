//! Deadlines, CPU budgets and slices: what an entry's times mean.
//!
//! Guest code looks at no clock. Each thread has timers ([`crate::running::Alarm`]), one of which fires at the earliest time of the runs it
//! is in, or before; the handler sets it again when it has fired too early, and not when no run is going on.
//!
//! ```text
//!   begin      entry or resume: reads the clock, computes the times, sets the timer if it would fire too late
//!   look       timer's handler: raises bits of the stop word for what is over
//!   end        the run has ended, in whatever way
//! ```
//!
//! CPU time costs a system call to read, so of a budget of some milliseconds it is not read at all for the first sixteenth: until then,
//! time of the clock on the wall is an upper bound. A guest that has a budget is therefore stopped after between 1 and 1 1/16 times
//! of it, and what the timer and host functions take. Of a smaller one the timer alone would take too much: it is measured from the start,
//! and for its end the timer is set a little early, since a signal takes so long to come; what is left then, the handler waits.
//!
//! Invariants: [`look`] runs in the signal handler of the thread that runs the guest; everything else on that thread
//! outside of it. Times are written before the timer is looked at, so a handler in between does no harm.

pub mod chain;

use crate::control::{ControlBlock, Times, state, stop};
use crate::running::Runner;

/// How long a handler waits when a guest cannot be stopped at this moment.
pub const RETRY_NS: u64 = 50_000;
/// The part of a CPU budget that is not measured: one in so many.
const UNMEASURED: u64 = 16;
/// Smaller budgets than this are measured from the start.
const MEASURED_AT_ONCE_NS: u64 = 2_000_000;
/// CPU clocks are not looked at more often.
const CPU_STEP_NS: u64 = 20_000;
/// How much before the end of a budget the timer is set to fire. The most that a handler waits for the rest.
const EARLY_NS: u64 = 20_000;
/// Slices from here on are looked at by the timer of the thread's own processor time, which fires at the kernel's ticks, every few
/// milliseconds.
const OWN_TIME_NS: u64 = 8_000_000;
/// In place of a budget of CPU time: none, but it is measured.
pub const MEASURE_ONLY: u64 = u64::MAX;

/// What an entry may take, in nanoseconds; 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// When it must have ended, by CLOCK_MONOTONIC.
    pub deadline: u64,
    /// CPU time of all entries together, or [`MEASURE_ONLY`].
    pub cpu: u64,
    /// Time until it is preempted.
    pub slice: u64,
    /// Time that a nested run may take beyond the slice's end; 0: as much as a slice.
    pub nested: u64,
}

impl Allowance {
    /// Whether there is anything to wait for.
    pub fn is_any(&self) -> bool {
        self.deadline | self.cpu | self.slice != 0
    }
}

impl Allowance {
    /// The deadline, if there is no other limit.
    pub fn deadline_alone(&self) -> Option<u64> {
        (self.cpu | self.slice == 0 && self.deadline != 0).then_some(self.deadline)
    }
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes a timespec of ours; these clocks always exist.
    unsafe { libc::clock_gettime(clock, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// CLOCK_MONOTONIC. Async-signal-safe.
pub fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// This thread's CPU time. Async-signal-safe.
fn cpu() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Begins an entry with times, its own or those of the run that it is `inside` of ([`chain`]): what is over already is raised at once, and
/// the guest does not run.
pub fn begin(block: &ControlBlock, runner: &Runner, allowed: &Allowance, inside: bool) {
    match allowed.deadline_alone() {
        Some(deadline) => begin_deadline(block, runner, deadline, inside),
        None => begin_any(block, runner, allowed, inside),
    }
}

fn begin_any(block: &ControlBlock, runner: &Runner, allowed: &Allowance, inside: bool) {
    let times = &block.times;
    let now = now();
    times.begun.set(now);
    times.nested.set(Times::NEVER);
    times.nested_ns.set(if allowed.nested == 0 {
        allowed.slice
    } else {
        allowed.nested
    });
    times.slice_due.set(false);
    times.deadline.set(or_never(allowed.deadline));
    let own = allowed.slice >= OWN_TIME_NS && runner.alarm.has_own();
    let slice = after(now, allowed.slice);
    times.slice.set(if own { Times::NEVER } else { slice });
    times.own_slice.set(if own { slice } else { Times::NEVER });
    times.cpu_budget.set(allowed.cpu);
    times.cpu_baseline.set(0);
    times.cpu.set(Times::NEVER);
    if times.deadline.get() <= now {
        times.deadline.set(Times::NEVER);
        block.raise(stop::DEADLINE);
    }
    if allowed.cpu != 0 {
        begin_budget(block, now);
    }
    chain::enter(block, runner, inside);
    runner.alarm.run_begins(now);
    runner.alarm.by(times.next());
    if own {
        runner.alarm.after_own(allowed.slice);
    }
}

/// The same for a deadline alone, of which most requests of a server have the same: the clock is read only when the timer must be set. It
/// is set for no later time, so it has not fired, so the deadline has not passed.
#[inline]
pub fn begin_deadline(block: &ControlBlock, runner: &Runner, deadline: u64, inside: bool) {
    if runner.alarm.is_unset() {
        let allowed = Allowance {
            deadline,
            ..Allowance::default()
        };
        return begin_any(block, runner, &allowed, inside);
    }
    let times = &block.times;
    times.deadline.set(deadline);
    times.slice.set(Times::NEVER);
    times.own_slice.set(Times::NEVER);
    times.nested.set(Times::NEVER);
    times.cpu.set(Times::NEVER);
    times.cpu_budget.set(0);
    times.slice_due.set(false);
    chain::enter(block, runner, inside);
    if !runner.alarm.is_set_by(deadline) {
        set_for(block, runner, deadline);
    }
}

#[cold]
fn set_for(block: &ControlBlock, runner: &Runner, deadline: u64) {
    if deadline <= now() {
        block.times.deadline.set(Times::NEVER);
        block.raise(stop::DEADLINE);
    } else {
        runner.alarm.by(deadline);
    }
}

fn begin_budget(block: &ControlBlock, now: u64) {
    let times = &block.times;
    let (budget, measured) = (times.cpu_budget.get(), times.cpu_measured.get());
    if budget == MEASURE_ONLY {
        times.cpu_baseline.set(cpu());
        return;
    }
    if measured >= budget {
        block.raise(stop::CPU);
        return;
    }
    let share = (budget / UNMEASURED).saturating_sub(times.cpu_unmeasured.get());
    if budget >= MEASURED_AT_ONCE_NS && share >= CPU_STEP_NS {
        times.cpu.set(now.saturating_add(share));
    } else {
        times.cpu_baseline.set(cpu());
        times.cpu.set(near(now, budget - measured));
    }
}

/// When to look at a budget of which so much is left.
fn near(now: u64, left: u64) -> u64 {
    now.saturating_add(left.saturating_sub(EARLY_NS).max(1))
}

fn or_never(time: u64) -> u64 {
    if time == 0 { Times::NEVER } else { time }
}

fn after(now: u64, span: u64) -> u64 {
    if span == 0 {
        Times::NEVER
    } else {
        now.saturating_add(span)
    }
}

/// Ends an entry with times.
#[inline]
pub fn end(block: &ControlBlock, runner: &Runner) {
    chain::leave(block, runner);
    if block.times.cpu_budget.get() != 0 {
        end_budget(&block.times);
    }
}

fn end_budget(times: &Times) {
    let baseline = times.cpu_baseline.replace(0);
    if baseline != 0 {
        add(&times.cpu_measured, cpu().saturating_sub(baseline));
    } else {
        add(
            &times.cpu_unmeasured,
            now().saturating_sub(times.begun.get()),
        );
    }
}

fn add(counter: &std::cell::Cell<u64>, more: u64) {
    counter.set(counter.get().saturating_add(more));
}

/// A host function of a guest with times calls back into it, or runs another: the guest cannot be preempted before that has ended.
pub fn begin_nested(block: &ControlBlock, runner: &Runner) {
    if block.stops() & stop::SLICE == 0 {
        return;
    }
    block.lower(stop::SLICE);
    due(block, now());
    runner.alarm.by(block.times.next());
}

/// The slice has ended in a nested run.
fn due(block: &ControlBlock, now: u64) {
    let times = &block.times;
    times.slice_due.set(true);
    times.nested.set(now.saturating_add(times.nested_ns.get()));
}

/// A callback, a call of another instance or a run of one has ended: whether it was the outermost is looked at here.
pub fn end_nested(block: &ControlBlock) {
    if is_nested(block) {
        return;
    }
    block.times.nested.set(Times::NEVER);
    block.lower(stop::NESTED);
    // What it had of the runs around it, for which nobody would look again.
    chain::inherit(block);
    if block.times.slice_due.replace(false) {
        block.raise(stop::SLICE);
    }
}

/// Raises what is over at `now`.
pub fn look(block: &ControlBlock, now: u64) {
    let times = &block.times;
    if now >= times.deadline.get() {
        times.deadline.set(Times::NEVER);
        block.raise(stop::DEADLINE);
    }
    if now >= times.cpu.get() {
        look_at_budget(block, now);
    }
    if now >= times.slice.get().min(times.own_slice.get()) {
        times.own_slice.set(Times::NEVER);
        let nested = is_nested(block);
        let state = block.state();
        // On the way in, which may not even have begun: entries do not look for the end of a slice, so it comes a little later.
        if state == state::ENTERING || !state::is_running(state) {
            times.slice.set(now + RETRY_NS);
        } else {
            times.slice.set(Times::NEVER);
            if nested {
                due(block, now);
            } else {
                block.raise(stop::SLICE);
            }
        }
    }
    if now >= times.nested.get() {
        times.nested.set(Times::NEVER);
        if is_nested(block) {
            block.raise(stop::NESTED);
        }
    }
}

/// Whether the guest cannot be preempted: it has been called back, has had another instance called, or its host function runs one.
fn is_nested(block: &ControlBlock) -> bool {
    block.nested.get() > 0 || block.bridges.get() > 0 || chain::has_inside(block)
}

fn look_at_budget(block: &ControlBlock, now: u64) {
    let times = &block.times;
    let (budget, measured) = (times.cpu_budget.get(), times.cpu_measured.get());
    let baseline = times.cpu_baseline.get();
    if baseline == 0 {
        add(&times.cpu_unmeasured, now.saturating_sub(times.begun.get()));
        times.cpu_baseline.set(cpu());
        times.cpu.set(near(now, budget.saturating_sub(measured)));
        return;
    }
    let left = || budget.saturating_sub(measured.saturating_add(cpu().saturating_sub(baseline)));
    let mut remaining = left();
    let step = if block.state() == state::GUEST {
        // Another timer for what is left now would take longer than that.
        while (1..=EARLY_NS).contains(&remaining) {
            remaining = left();
        }
        CPU_STEP_NS
    } else {
        // A host function may sleep, and little may be left of the budget.
        CPU_STEP_NS.max(budget / UNMEASURED)
    };
    if remaining == 0 {
        times.cpu.set(Times::NEVER);
        block.raise(stop::CPU);
    } else {
        times.cpu.set(near(now, remaining.max(EARLY_NS + step)));
    }
}
