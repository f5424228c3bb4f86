//! Calls of host functions whose parameters have checks: looks at the guest's arguments and makes the C function's of them,
//! before it runs. `context::checked_thunk` stands for the function in the import table, and jumps here and then there.
//!
//! ```text
//!   stack of the call out (grows down)
//!   | stack arguments of the guest | return | rbp | copies | Frame | stack arguments of the C function |
//!                                                          ^ what the thunk has saved of the registers
//! ```
//!
//! Invariants: everything is checked before the function runs, and nothing that the guest could notice has happened when a check
//! fails. Addresses and sizes are computed in 64 bits, in which nothing of 32 bits wraps. A copy is made before its text is looked at.
//!
//! No panics: there is no catching on this path.

use crate::checks::{Action, Frame, Plan, Step, access};
use crate::context::Prepared;
use crate::control::{ControlBlock, Request, stop};
use crate::instance::{Live, memory};
use crate::utf8::{self, Text};
use lucet_format::trap::TrapCode;
use std::cell::Cell;
use std::ffi::c_void;

/// Ranges of one call that are compared with each other: no function has more parameters.
const RANGES: usize = crate::module::signature::MAX_PARAMETERS;

/// The arguments of a call while they are looked at.
struct Call<'a> {
    block: &'static ControlBlock,
    frame: *mut Frame,
    stack: *const u64,
    plan: &'a Plan,
    memory: *mut u8,
    memory_bytes: u64,
    /// Whether the guest is to be stopped for good, and there was more to check.
    stopped: Cell<bool>,
}

/// A range of the guest's memory that the function is given.
#[derive(Clone, Copy)]
struct Range {
    first: u64,
    end: u64,
    written: bool,
}

/// Checks the arguments in `frame` and behind `stack`, and writes the C function's to `frame.outgoing` and below the frame.
///
/// # Safety
///
/// Called by `checked_thunk` only, with the plan of the import that is being called.
pub unsafe extern "C" fn prepare(
    frame: *mut Frame,
    stack: *const u64,
    plan: *const Plan,
) -> Prepared {
    // SAFETY: the module that is linked keeps its plans; the first argument is the control block of the caller.
    let (plan, block): (&Plan, &'static ControlBlock) =
        unsafe { (&*plan, &*((*frame).integers[0] as *const ControlBlock)) };
    let (memory, memory_bytes) = memory::zero(block);
    let call = Call {
        block,
        frame,
        stack,
        plan,
        memory,
        memory_bytes,
        stopped: Cell::new(false),
    };
    // SAFETY: the caller's promise.
    let trap = match unsafe { (call.all(), plan.failure) } {
        // Only now: opening pages takes time that a call which fails should not cost.
        // SAFETY: the caller's promise.
        (true, _) if unsafe { call.open_all() } => {
            return Prepared {
                function: plan.function,
                frame,
            };
        }
        (true, _) => Some(TrapCode::Resource),
        (false, _) if call.stopped.get() => None,
        (false, None) => Some(TrapCode::HostArgument),
        (false, Some(_)) => None,
    };
    if let Some(trap) = trap {
        block.ask(Request::Trap(u32::from(trap.number())));
    }
    // SAFETY: the thunk's frame.
    unsafe { (*frame).integers[0] = plan.failure.unwrap_or(0) };
    Prepared {
        function: std::ptr::null(),
        frame,
    }
}

/// As [`prepare`], and then puts copies in the place of ranges.
///
/// # Safety
///
/// Called by `poisoned_thunk` only, as [`prepare`].
pub unsafe extern "C" fn prepare_copies(
    frame: *mut Frame,
    stack: *const u64,
    plan: *const Plan,
) -> Prepared {
    // SAFETY: the caller's promise.
    let prepared = unsafe { prepare(frame, stack, plan) };
    if prepared.function.is_null() {
        return prepared;
    }
    // SAFETY: the caller's promise.
    unsafe { lend_copies(frame, stack, &*plan) }
}

/// Puts copies in the place of ranges in a call whose arguments are those of the C function already.
///
/// # Safety
///
/// Called by `poisoned_passing_thunk` only, with the plan that the calling code has checked.
pub unsafe extern "C" fn prepare_copies_of_passed(
    frame: *mut Frame,
    stack: *const u64,
    plan: *const Plan,
) -> Prepared {
    // SAFETY: the caller's promise: both are calls of the same C function, with as many words on the stack.
    unsafe {
        (*frame).outgoing = (*frame).integers;
        let words = (*plan).stack_bytes as usize / 8;
        frame
            .cast::<u64>()
            .sub(words)
            .copy_from_nonoverlapping(stack, words);
        lend_copies(frame, stack, &*plan)
    }
}

/// Replaces the pointers to ranges in a call that is ready. The call is told by the address of its stack arguments.
///
/// # Safety
///
/// The outgoing arguments are those of the C function, its ranges checked and open.
unsafe fn lend_copies(frame: *mut Frame, stack: *const u64, plan: &Plan) -> Prepared {
    // SAFETY: the first argument is the control block of the caller.
    let block: &'static ControlBlock = unsafe { &*((*frame).integers[0] as *const ControlBlock) };
    let begun = Live { block }
        .inner()
        .is_ok_and(|inner| inner.views.begin(stack as usize));
    let lend = |step: &Step| {
        let inner = Live { block }.inner().ok()?;
        // SAFETY: the plan's places exist in this call, and a slice's count is behind its pointer.
        unsafe {
            let data = outgoing(frame, plan, step.to);
            let count = match step.action {
                Action::Slice => *outgoing(frame, plan, step.to + 1) as usize,
                _ => 1,
            };
            let copy = inner.views.lend(
                stack as usize,
                *data as *mut u8,
                count * step.element as usize,
                usize::from(step.misalignment),
                step.access & access::WRITE != 0,
            )?;
            *data = copy as u64;
        }
        Some(())
    };
    let mut ranges = plan.steps.iter().filter(|step| step.access != 0);
    if begun && ranges.all(|step| lend(step).is_some()) {
        return Prepared {
            function: plan.function,
            frame,
        };
    }
    block.ask(Request::Trap(u32::from(TrapCode::Resource.number())));
    // SAFETY: the thunk's frame; the guest traps before it sees this.
    unsafe { (*frame).integers[0] = 0 };
    Prepared {
        function: std::ptr::null(),
        frame,
    }
}

/// The function has returned: its views are over.
///
/// # Safety
///
/// Called by the thunks of this file's functions only, with the block and the stack arguments' address of the call.
pub unsafe extern "C" fn finish(block: *const ControlBlock, stack: usize) {
    // SAFETY: the caller's promise; control blocks live for ever.
    let block: &'static ControlBlock = unsafe { &*block };
    if let Ok(inner) = (Live { block }).inner() {
        inner.views.finish(stack);
    }
}

/// Where a word of the C function's call lies: in the frame or among the stack arguments below it.
///
/// # Safety
///
/// `place` is one of the plan's, `frame` that of a call with it.
#[inline(always)]
unsafe fn outgoing(frame: *mut Frame, plan: &Plan, place: u8) -> *mut u64 {
    // SAFETY: the caller's promise.
    unsafe {
        match place {
            0..6 => (&raw mut (*frame).outgoing)
                .cast::<u64>()
                .add(usize::from(place)),
            _ => frame
                .cast::<u64>()
                .sub(plan.stack_bytes as usize / 8)
                .add(usize::from(place) - 6),
        }
    }
}

impl Call<'_> {
    /// # Safety
    ///
    /// `frame` and `stack` are those of a call with this plan, here and below.
    unsafe fn all(&self) -> bool {
        // SAFETY: the frame is the thunk's; the first argument goes on as it is.
        unsafe { (*self.frame).outgoing[0] = (*self.frame).integers[0] };
        // SAFETY: the caller's promise.
        let good = self.plan.steps.iter().all(|step| unsafe { self.one(step) });
        // SAFETY: the caller's promise.
        good && (!self.plan.exclusive || !unsafe { self.overlapping() })
    }

    /// Whether a range that is written to shares bytes with another one. All of them lie in the memory.
    ///
    /// # Safety
    ///
    /// As [`Call::all`].
    #[inline(never)]
    unsafe fn overlapping(&self) -> bool {
        let mut ranges = [Range {
            first: 0,
            end: 0,
            written: false,
        }; RANGES];
        let in_memory = self.plan.steps.iter().filter(|step| step.access != 0);
        for (range, step) in ranges.iter_mut().zip(in_memory) {
            // SAFETY: the caller's promise.
            let (address, bytes) = unsafe { self.extent(step) };
            *range = Range {
                first: address,
                end: address + bytes,
                written: step.access & access::WRITE != 0,
            };
        }
        overlapping(&ranges)
    }

    /// Address and bytes of a range.
    ///
    /// # Safety
    ///
    /// As [`Call::all`].
    unsafe fn extent(&self, step: &Step) -> (u64, u64) {
        // SAFETY: the plan's places exist in this call.
        let (address, count) = unsafe { (self.word(step.from), self.word(step.count_from)) };
        let count = match step.action {
            Action::Slice => u64::from(count as u32),
            _ => 1,
        };
        (u64::from(address as u32), count * u64::from(step.element))
    }

    /// Makes what will be written to writable.
    ///
    /// # Safety
    ///
    /// As [`Call::all`], which has answered true.
    unsafe fn open_all(&self) -> bool {
        !self.plan.writes
            || self.plan.steps.iter().all(|step| {
                // SAFETY: the caller's promise.
                step.access & access::WRITE == 0 || unsafe { self.open(step) }
            })
    }

    /// Checks one parameter and passes it on.
    ///
    /// # Safety
    ///
    /// As [`Call::all`].
    #[inline(always)]
    unsafe fn one(&self, step: &Step) -> bool {
        // SAFETY: the plan's places exist in this call.
        let word = unsafe { self.word(step.from) };
        let number = word as u32;
        let passed = match step.action {
            Action::Move => return self.number(step, word, true),
            Action::Slice => {
                // SAFETY: as above.
                let count = unsafe { self.word(step.count_from) } as u32;
                // SAFETY: the caller's promise.
                return unsafe { self.range(step, number, count) };
            }
            // SAFETY: the caller's promise.
            Action::Object => return unsafe { self.range(step, number, 1) },
            Action::Unsigned => number <= step.limit,
            Action::Signed => {
                let unused = 32 - step.limit;
                (number as i32) << unused >> unused == number as i32
            }
            Action::Char => char::from_u32(number).is_some(),
            Action::Flags => number & !step.limit == 0,
            Action::Handle => {
                let Some(object) = self.object(step, number) else {
                    return false;
                };
                return self.number(step, object as u64, true);
            }
            // SAFETY: the definition's promise: so many numbers.
            Action::OneOf => unsafe { is_listed(number, step) },
        };
        self.number(step, u64::from(number), passed)
    }

    /// What a handle stands for.
    fn object(&self, step: &Step, number: u32) -> Option<*mut c_void> {
        let inner = Live { block: self.block }.inner().ok()?;
        inner.handles.object(step.of.cast(), number)
    }

    #[inline(always)]
    fn number(&self, step: &Step, word: u64, passed: bool) -> bool {
        // SAFETY: the plan's places exist in this call.
        unsafe { self.pass(step.to, word) };
        passed
    }

    /// # Safety
    ///
    /// As [`Call::all`].
    #[inline(always)]
    unsafe fn range(&self, step: &Step, address: u32, count: u32) -> bool {
        let bytes = u64::from(count) * u64::from(step.element);
        let end = u64::from(address) + bytes;
        if end > self.memory_bytes
            || address & u32::from(step.misalignment) != 0
            || (count > step.limit && step.action == Action::Slice)
        {
            return false;
        }
        // SAFETY: the range lies in the memory.
        let mut data = unsafe { self.memory.add(address as usize) };
        if step.access & access::COPY != 0 {
            // SAFETY: the thunk has made room for as many elements as the limit allows behind the frame.
            unsafe {
                let copy = self.frame.add(1).cast::<u8>().add(step.copy as usize);
                copy.copy_from_nonoverlapping(data, bytes as usize);
                data = copy;
            }
        }
        // SAFETY: the range lies in the memory, or is its copy; the guest does not run meanwhile.
        if step.access & access::UTF8 != 0 && !unsafe { self.is_text(data, bytes as usize) } {
            return false;
        }
        // SAFETY: the plan's places exist in this call.
        unsafe {
            self.pass(step.to, data as u64);
            if step.action == Action::Slice {
                self.pass(step.to + 1, u64::from(count));
            }
        }
        true
    }

    /// # Safety
    ///
    /// So many bytes can be read and nobody writes them meanwhile.
    #[inline(always)]
    unsafe fn is_text(&self, data: *const u8, bytes: usize) -> bool {
        // SAFETY: the caller's promise.
        let bytes = unsafe { std::slice::from_raw_parts(data, bytes) };
        // The end of a slice waits for the function's return: what is checked would be checked again.
        match utf8::look(bytes, || self.block.stops() & stop::FINAL != 0) {
            Text::Good => true,
            Text::Bad => false,
            Text::Left(_) => {
                self.stopped.set(true);
                false
            }
        }
    }

    /// Makes the pages of a range writable that has passed its check.
    ///
    /// # Safety
    ///
    /// As [`Call::all`].
    unsafe fn open(&self, step: &Step) -> bool {
        // SAFETY: the caller's promise.
        let (address, bytes) = unsafe { self.extent(step) };
        memory::open_for_code(self.block, address, bytes)
    }

    /// # Safety
    ///
    /// `place` is one of the plan's.
    #[inline(always)]
    unsafe fn word(&self, place: u8) -> u64 {
        // SAFETY: the caller's promise: places from 6 up are stack arguments.
        unsafe {
            match place {
                0..6 => (*self.frame)
                    .integers
                    .as_ptr()
                    .add(usize::from(place))
                    .read(),
                _ => self.stack.add(usize::from(place) - 6).read(),
            }
        }
    }

    /// # Safety
    ///
    /// As [`Call::word`].
    #[inline(always)]
    unsafe fn pass(&self, place: u8, word: u64) {
        // SAFETY: the caller's promise.
        unsafe { outgoing(self.frame, self.plan, place).write(word) };
    }
}

/// Whether one that is written to shares bytes with another one; empty ranges share none.
fn overlapping(ranges: &[Range]) -> bool {
    let some = |range: &&Range| range.first < range.end;
    ranges.iter().filter(some).enumerate().any(|(index, one)| {
        ranges.iter().filter(some).skip(index + 1).any(|other| {
            (one.written || other.written) && one.first < other.end && other.first < one.end
        })
    })
}

/// # Safety
///
/// `step.of` points at `step.limit` numbers.
unsafe fn is_listed(number: u32, step: &Step) -> bool {
    // SAFETY: the caller's promise.
    let allowed = unsafe { std::slice::from_raw_parts(step.of.cast::<u32>(), step.limit as usize) };
    allowed.contains(&number)
}
