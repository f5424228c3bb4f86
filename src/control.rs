//! The control block: what the host keeps of one slot, and what trampolines and signal handlers read.
//!
//! Control blocks live in the [`crate::directory`], far from any guest memory, and are never unmapped: a stale
//! handle always finds a block to compare itself with. The first part is laid out for assembly; its offsets
//! are taken by `offset_of!`, nowhere written as numbers.
//!
//! Invariants:
//! * `state` says who may touch the rest: in `READY`, `STOPPED`, `SUSPENDED`, `PREEMPTED` and `FREE` the thread that owns the
//!   instance; in `ENTERING`, `GUEST`, `HOST` and `LEAF` the thread that runs it, and its signal handlers.
//! * `word` is how others stop a guest: they set a bit there, and the reason beside it, and change nothing else.
//! * the `text`, `traps` and stack fields are written before a run and do not change during one.
//! * `guest_*` describe the innermost call out, `host_sp` the innermost call in.

mod ends;
mod pair;
mod row;
mod states;
mod stopping;
mod word;

pub use ends::{Request, Trap};
pub use row::ImportTarget;
pub use states::{exit, sealing, state};
pub use stopping::{Again, FLAGS_ALWAYS_SET, Registers, Times, stop};
pub use word::Word;

use crate::hot::{HotSet, Pages, Sampling};
use lucet_format::call_out::{self, IMPORT_ROW_BYTES};
use pair::Pair;
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::cell::{Cell, UnsafeCell};
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// In place of a process's token: short ways are closed.
pub const NO_SHORT_WAY: u64 = u64::MAX;

/// The bits of `ControlBlock::state` that are the state.
const STATE_MASK: u64 = 0xff;
const _: () = assert!(lucet_format::PAGE_SIZE > STATE_MASK);

/// The bits of `ControlBlock::values_at` that are a number of values.
pub(crate) const VALUE_COUNT_BITS: u32 = 3;

/// The control block. See the file's header.
#[repr(C, align(128))]
pub struct ControlBlock {
    // -- read and written by the trampolines --
    /// The host's stack pointer at the innermost entry. Other threads may look at it, see [`ControlBlock::runs_on`].
    pub host_sp: AtomicUsize,
    /// The guest's stack pointer in the trampoline of the innermost call out.
    pub guest_sp: Cell<usize>,
    /// Where the next entry starts on the guest's stack.
    pub entry_sp: Cell<usize>,
    /// The vm context pointer: the base of linear memory 0.
    pub vmctx: Cell<usize>,
    /// The linked module's import table.
    pub imports: Cell<*const ImportTarget>,
    /// The low byte is the [`state`]; the rest is `image`, so that one comparison tells that the instance can be entered and of
    /// which module it is.
    pub(crate) state: AtomicU64,
    /// What that is in state `READY`.
    pub(crate) ready_state: Cell<u64>,
    /// The handle of the current instance; 0 when free.
    pub handle: AtomicU64,
    /// The token of the region's process while the instance may be entered the short way, that is, has been instantiated and
    /// has no limits of time; else [`NO_SHORT_WAY`].
    pub token: Cell<u64>,
    /// Who runs or ran the guest: `*const crate::running::Runner`. Read by killers.
    pub runner: AtomicUsize,
    /// See [`Word`]: the low byte says why the guest is to be left, 0 for not at all.
    pub word: Word,
    /// Entries from outside since the instance is new, the one that goes on included.
    pub entries: Cell<u64>,
    /// Calls of host functions since the instance is new.
    pub host_calls: Cell<u64>,
    /// Where the import that is being called is in the import table, in bytes; `u32::MAX` for helpers.
    pub call_row: Cell<u32>,
    /// How many entries are nested in the outermost one: 0 in a plain run.
    pub nested: Cell<u32>,
    /// 1: the host computes in other modes (MXCSR) than guests do. May stay so for entries of a host that does not.
    pub odd_modes: Cell<u8>,
    /// 1: the module's code uses no vector registers and does not depend on the modes, so both are left as the host has them. `odd_modes` is
    /// 0 then.
    pub no_vectors: Cell<u8>,
    /// The third argument register of the innermost call out that has several results: where they go.
    pub call_results: Cell<usize>,
    /// The array through which values go in and out.
    pub values: Cell<*mut crate::abi::lucet_value>,
    /// See [`Registers`].
    pub registers: Cell<Registers>,

    // -- what short entries leave to be known of the latest outcome, see `instance::outcome` --
    /// `entries` when the latest outcome was written down: short entries that return write none.
    pub outcome_at: Cell<u64>,
    /// `entries` when a short entry left values in the array, and how many, see [`ControlBlock::note_values`].
    pub(crate) values_at: Cell<u64>,

    // -- read by the signal handler --
    /// The module's text: first address and length.
    pub text: Cell<usize>,
    /// Bytes of text.
    pub text_length: Cell<usize>,
    /// The checked image of the module, for trap lookup: `*const crate::module::CodeImage`.
    pub code: Cell<*const ()>,
    /// First address of the stack's guard; it ends where the stack begins.
    pub stack_guard: Cell<usize>,
    /// Lowest usable address of the guest's stack.
    pub stack_low: Cell<usize>,
    /// One past the highest address of the guest's stack.
    pub stack_high: Cell<usize>,
    /// First address of the slot's memory reservation (equals vmctx) and one past its guard.
    pub memory_low: Cell<usize>,
    /// One past the guard behind the reservation.
    pub memory_high: Cell<usize>,
    /// Where guest code sends accesses that fail a check: inaccessible, see [`lucet_format::vmctx::TRAP_ADDRESS`].
    pub trap_address: Cell<usize>,
    /// Written by the signal handler and the stop path.
    pub trap: Cell<Trap>,

    /// See [`Times`].
    pub times: Times,
    /// Whether the entry that goes on has any times.
    pub timed: Cell<bool>,
    /// The instance's deadline, if it is started and has no other limit of time; else 0. See `instance::timed`.
    pub deadline_alone: Cell<u64>,
    /// The run that this thread was in when it entered this guest, if any: in a host function of another instance.
    pub outer: Cell<*const ControlBlock>,
    /// What is over for `outer` is over for this one: see `timing::chain`.
    pub inside: Cell<bool>,
    /// The process that made the instance.
    pub process: AtomicU64,
    /// Stops that had to wait for a host function, since the region was made.
    pub deferred: AtomicU64,
    /// How often its sealed memory was opened, since the region was made.
    pub opened: AtomicU64,
    /// Instances made in the slot, since the region was made. These three the owner counts.
    pub created: AtomicU64,
    /// Resets.
    pub resets: AtomicU64,
    /// Instances released.
    pub released: AtomicU64,
    /// While runs are nested: `host_sp` of the outermost one.
    pub outermost_sp: Cell<usize>,
    /// The instance that this one has had called, while that runs: a bridge, which is a host function or helper. Read by killers and
    /// signal handlers: what stops this guest stops that one.
    pub bridge: AtomicPtr<ControlBlock>,
    /// How many bridges this instance is in, at all levels of nesting.
    pub bridges: Cell<u32>,
    /// The run that goes on was begun by a bridge, so that it can be neither suspended nor preempted.
    pub bridged: Cell<bool>,
    /// Linked modules that need the instance as it is, see `linking::Pin`.
    pub pins: AtomicU32,
    /// See `linking::reference`; 0: none yet.
    pub identity: Cell<u64>,
    /// Memory 0 is another instance's.
    pub imports_memory: Cell<bool>,
    /// The helper that is returning has stopped in the middle of its work. Read by the stop signal's handler.
    pub again: Cell<Option<Again>>,

    // -- the rest of the host's bookkeeping --
    /// Where the module's file is mapped.
    image: Cell<usize>,
    /// Instances that this block has had.
    pub generation: Cell<u64>,
    /// What a host function has asked for.
    pub request: Cell<Request>,
    /// The frame pointer that the next entry starts with: 0, or the frame of the call out that a nested
    /// entry happens in, so that a backtrace crosses it.
    pub entry_frame: Cell<usize>,
    /// Bytes of linear memory that are readable and writable at present. Statistics read it from other threads.
    pub accessible: AtomicU64,
    /// Whether cold pages of memory can be written: see [`sealing`]. Read by signal handlers.
    pub sealed: AtomicU32,
    /// Bytes of memory that sealing is about: those of a fresh instance.
    pub sealed_bytes: AtomicU64,
    /// Bytes that the slot keeps in memory for its next guest, as its region's budget counts. Others change it while the slot is free.
    pub kept: AtomicU64,
    /// Which initial memory the slot holds; 0: none. Others look at it while the slot is free, and make sure by taking the slot.
    pub tenant: AtomicU64,
    /// Bytes at the start of memory that are mapped from a file.
    pub file_bytes: Cell<usize>,
    /// The pages that can always be written, and are restored by copying.
    pub hot: Cell<HotSet>,
    /// Where the host had to be able to write when it opened the memory: maybe it wrote nothing, but the next guest's will ask again.
    pub wanted: Cell<Pages>,
    /// How far the search for hot pages that are cold is.
    pub sampling: Cell<Sampling>,
    /// How often in a row written pages did not fit.
    pub misfits: Cell<u32>,
    /// Bytes of the stack, from its high end, that stay in memory though guests go deep: `region::stack`.
    pub stack_kept: Cell<u64>,
    /// For so many more uses it is worth it.
    pub stack_patience: Cell<u32>,
    /// Whether a part of the stack's guard is accessible: `region::lend`. Written by signal handlers.
    pub guard_lent: AtomicBool,
    /// Whether stack, tables and state have been made accessible.
    pub prepared: AtomicBool,
    /// The slot's index in its region.
    pub slot: Cell<u32>,
    /// The instance; `None` when free. Touched by the owner only.
    pub instance: UnsafeCell<Option<crate::instance::Inner>>,
}

// What guest code relies on.
const _: () = assert!(
    offset_of!(ControlBlock, imports) == call_out::IMPORTS as usize
        && offset_of!(ControlBlock, state) == call_out::STATE as usize
        && offset_of!(ControlBlock, word) == call_out::STOP as usize
        && offset_of!(ControlBlock, host_calls) == call_out::HOST_CALLS as usize
        && offset_of!(ControlBlock, call_row) == call_out::CALL_ROW as usize
);

// SAFETY: blocks are shared between threads by address. Who may touch what is the protocol in the file's
// header: `state` and `handle` are atomic, everything else belongs to the owner of the instance, or to the
// thread that runs it.
unsafe impl Sync for ControlBlock {}

/// Begins to bring what is at an address into the processor's cache. Of an instance that others have been at work since, it costs
/// walks of page tables, which then go on beside the checks that come first.
pub fn fetch_early(address: usize) {
    // SAFETY: a prefetch of any address has no effect that a program can see.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) };
}

impl ControlBlock {
    /// A block without an instance.
    pub const fn new() -> ControlBlock {
        ControlBlock {
            host_sp: AtomicUsize::new(0),
            guest_sp: Cell::new(0),
            entry_sp: Cell::new(0),
            vmctx: Cell::new(0),
            imports: Cell::new(std::ptr::null()),
            state: AtomicU64::new(state::FREE as u64),
            ready_state: Cell::new(0),
            handle: AtomicU64::new(0),
            token: Cell::new(NO_SHORT_WAY),
            runner: AtomicUsize::new(0),
            word: Word(Pair::new(0, 0)),
            entries: Cell::new(0),
            host_calls: Cell::new(0),
            call_row: Cell::new(u32::MAX),
            nested: Cell::new(0),
            odd_modes: Cell::new(0),
            no_vectors: Cell::new(0),
            call_results: Cell::new(0),
            values: Cell::new(std::ptr::null_mut()),
            registers: Cell::new(Registers::NONE),
            outcome_at: Cell::new(0),
            values_at: Cell::new(0),
            text: Cell::new(0),
            text_length: Cell::new(0),
            code: Cell::new(std::ptr::null()),
            stack_guard: Cell::new(0),
            stack_low: Cell::new(0),
            stack_high: Cell::new(0),
            memory_low: Cell::new(0),
            memory_high: Cell::new(0),
            trap_address: Cell::new(0),
            trap: Cell::new(Trap::NONE),
            times: Times::new(),
            timed: Cell::new(false),
            deadline_alone: Cell::new(0),
            outer: Cell::new(std::ptr::null()),
            inside: Cell::new(false),
            process: AtomicU64::new(0),
            deferred: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            created: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            released: AtomicU64::new(0),
            outermost_sp: Cell::new(0),
            bridge: AtomicPtr::new(std::ptr::null_mut()),
            bridges: Cell::new(0),
            bridged: Cell::new(false),
            pins: AtomicU32::new(0),
            identity: Cell::new(0),
            imports_memory: Cell::new(false),
            again: Cell::new(None),
            image: Cell::new(0),
            generation: Cell::new(0),
            request: Cell::new(Request::None),
            entry_frame: Cell::new(0),
            accessible: AtomicU64::new(0),
            sealed: AtomicU32::new(0),
            sealed_bytes: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            tenant: AtomicU64::new(0),
            file_bytes: Cell::new(0),
            hot: Cell::new(HotSet::EMPTY),
            sampling: Cell::new(Sampling::NONE),
            wanted: Cell::new(Pages { first: 0, count: 0 }),
            misfits: Cell::new(0),
            stack_kept: Cell::new(0),
            stack_patience: Cell::new(0),
            guard_lent: AtomicBool::new(false),
            prepared: AtomicBool::new(false),
            slot: Cell::new(0),
            instance: UnsafeCell::new(None),
        }
    }

    /// The state.
    pub fn state(&self) -> u32 {
        (self.state.load(Ordering::Acquire) & STATE_MASK) as u32
    }

    /// The host's stack pointer at the innermost entry.
    pub fn host_sp(&self) -> usize {
        self.host_sp.load(Ordering::Relaxed)
    }

    /// Whether the guest runs now, entered from a stack between these addresses. Any thread may ask; of a guest that another thread is
    /// just entering the answer may be about the entry before.
    pub fn runs_on(&self, stack: std::ops::Range<usize>) -> bool {
        state::is_running(self.state()) && stack.contains(&self.host_sp())
    }

    /// Changes the state.
    pub fn set_state(&self, to: u32) {
        self.state.store(self.with_image(to), Ordering::Release);
    }

    /// Changes the state if it is the one expected.
    pub fn exchange_state(&self, from: u32, to: u32) -> bool {
        let (from, to) = (self.with_image(from), self.with_image(to));
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn with_image(&self, state: u32) -> u64 {
        self.image.get() as u64 | u64::from(state)
    }

    /// Says of which module the instance is. The owner does that, while the instance cannot be entered.
    pub fn set_image(&self, base: usize) {
        self.image.set(base);
        self.ready_state.set(self.with_image(state::READY));
        self.set_state(self.state());
    }

    /// Whether an instance of the module that is mapped at `base` can be entered.
    pub fn is_ready(&self, base: usize) -> bool {
        self.state.load(Ordering::Acquire) == base as u64 | u64::from(state::READY)
    }

    /// The index of the import that is being called, among the functions; `None`: a helper.
    pub fn called_index(&self) -> Option<u32> {
        let place = self.call_row.get();
        (place != u32::MAX).then_some(place / IMPORT_ROW_BYTES)
    }

    /// Its row.
    pub fn called(&self) -> Option<ImportTarget> {
        let index = self.called_index()?;
        // SAFETY: the place is that of the row which the trampoline has called through, in the table that lives as long as the
        // instance.
        Some(unsafe { *self.imports.get().add(index as usize) })
    }

    /// Says how many values the short entry that has just returned has left in the array.
    #[inline]
    pub fn note_values(&self, count: usize) {
        self.values_at
            .set(self.entries.get() << VALUE_COUNT_BITS | count as u64);
    }

    /// How many values the latest entry has left, which was a short one and returned.
    pub fn noted_values(&self) -> usize {
        let noted = self.values_at.get();
        let current = noted >> VALUE_COUNT_BITS == self.entries.get();
        if current {
            (noted & ((1 << VALUE_COUNT_BITS) - 1)) as usize
        } else {
            0
        }
    }

    /// The bits of the stop word.
    pub fn stops(&self) -> u64 {
        self.word.stops()
    }

    /// Sets bits of the stop word. On the thread that runs the guest.
    pub fn raise(&self, bits: u64) {
        self.word.raise(bits);
    }

    /// Clears bits of the stop word. The owner does that.
    pub fn lower(&self, bits: u64) {
        self.word.lower(bits);
    }

    /// Asks for something that happens when the host function returns.
    pub fn ask(&self, request: Request) {
        self.request.set(request);
        self.raise(stop::REQUEST);
    }

    /// Takes what was asked for.
    pub fn take_request(&self) -> Request {
        self.lower(stop::REQUEST);
        self.request.replace(Request::None)
    }

    /// The number that tells this use of the slot from all others: it changes with create, reset and release.
    pub fn incarnation(&self) -> u64 {
        self.word.incarnation()
    }

    /// A new incarnation: kill handles of the one before are void, and so are its stops.
    pub fn reincarnate(&self) {
        self.word.reincarnate();
    }
}

impl Default for ControlBlock {
    fn default() -> Self {
        ControlBlock::new()
    }
}

/// Bytes from one control block to the next.
pub const CONTROL_BLOCK_STRIDE: usize = 2048;
const _: () = assert!(size_of::<ControlBlock>() <= CONTROL_BLOCK_STRIDE);
