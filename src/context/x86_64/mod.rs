//! The assembly that changes stacks, x86-64 System V. Each way across has a file: `enter.s`, `typed.s`,
//! `by_handle.s`, `resume.s`, `host_call.s`, `text.s`; here is what they share, and what Rust calls.
//!
//! # The two stacks
//!
//! A guest runs on its slot's stack, a host function on the stack of the thread that entered the guest. The
//! control block (rbx wherever these files hold control) links them:
//!
//! ```text
//!   host's stack (grows down)                guest's stack (grows down)
//!
//!   caller of enter                          |                    | <- entry_sp
//!   | return address      |                  | return to `enter`  |
//!   | where a result goes |                  | adapter            |
//!   | rbp rbx r12 .. r15  |                  | guest functions    |
//!   | typed export, or -1 |                  | args of the call   |
//!   | mxcsr               | <- host_sp       | return to guest    |
//!   | host function       |                  | rbp                | <- rbp in host_call, so backtraces cross it
//!   |         ...         |                  | rbx                | <- guest_sp
//! ```
//!
//! Nothing on the guest's stack points into the host's stack: the way back is in the control block. Leaving a
//! guest from anywhere is therefore two loads: `rsp = host_sp`, then pop. That is what [`leave`] does, for a guest
//! that was stopped by its host function, or trapped: signal handlers resume there. All ways in make the same frame, and
//! typed entries undo it by themselves when their guest returns, so a guest that was suspended on one thread's stack returns to
//! another's without noticing.
//!
//! # Being stopped
//!
//! In state `GUEST` a signal handler may end or preempt the guest at any instruction, here as in its own code, except
//! between [`leave`] and [`leave_end`], where it is being left already, and between [`restore`] and [`restore_end`], where preempting it
//! means leaving with what was saved before. Preempting needs the guest's stack in rsp; `GUEST` with the host's
//! holds only right before the state becomes `HOST` or `READY`. After each change to `GUEST` comes a look at the stop word, in this order.
//!
//! # Debuggers
//!
//! The unwind tables lead from a host function over the guest's frames to the host that entered it. Frames here are marked as those of
//! signals are, since debuggers take a stack that goes the other way for damage in any other. In entries that are nested more than once, the
//! middle ones are skipped: nothing that is left says where they were.
//!
//! # Invariants
//!
//! * `host_sp` and `entry_sp` are 16-aligned, so every C function called here finds the alignment it expects.
//! * Between `lucet_trampolines_start` and `_end` a fault on a guest's stack guard is that guest's stack overflow.
//!   Instructions there touch the guest's stack only while `host_sp` is valid.
//! * Host functions keep rbx, as System V demands; so do adapters and guest functions.
//! * A guest starts with MXCSR at its default and with cleared vector registers, and is in state `GUEST` with no other. The host's
//!   MXCSR, which is at `host_sp`, is back after the entry and in host functions, but for leaves. A guest whose code uses no vector
//!   registers (`no_vectors`) can neither see nor change either, so nothing of this is done for it: the host's modes stay, frames say
//!   that they are the default, and no path looks further.
//! * The state's low byte alone is changed where the module does not change; ways in and out that are used again at once write
//!   the whole word, which the next one reads.
//!
//! It does not check limits or types: the Rust around it does. Of states, typed entries check what lets them be short.

mod spill;

pub use spill::{Spill, dynamic_thunk, missing_import, typed_entry};

use super::by_handle::{self, ByHandle};
use super::callee::{BY_HANDLE, Callee};
use crate::abi::{lucet_outcome, lucet_value};
use crate::control::{
    CONTROL_BLOCK_STRIDE, ControlBlock, ImportTarget, Registers, Trap, VALUE_COUNT_BITS, exit,
    state, stop,
};
use crate::directory;
use crate::running::Runner;
use lucet_format::runtime::{VALUE_PAYLOAD, VALUE_STRIDE};
use lucet_format::value::ValueType;
use lucet_format::{PAGE_SIZE, trap::TrapCode, vmctx};
use std::arch::global_asm;
use std::mem::offset_of;

unsafe extern "C" {
    #[link_name = "lucet_private_enter"]
    pub fn enter(block: *const (), adapter: usize, code: usize, values: usize) -> u32;
    #[link_name = "lucet_private_leave"]
    pub fn leave();
    #[link_name = "lucet_private_leave_end"]
    pub fn leave_end();
    #[link_name = "lucet_private_resume"]
    pub fn resume(block: *const (), result: *mut u64, exact: u32) -> u32;
    #[link_name = "lucet_private_restore"]
    pub fn restore();
    #[link_name = "lucet_private_restore_end"]
    pub fn restore_end();
    #[link_name = "lucet_private_host_call"]
    pub fn host_call();
    #[link_name = "lucet_private_host_call_short"]
    pub fn host_call_short();
    #[link_name = "lucet_private_host_call_placed"]
    pub fn host_call_placed();
    #[link_name = "lucet_private_leaf_placed"]
    pub fn leaf_placed();
    #[link_name = "lucet_private_helper_call"]
    pub fn helper_call();
    #[link_name = "lucet_private_is_text"]
    pub fn is_text();
    #[link_name = "lucet_private_typed_nothing"]
    pub fn typed_nothing();
    #[link_name = "lucet_private_typed_word32"]
    pub fn typed_word32();
    #[link_name = "lucet_private_typed_word64"]
    pub fn typed_word64();
    #[link_name = "lucet_private_typed_float32"]
    pub fn typed_float32();
    #[link_name = "lucet_private_typed_float64"]
    pub fn typed_float64();
    #[link_name = "lucet_private_call_nothing"]
    pub fn call_nothing(h: u64, what: *const Callee, a: u64, b: u64, c: u64, to: *mut u64) -> u32;
    #[link_name = "lucet_private_call_word32"]
    pub fn call_word32(h: u64, what: *const Callee, a: u64, b: u64, c: u64, to: *mut u64) -> u32;
    #[link_name = "lucet_private_call_word64"]
    pub fn call_word64(h: u64, what: *const Callee, a: u64, b: u64, c: u64, to: *mut u64) -> u32;
    #[link_name = "lucet_private_call_float32"]
    pub fn call_float32(h: u64, what: *const Callee, a: u64, b: u64, c: u64, to: *mut u64) -> u32;
    #[link_name = "lucet_private_call_float64"]
    pub fn call_float64(h: u64, what: *const Callee, a: u64, b: u64, c: u64, to: *mut u64) -> u32;
    #[link_name = "lucet_private_typed_nothing_bare"]
    pub fn typed_nothing_bare();
    #[link_name = "lucet_private_typed_word32_bare"]
    pub fn typed_word32_bare();
    #[link_name = "lucet_private_typed_word64_bare"]
    pub fn typed_word64_bare();
    #[link_name = "lucet_private_call_nothing_bare"]
    pub fn call_nothing_bare(
        h: u64,
        what: *const Callee,
        a: u64,
        b: u64,
        c: u64,
        to: *mut u64,
    ) -> u32;
    #[link_name = "lucet_private_call_word32_bare"]
    pub fn call_word32_bare(
        h: u64,
        what: *const Callee,
        a: u64,
        b: u64,
        c: u64,
        to: *mut u64,
    ) -> u32;
    #[link_name = "lucet_private_call_word64_bare"]
    pub fn call_word64_bare(
        h: u64,
        what: *const Callee,
        a: u64,
        b: u64,
        c: u64,
        to: *mut u64,
    ) -> u32;
    #[link_name = "lucet_private_by_handle_ways"]
    pub static BY_HANDLE_WAYS: [[by_handle::Entry; by_handle::SHAPES]; by_handle::KINDS];
    #[link_name = "lucet_private_by_handle_unfit"]
    pub fn by_handle_unfit(
        h: u64,
        what: *const ByHandle,
        arguments: *const lucet_value,
        count: usize,
        out: *mut lucet_outcome,
        otherwise: by_handle::Otherwise,
    ) -> i32;
    #[link_name = "lucet_private_trampolines_start"]
    pub fn trampolines_start();
    #[link_name = "lucet_private_trampolines_end"]
    pub fn trampolines_end();
}

/// Where a general register is saved.
const fn general(number: usize) -> usize {
    offset_of!(Registers, general) + 8 * number
}

const _: () = assert!(
    offset_of!(Registers, xmm) == 0 && offset_of!(ControlBlock, registers) % 16 == 0,
    "vectors are saved from the start, aligned"
);
const _: () = assert!(
    offset_of!(ImportTarget, function) == 0,
    "host calls go through the row's first field"
);

/// In expressions for debuggers it takes two bytes, and others one.
const OUTERMOST_SP: usize = offset_of!(ControlBlock, outermost_sp);
const _: () = assert!(
    OUTERMOST_SP >> 7 < 0x40
        && offset_of!(ControlBlock, entry_sp) < 0x40
        && offset_of!(ControlBlock, host_sp) < 0x40,
    "the bytes of a signed number of DWARF"
);

const _: () = assert!(
    offset_of!(lucet_outcome, detail) == offset_of!(lucet_outcome, kind) + 4
        && offset_of!(lucet_outcome, token) == offset_of!(lucet_outcome, kind) + 8
        && offset_of!(lucet_outcome, value_count) == offset_of!(lucet_outcome, values) + 8
        && offset_of!(lucet_outcome, cpu_ns) + 32 == size_of::<lucet_outcome>(),
    "calls by handle write an outcome in whole words"
);

// One block, so that the pieces stay together and in this order.
global_asm!(
    ".pushsection .text.lucet_trampolines,\"ax\",@progbits",
    ".p2align 6",
    ".globl lucet_private_trampolines_start",
    ".hidden lucet_private_trampolines_start",
    "lucet_private_trampolines_start:",
    include_str!("enter.s"),
    include_str!("typed.s"),
    include_str!("by_handle.s"),
    include_str!("resume.s"),
    include_str!("host_call.s"),
    include_str!("text.s"),
    ".globl lucet_private_trampolines_end",
    ".hidden lucet_private_trampolines_end",
    "lucet_private_trampolines_end:",
    ".popsection",
    DEFAULT_MXCSR = const 0x1f80, // all exceptions masked, round to nearest
    PAGE = const PAGE_SIZE,
    NUMBER_MASK = const (1u32 << directory::NUMBER_BITS) - 1,
    BLOCK_SHIFT = const CONTROL_BLOCK_STRIDE.trailing_zeros(),
    BLOCKS_READY = sym directory::READY,
    BLOCKS = sym directory::BASE,
    HANDLE = const offset_of!(ControlBlock, handle),
    TOKEN = const offset_of!(ControlBlock, token),
    READY_STATE = const offset_of!(ControlBlock, ready_state),
    BY_HANDLE = const BY_HANDLE,
    BY_HANDLE_COUNT = const by_handle::COUNT,
    BY_HANDLE_TYPES = const by_handle::TYPES,
    BY_HANDLE_RESULT = const by_handle::RESULT,
    BY_HANDLE_CALLEE = const by_handle::CALLEE,
    VALUE_BYTES = const VALUE_STRIDE,
    VALUE_CONTENT = const VALUE_PAYLOAD,
    VALUE_COUNT_SCALE = const 1 << VALUE_COUNT_BITS,
    VALUES = const offset_of!(ControlBlock, values),
    VALUES_AT = const offset_of!(ControlBlock, values_at),
    I32 = const ValueType::I32 as u32,
    OUTCOME_KIND = const offset_of!(lucet_outcome, kind),
    OUTCOME_VALUES = const offset_of!(lucet_outcome, values),
    OUTCOME_REST = const offset_of!(lucet_outcome, cpu_ns),
    CALLEE_CODE = const offset_of!(Callee, code),
    CALLEE_READY = const offset_of!(Callee, ready),
    CALLEE_EXPORT = const offset_of!(Callee, export),
    OUTCOME_RETURNED = const crate::abi::LUCET_RETURNED,
    OUTCOME_NOT_RUN = const crate::abi::LUCET_NOT_RUN,
    TYPED_ENTRY = sym typed_entry,
    TYPED_LEFT = sym crate::typed::left,
    HOST_SP = const offset_of!(ControlBlock, host_sp),
    GUEST_SP = const offset_of!(ControlBlock, guest_sp),
    ENTRY_SP = const offset_of!(ControlBlock, entry_sp),
    OUTERMOST_LOW = const OUTERMOST_SP & 0x7f | 0x80,
    OUTERMOST_HIGH = const OUTERMOST_SP >> 7,
    ENTRY_FRAME = const offset_of!(ControlBlock, entry_frame),
    VMCTX = const offset_of!(ControlBlock, vmctx),
    IMPORTS = const offset_of!(ControlBlock, imports),
    STATE = const offset_of!(ControlBlock, state),
    STOP = const offset_of!(ControlBlock, word),
    FINAL = const stop::FINAL,
    RUNNER_PROCESS = const offset_of!(Runner, process),
    RUNNER = const offset_of!(ControlBlock, runner),
    ENTRIES = const offset_of!(ControlBlock, entries),
    ODD_MODES = const offset_of!(ControlBlock, odd_modes),
    NO_VECTORS = const offset_of!(ControlBlock, no_vectors),
    NESTED = const offset_of!(ControlBlock, nested),
    CALL_RESULTS = const offset_of!(ControlBlock, call_results),
    IMPORTS_MEMORY = const offset_of!(ControlBlock, imports_memory),
    HOST_CALLS = const offset_of!(ControlBlock, host_calls),
    SAVED = const offset_of!(ControlBlock, registers),
    RAX = const general(0),
    RCX = const general(1),
    RDX = const general(2),
    RBX = const general(3),
    RSP = const general(4),
    RBP = const general(5),
    RSI = const general(6),
    RDI = const general(7),
    R8 = const general(8),
    R9 = const general(9),
    R10 = const general(10),
    R11 = const general(11),
    R12 = const general(12),
    R13 = const general(13),
    R14 = const general(14),
    R15 = const general(15),
    PC = const offset_of!(Registers, pc),
    FLAGS_SAVED = const offset_of!(Registers, flags),
    UNSTARTED = const exit::UNSTARTED,
    CALL_ROW = const offset_of!(ControlBlock, call_row),
    TRAP_CODE = const offset_of!(ControlBlock, trap) + offset_of!(Trap, code),
    TRAP_SIGNAL = const offset_of!(ControlBlock, trap) + offset_of!(Trap, signal),
    TRAP_PC = const offset_of!(ControlBlock, trap) + offset_of!(Trap, pc),
    TRAP_FRAME = const offset_of!(ControlBlock, trap) + offset_of!(Trap, frame),
    TRAP_STACK = const offset_of!(ControlBlock, trap) + offset_of!(Trap, stack),
    TRAP_ADDRESS = const offset_of!(ControlBlock, trap) + offset_of!(Trap, address),
    FLAGS = const offset_of!(ImportTarget, flags),
    LEAF_FLAG = const ImportTarget::LEAF,
    CONTROL_BLOCK = const vmctx::CONTROL_BLOCK,
    LEAF_STACK_LIMIT = const vmctx::LEAF_STACK_LIMIT,
    STACK_TRAP = const TrapCode::Stack as u32,
    READY = const state::READY,
    GUEST = const state::GUEST,
    HOST = const state::HOST,
    LEAF = const state::LEAF,
    ENTERING = const state::ENTERING,
    RETURNED = const exit::RETURNED,
    TRAPPED = const exit::TRAPPED,
    STOPPED = const exit::STOPPED,
    HELPERS = sym crate::helpers::TABLE,
);
