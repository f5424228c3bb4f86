//! The C function that stands for host functions whose parameters have checks.
//!
//! It has the registers of the guest's call looked at, and calls the function with what came of them:
//!
//! ```text
//!   rbp -> | saved rbp |
//!          | copies    |
//!          | Frame     |
//!   rsp -> | outgoing stack arguments |
//! ```
//!
//! Where all checks are of ranges that stay in their registers, `checked_ranges` comes first (`x86_64/ranges.s`): it does the same
//! for calls that pass, without a frame, and leaves the others to the thunk.
//!
//! Two more do the same with views that are over when the call is: [`crate::poison`]. They tell when the function has returned.
//!
//! Invariant: r10 points at the row of the import table, as `host_call` leaves it.

use crate::checks::{Frame, Plan, RangeInPlace};
use crate::control::{ControlBlock, ImportTarget};
use lucet_format::vmctx;
use std::arch::{global_asm, naked_asm};
use std::mem::offset_of;

const _: () = assert!(size_of::<Frame>() == 224 && offset_of!(Frame, floats) == 96);

/// What came of a check.
#[repr(C)]
pub struct Prepared {
    /// The function to call; NULL: a check has failed.
    pub function: *const (),
    /// The frame.
    pub frame: *mut Frame,
}

unsafe extern "C" {
    /// As [`checked_thunk`], where all checks are of ranges that stay in their registers. Not to be called from Rust.
    #[link_name = "lucet_private_checked_ranges"]
    pub fn checked_ranges();
}

global_asm!(
    include_str!("x86_64/ranges.s"),
    PLAN = const offset_of!(ImportTarget, dynamic),
    RANGE = const offset_of!(Plan, ranges),
    RANGE_BYTES = const size_of::<RangeInPlace>(),
    RANGE_LIMIT = const offset_of!(RangeInPlace, limit),
    RANGE_ELEMENT = const offset_of!(RangeInPlace, element),
    RANGE_MISALIGNMENT = const offset_of!(RangeInPlace, misalignment),
    RANGE_IS = const offset_of!(RangeInPlace, is),
    IS_RANGE = const RangeInPlace::RANGE,
    IS_TEXT = const RangeInPlace::TEXT,
    SHORT_TEXT = const 4096,
    IS_WRITTEN = const RangeInPlace::WRITTEN,
    PLAN_EXCLUSIVE = const offset_of!(Plan, exclusive),
    PLAN_FUNCTION = const offset_of!(Plan, function),
    IMPORTS_MEMORY = const offset_of!(ControlBlock, imports_memory),
    WRITABLE_FIRST = const vmctx::WRITABLE_FIRST,
    WRITABLE_END = const vmctx::WRITABLE_END,
    VMCTX = const offset_of!(ControlBlock, vmctx),
    CALL_ROW = const offset_of!(ControlBlock, call_row),
    IMPORTS = const offset_of!(ControlBlock, imports),
    MEMORY_BYTES = const vmctx::MEMORY_BYTES,
    CHECKED = sym checked_thunk,
);

/// See the file's header.
///
/// # Safety
///
/// Not to be called from Rust.
#[unsafe(naked)]
pub unsafe extern "C" fn checked_thunk() {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rax, [r10 + {PLAN}]",
        "mov r11d, [rax + {FRAME_BYTES}]",
        "sub rsp, r11",
        "mov r10d, [rax + {STACK_BYTES}]",
        "add r10, rsp",
        "mov [r10], rdi",
        "mov [r10 + 8], rsi",
        "mov [r10 + 16], rdx",
        "mov [r10 + 24], rcx",
        "mov [r10 + 32], r8",
        "mov [r10 + 40], r9",
        "cmp dword ptr [rax + {FLOATS}], 0",
        "jne 5f",
        "mov rdi, r10",
        "lea rsi, [rbp + 16]",
        "mov rdx, rax",
        "call {prepare}",
        "test rax, rax",
        "jz 3f",
        "2:",
        "mov rdi, [rdx + 48]",
        "mov rsi, [rdx + 56]",
        "mov rcx, [rdx + 72]",
        "mov r8, [rdx + 80]",
        "mov r9, [rdx + 88]",
        "mov rdx, [rdx + 64]",
        "call rax",
        "leave",
        "ret",
        // 3: what the guest gets instead
        "3:",
        "mov rax, [rdx]",
        "movq xmm0, rax",
        "leave",
        "ret",
        // 5: with vector registers
        "5:",
        "movaps [r10 + 96], xmm0",
        "movaps [r10 + 112], xmm1",
        "movaps [r10 + 128], xmm2",
        "movaps [r10 + 144], xmm3",
        "movaps [r10 + 160], xmm4",
        "movaps [r10 + 176], xmm5",
        "movaps [r10 + 192], xmm6",
        "movaps [r10 + 208], xmm7",
        "mov rdi, r10",
        "lea rsi, [rbp + 16]",
        "mov rdx, rax",
        "call {prepare}",
        "test rax, rax",
        "jz 3b",
        "movaps xmm0, [rdx + 96]",
        "movaps xmm1, [rdx + 112]",
        "movaps xmm2, [rdx + 128]",
        "movaps xmm3, [rdx + 144]",
        "movaps xmm4, [rdx + 160]",
        "movaps xmm5, [rdx + 176]",
        "movaps xmm6, [rdx + 192]",
        "movaps xmm7, [rdx + 208]",
        "jmp 2b",
        ".cfi_endproc",
        PLAN = const offset_of!(ImportTarget, dynamic),
        FRAME_BYTES = const offset_of!(Plan, frame_bytes),
        STACK_BYTES = const offset_of!(Plan, stack_bytes),
        FLOATS = const offset_of!(Plan, floats),
        prepare = sym crate::checked::prepare,
    )
}

/// Calls `$prepare` and the function as [`checked_thunk`] does, and then has the views retired. For debugging, so nothing is spared.
macro_rules! call_and_retire {
    ($prepare:path) => {
        naked_asm!(
            ".cfi_startproc",
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "push rbx",
            ".cfi_offset rbx, -24",
            "sub rsp, 8",
            "mov rbx, rdi",
            "mov rax, [r10 + {PLAN}]",
            "mov r11d, [rax + {FRAME_BYTES}]",
            "sub rsp, r11",
            "mov r10d, [rax + {STACK_BYTES}]",
            "add r10, rsp",
            "mov [r10], rdi",
            "mov [r10 + 8], rsi",
            "mov [r10 + 16], rdx",
            "mov [r10 + 24], rcx",
            "mov [r10 + 32], r8",
            "mov [r10 + 40], r9",
            "movaps [r10 + 96], xmm0",
            "movaps [r10 + 112], xmm1",
            "movaps [r10 + 128], xmm2",
            "movaps [r10 + 144], xmm3",
            "movaps [r10 + 160], xmm4",
            "movaps [r10 + 176], xmm5",
            "movaps [r10 + 192], xmm6",
            "movaps [r10 + 208], xmm7",
            "mov rdi, r10",
            "lea rsi, [rbp + 16]",
            "mov rdx, rax",
            "call {prepare}",
            "test rax, rax",
            "jz 3f",
            "movaps xmm0, [rdx + 96]",
            "movaps xmm1, [rdx + 112]",
            "movaps xmm2, [rdx + 128]",
            "movaps xmm3, [rdx + 144]",
            "movaps xmm4, [rdx + 160]",
            "movaps xmm5, [rdx + 176]",
            "movaps xmm6, [rdx + 192]",
            "movaps xmm7, [rdx + 208]",
            "mov rdi, [rdx + 48]",
            "mov rsi, [rdx + 56]",
            "mov rcx, [rdx + 72]",
            "mov r8, [rdx + 80]",
            "mov r9, [rdx + 88]",
            "mov rdx, [rdx + 64]",
            "call rax",
            "4:",
            "mov [rbp - 16], rax",
            "sub rsp, 16",
            "movaps [rsp], xmm0",
            "mov rdi, rbx",
            "lea rsi, [rbp + 16]",
            "call {finish}",
            "movaps xmm0, [rsp]",
            "mov rax, [rbp - 16]",
            "mov rbx, [rbp - 8]",
            "leave",
            "ret",
            // 3: what the guest gets instead; there may be views of what was good
            "3:",
            "mov rax, [rdx]",
            "movq xmm0, rax",
            "jmp 4b",
            ".cfi_endproc",
            PLAN = const offset_of!(ImportTarget, dynamic),
            FRAME_BYTES = const offset_of!(Plan, frame_bytes),
            STACK_BYTES = const offset_of!(Plan, stack_bytes),
            prepare = sym $prepare,
            finish = sym crate::checked::finish,
        )
    };
}

/// As [`checked_thunk`], and the function's views are copies that nobody can touch when it has returned.
///
/// # Safety
///
/// Not to be called from Rust.
#[unsafe(naked)]
pub unsafe extern "C" fn poisoned_thunk() {
    call_and_retire!(crate::checked::prepare_copies)
}

/// As [`poisoned_thunk`], for modules whose code has checked the arguments and passes what the C function takes.
///
/// # Safety
///
/// Not to be called from Rust.
#[unsafe(naked)]
pub unsafe extern "C" fn poisoned_passing_thunk() {
    call_and_retire!(crate::checked::prepare_copies_of_passed)
}
