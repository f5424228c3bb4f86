//! Ways across that bring the argument registers to Rust: typed entries that are not short, and host functions with dynamic types.

use std::arch::naked_asm;
use std::mem::offset_of;

/// The argument registers of a System V call, saved by the entries below.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Spill {
    /// rdi, rsi, rdx, rcx, r8, r9.
    pub integers: [u64; 6],
    /// xmm0 to xmm7. The first one is also where a float or vector result is returned.
    pub floats: [u128; 8],
}

const SPILL_BYTES: usize = size_of::<Spill>();
const _: () = assert!(SPILL_BYTES == 48 + 8 * 16);
const _: () = assert!(
    SPILL_BYTES.is_multiple_of(16) && offset_of!(Spill, floats) == 48,
    "the stack stays aligned"
);

/// Saves the argument registers into a [`Spill`] on the stack and calls a Rust function with
/// `(spill, stack arguments, r10, r11)`; its result is returned in rax, `spill.floats[0]` in xmm0.
macro_rules! spill_and_call {
    ($target:path) => {
        naked_asm!(
            ".cfi_startproc",
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "sub rsp, {SPILL}",
            "mov [rsp], rdi",
            "mov [rsp + 8], rsi",
            "mov [rsp + 16], rdx",
            "mov [rsp + 24], rcx",
            "mov [rsp + 32], r8",
            "mov [rsp + 40], r9",
            "movaps [rsp + 48], xmm0",
            "movaps [rsp + 64], xmm1",
            "movaps [rsp + 80], xmm2",
            "movaps [rsp + 96], xmm3",
            "movaps [rsp + 112], xmm4",
            "movaps [rsp + 128], xmm5",
            "movaps [rsp + 144], xmm6",
            "movaps [rsp + 160], xmm7",
            "mov rdi, rsp",
            "lea rsi, [rbp + 16]",
            "mov edx, r10d",
            "mov rcx, r11",
            "call {target}",
            "movaps xmm0, [rsp + 48]",
            "leave",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_endproc",
            SPILL = const SPILL_BYTES,
            target = sym $target,
        )
    };
}

/// Where typed stubs jump: r10d is the export, r11 the start of the image.
///
/// # Safety
///
/// Not to be called from Rust.
#[unsafe(naked)]
pub unsafe extern "C" fn typed_entry() {
    spill_and_call!(crate::typed::enter)
}

/// The C function that stands for every definition with dynamic types: [`crate::control::ImportTarget::function`].
///
/// # Safety
///
/// Not to be called from Rust.
#[unsafe(naked)]
pub unsafe extern "C" fn dynamic_thunk() {
    spill_and_call!(crate::call::dynamic)
}

/// The C function that stands for imports nobody defined, when they may stay undefined until called.
///
/// # Safety
///
/// Called by `host_call` only, with the control block as `lucet_call`.
pub unsafe extern "C" fn missing_import(call: *mut crate::abi::lucet_call) -> u64 {
    crate::call::refuse_missing(call);
    0
}
