//! The short way into an instance that has a deadline and no other limit of time, as guests of servers do.
//!
//! Short ways are closed to instances with limits of time, since nobody would keep the time. Here one is opened for a single entry, around
//! which the time is kept.
//!
//! Invariant: the way is closed again before the state says that the entry is over, or at once when it has not happened.

use super::run;
use crate::abi::{LUCET_NOT_RUN, LUCET_RETURNED};
use crate::context::{Callee, INTEGERS};
use crate::control::{ControlBlock, NO_SHORT_WAY, state};
use crate::module::Func;
use crate::running::Runner;
use crate::timing;
use crate::{directory, process, thread};
use std::sync::atomic::Ordering;

/// Calls a function, if nothing is out of the ordinary. Answers the kind of the outcome; `LUCET_NOT_RUN`: nothing has happened.
#[inline]
pub fn call(handle: u64, callee: &Callee, words: [u64; INTEGERS], result: &mut u64) -> u32 {
    let Some(block) = open(handle) else {
        return LUCET_NOT_RUN;
    };
    let kind = callee.call(handle, words, result);
    // Otherwise `settle_short` has closed it, and the instance may be another thread's.
    if matches!(kind, LUCET_RETURNED | LUCET_NOT_RUN) {
        close(block);
    }
    kind
}

/// The same with arguments as C has passed them: in whole registers, and something in those that the function does not take.
pub fn call_words(handle: u64, func: &Func, words: &[u64], result: &mut u64) -> u32 {
    let short = func.short.as_ref();
    let Some((short, callee)) = short.and_then(|short| Some((short, short.callee.as_ref()?)))
    else {
        return LUCET_NOT_RUN;
    };
    let mut arguments = [0; INTEGERS];
    let taken = short.parameters().len();
    for (argument, word) in arguments.iter_mut().zip(words).take(taken) {
        *argument = *word;
    }
    call(handle, callee, arguments, result)
}

#[inline]
fn open(handle: u64) -> Option<&'static ControlBlock> {
    let block = directory::resolve(handle)?;
    let deadline = block.deadline_alone.get();
    let process = process::current();
    let ours = block.process.load(Ordering::Relaxed) == process;
    if deadline == 0 || !ours || block.state() != state::READY {
        return None;
    }
    let prepared = |runner: &&'static Runner| runner.is_of(process) && runner.alarm.exists();
    let runner = thread::runner().filter(prepared)?;
    block.timed.set(true);
    timing::begin_deadline(block, runner, deadline, run::is_inside(block, runner));
    // To this one the way is open.
    block.token.set(runner.process.load(Ordering::Relaxed));
    Some(block)
}

/// Ends what [`open`] has begun.
#[inline]
pub(super) fn close(block: &ControlBlock) {
    block.token.set(NO_SHORT_WAY);
    if let Some(runner) = thread::runner() {
        run::end(block, runner);
    }
}
