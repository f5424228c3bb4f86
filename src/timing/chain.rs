//! The runs with times that a thread is in, innermost first: [`Runner::current`], and from there by [`ControlBlock::outer`].
//!
//! A run is *inside* of the one before it when a host function of that one has begun it: then what is over for that one is over for it,
//! and that one cannot be preempted before it has ended. Hosts that change stacks have runs one after the other that know nothing of each
//! other, and end in any order; those are in the chain, inside of none.
//!
//! While a thread is in such a run the short ways into guests are closed to it ([`Runner::close_short_ways`]), so whatever it enters then
//! is in the chain.
//!
//! Invariant: changed by the runner's thread outside of signal handlers; each step leaves a chain that its handler can follow.

use crate::control::{ControlBlock, stop};
use crate::running::Runner;
use std::sync::atomic::{Ordering, compiler_fence};

/// What of a guest's times ends the runs inside of it.
const INHERITED: u64 = stop::DEADLINE | stop::CPU | stop::NESTED;

/// The chain.
pub fn of(runner: &Runner) -> impl Iterator<Item = &'static ControlBlock> {
    let first = runner.current.load(Ordering::Acquire).cast_const();
    from(first)
}

fn from(first: *const ControlBlock) -> impl Iterator<Item = &'static ControlBlock> {
    // SAFETY: runs of the thread that looks, or what `ControlBlock::outer` was when it was one; blocks live for ever.
    let at = |block: *const ControlBlock| unsafe { block.as_ref() };
    std::iter::successors(at(first), move |block| at(block.outer.get()))
}

/// The run begins; `inside` of the one that is the innermost, or not. What is over for that one is over for it.
#[inline]
pub fn enter(block: &ControlBlock, runner: &Runner, inside: bool) {
    let around = runner.current.load(Ordering::Relaxed);
    block.outer.set(around);
    block.inside.set(inside);
    runner.close_short_ways();
    runner
        .current
        .store(std::ptr::from_ref(block).cast_mut(), Ordering::Release);
    // SAFETY: as in `from`.
    if let Some(around) = unsafe { around.as_ref() }.filter(|_| inside) {
        super::begin_nested(around, runner);
        inherit(block);
    }
}

/// The run has ended. The innermost one, as a rule.
#[inline]
pub fn leave(block: &ControlBlock, runner: &Runner) {
    let (outer, inside) = (block.outer.get(), block.inside.get());
    if std::ptr::eq(runner.current.load(Ordering::Relaxed), block) {
        runner.current.store(outer.cast_mut(), Ordering::Release);
    } else if let Some(next) = of(runner).find(|next| std::ptr::eq(next.outer.get(), block)) {
        // In this order: it is not inside of what is around this one.
        next.inside.set(false);
        compiler_fence(Ordering::SeqCst);
        next.outer.set(outer);
    }
    // A handler that still finds it finds those around it, too.
    compiler_fence(Ordering::SeqCst);
    block.outer.set(std::ptr::null());
    block.inside.set(false);
    if runner.current.load(Ordering::Relaxed).is_null() {
        runner.open_short_ways();
        runner.alarm.runs_are_over();
    }
    // SAFETY: as in `from`.
    if let Some(outer) = unsafe { outer.as_ref() }.filter(|_| inside) {
        super::end_nested(outer);
    }
}

/// The run has been left by a jump, and those inside of it with it.
pub fn abandon(block: &ControlBlock, runner: &Runner) {
    abandon_inside(block, runner);
    leave(block, runner);
}

/// Those inside of it have been left by a jump.
pub fn abandon_inside(block: &ControlBlock, runner: &Runner) {
    while let Some(left) = inside_of(block, runner) {
        abandon(left, runner);
    }
}

fn inside_of(block: &ControlBlock, runner: &Runner) -> Option<&'static ControlBlock> {
    of(runner).find(|next| next.inside.get() && std::ptr::eq(next.outer.get(), block))
}

/// Whether there is a run inside of this one.
pub fn has_inside(block: &ControlBlock) -> bool {
    // SAFETY: blocks hold addresses of runners.
    let runner = unsafe { crate::running::at(block.runner.load(Ordering::Acquire)) };
    runner.is_some_and(|runner| inside_of(block, runner).is_some())
}

/// Raises what is over for any of the runs around this one.
pub fn inherit(block: &ControlBlock) {
    let mut over = 0;
    let mut inside = block.inside.get();
    for around in from(block.outer.get()) {
        if !inside {
            break;
        }
        over |= around.stops() & INHERITED;
        inside = around.inside.get();
    }
    if over != 0 {
        block.raise(over);
    }
}
