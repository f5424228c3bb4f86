//! The assembly that changes stacks, x86-64 System V.
//!
//! # The two stacks
//!
//! A guest runs on its slot's stack, a host function on the stack of the thread that entered the guest. The
//! control block (rbx wherever this file holds control) links them:
//!
//! ```text
//!   host's stack (grows down)                guest's stack (grows down)
//!
//!   caller of enter                          |                    | <- entry_sp
//!   | return address      |                  | return to `enter`  |
//!   | rbp rbx r12 .. r15  |                  | adapter            |
//!   | mxcsr               |                  | guest functions    |
//!   | outer host_sp       | <- host_sp       | args of the call   |
//!   | host function       |                  | return to guest    |
//!   |         ...         |                  | rbp                | <- rbp in host_call, so backtraces cross it
//!                                            | rbx                | <- guest_sp
//! ```
//!
//! Nothing on the guest's stack points into the host's stack: the way back is in the control block. Leaving a
//! guest from anywhere is therefore two loads: `rsp = host_sp`, then pop. That is what [`leave`] does, for a guest
//! that returned, was stopped by its host function, or trapped: signal handlers resume there. The same frame serves
//! [`resume`], so a guest that was suspended on one thread's stack returns to another's without noticing.
//!
//! # Being stopped
//!
//! In state `GUEST` a signal handler may end or preempt the guest at any instruction, here as in its own code, except
//! between [`leave`] and [`leave_end`], where it is being left already, and between [`restore`] and [`restore_end`], where preempting it
//! means leaving with what was saved before. Preempting needs the guest's stack in rsp; `GUEST` with the host's
//! holds only right before the state becomes `HOST` or `READY`. After each change to `GUEST` comes a look at the stop word, in this order.
//!
//! # Invariants
//!
//! * `host_sp` and `entry_sp` are 16-aligned, so every C function called here finds the alignment it expects.
//! * Between `lucet_trampolines_start` and `_end` a fault on a guest's stack guard is that guest's stack overflow.
//!   Instructions there touch the guest's stack only while `host_sp` is valid.
//! * Host functions keep rbx, as System V demands; so does the adapter.
//! * A guest starts with MXCSR at its default and with cleared vector registers. The host's MXCSR is back after the entry.
//!
//! It does not check states, limits or types: the Rust around it does.

use crate::control::{
    CONTROL_BLOCK_STRIDE, ControlBlock, ImportTarget, Registers, Trap, exit, state, stop,
};
use crate::running::Runner;
use crate::{directory, process};
use lucet_format::runtime::{self, FastResult};
use lucet_format::{trap::TrapCode, vmctx};
use std::arch::{global_asm, naked_asm};
use std::mem::offset_of;

unsafe extern "C" {
    #[link_name = "lucet_private_enter"]
    pub fn enter(block: *const (), adapter: usize, code: usize, values: usize) -> u32;
    #[link_name = "lucet_private_leave"]
    pub fn leave();
    #[link_name = "lucet_private_leave_end"]
    pub fn leave_end();
    #[link_name = "lucet_private_resume"]
    pub fn resume(block: *const (), result: *mut u64, exact: u32, kind: u32) -> u32;
    #[link_name = "lucet_private_restore"]
    pub fn restore();
    #[link_name = "lucet_private_restore_end"]
    pub fn restore_end();
    #[link_name = "lucet_private_host_call"]
    pub fn host_call();
    #[link_name = "lucet_private_helper_call"]
    pub fn helper_call();
    #[link_name = "lucet_private_typed_fast"]
    pub fn typed_fast();
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
    size_of::<ImportTarget>() == 32,
    "host_call multiplies by it with a shift"
);

global_asm!(
    ".pushsection .text.lucet_trampolines,\"ax\",@progbits",
    ".p2align 4",
    ".globl lucet_private_trampolines_start",
    ".hidden lucet_private_trampolines_start",
    "lucet_private_trampolines_start:",
    // ---- u32 enter(rdi block, rsi adapter, rdx code, rcx values) ----
    ".globl lucet_private_enter",
    ".hidden lucet_private_enter",
    ".type lucet_private_enter,@function",
    "lucet_private_enter:",
    "push rbp",
    "mov rbp, rsp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 16",
    "stmxcsr [rsp]",
    "push qword ptr [rdi + {HOST_SP}]", // of the entry around this one, or 0
    "mov [rdi + {HOST_SP}], rsp",
    "mov rbx, rdi",
    "mov r8d, [rsp + 8]",
    "and r8d, -64", // all but the exception flags
    "cmp r8d, 0x1f80",
    "jne 15f",
    "16:",
    "mov rax, rsi",
    "mov rdi, [rbx + {VMCTX}]",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "mov rbp, [rbx + {ENTRY_FRAME}]",
    // Nothing of the host is left in registers that the guest's code could be tricked into using.
    "xor ecx, ecx",
    "xor r8d, r8d",
    "xor r9d, r9d",
    "xor r10d, r10d",
    "xor r11d, r11d",
    "xor r12d, r12d",
    "xor r13d, r13d",
    "xor r14d, r14d",
    "xor r15d, r15d",
    "pxor xmm0, xmm0",
    "pxor xmm1, xmm1",
    "pxor xmm2, xmm2",
    "pxor xmm3, xmm3",
    "pxor xmm4, xmm4",
    "pxor xmm5, xmm5",
    "pxor xmm6, xmm6",
    "pxor xmm7, xmm7",
    "pxor xmm8, xmm8",
    "pxor xmm9, xmm9",
    "pxor xmm10, xmm10",
    "pxor xmm11, xmm11",
    "pxor xmm12, xmm12",
    "pxor xmm13, xmm13",
    "pxor xmm14, xmm14",
    "pxor xmm15, xmm15",
    "mov rsp, [rbx + {ENTRY_SP}]",
    "mov dword ptr [rbx + {STATE}], {GUEST}",
    "test byte ptr [rbx + {STOP}], {FINAL}",
    "jnz lucet_private_unstarted",
    "call rax",
    "mov eax, {RETURNED}",
    // ---- leave: rbx = block, eax = exit code; any stack ----
    ".globl lucet_private_leave",
    ".hidden lucet_private_leave",
    "lucet_private_leave:",
    "mov dword ptr [rbx + {STATE}], {ENTERING}",
    "mov rsp, [rbx + {HOST_SP}]",
    "pop qword ptr [rbx + {HOST_SP}]",
    "mov r8d, [rsp]",
    "and r8d, -64",
    "cmp r8d, 0x1f80",
    "jne 17f",
    "18:",
    "add rsp, 16",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
    // the host computes in another mode than guests do
    "15:",
    "ldmxcsr [rip + 9f]",
    "jmp 16b",
    "17:",
    "ldmxcsr [rsp]",
    "jmp 18b",
    // ---- jumped to where the stop word says no; nothing here needs to be interrupted any more ----
    "lucet_private_unstarted:",
    "mov eax, {UNSTARTED}",
    "jmp lucet_private_leave",
    // at the return of a call out: what the import has returned, and what it has kept for the guest
    "lucet_private_stopped:",
    "mov [rbx + {SAVED} + {RAX}], rax",
    "mov [rbx + {SAVED} + {R12}], r12",
    "mov [rbx + {SAVED} + {R13}], r13",
    "mov [rbx + {SAVED} + {R14}], r14",
    "mov [rbx + {SAVED} + {R15}], r15",
    "movaps [rbx + {SAVED}], xmm0",
    "mov eax, {STOPPED}",
    "jmp lucet_private_leave",
    ".globl lucet_private_leave_end",
    ".hidden lucet_private_leave_end",
    "lucet_private_leave_end:",
    ".size lucet_private_enter, . - lucet_private_enter",
    ".p2align 2",
    "9: .long 0x1f80", // all exceptions masked, round to nearest
    // ---- typed_fast: jumped to by typed stubs; C's arguments, r10d export and result, r11 image, rax the function ----
    ".p2align 4",
    ".globl lucet_private_typed_fast",
    ".hidden lucet_private_typed_fast",
    ".type lucet_private_typed_fast,@function",
    "lucet_private_typed_fast:",
    // The frame is that of `enter`, so that `leave` undoes it; it returns to 3. Above are what is needed then.
    "push rdi",
    "push rsi",
    "push r10",
    "lea r10, [rip + 3f]",
    "push r10",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    // Anything out of the ordinary takes the long way, which says what it is.
    "mov ebx, edi",
    "and ebx, {NUMBER_MASK}",
    "cmp ebx, [rip + {BLOCKS_READY}]",
    "jae 1f",
    "shl rbx, {BLOCK_SHIFT}",
    "add rbx, [rip + {BLOCKS}]",
    "cmp [rbx + {HANDLE}], rdi",
    "jne 1f",
    "cmp dword ptr [rbx + {STATE}], {READY}",
    "jne 1f",
    "cmp [rbx + {IMAGE}], r11",
    "jne 1f",
    "mov r12, [rip + {PROCESS}]",
    "mov r12, [r12]",
    "cmp [rbx + {TOKEN}], r12",
    "jne 1f",
    "mov r12, qword ptr [rip + lucet_private_runner@GOTTPOFF]",
    "mov r12, fs:[r12]",
    "test r12, r12",
    "jz 1f",
    "mov [rbx + {RUNNER}], r12",
    "mov r12, [r12 + {RUNNER_PROCESS}]",
    "cmp [rbx + {TOKEN}], r12",
    "jne 1f",
    "lea rbp, [rsp + 40]",
    "sub rsp, 16",
    "stmxcsr [rsp]",
    "push qword ptr [rbx + {HOST_SP}]",
    "mov [rbx + {HOST_SP}], rsp",
    "mov r10d, [rsp + 8]",
    "and r10d, -64", // all but the exception flags
    "cmp r10d, 0x1f80",
    "jne 12f",
    "11:",
    "mov qword ptr [rbx + {TRAP_PC}], 0",
    "mov dword ptr [rbx + {DEPTH}], 1",
    "inc qword ptr [rbx + {ENTRIES}]",
    "mov rdi, [rbx + {VMCTX}]",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "mov rcx, r8",
    "mov r8, r9",
    "xor r9d, r9d",
    "xor ebp, ebp",
    "xor r10d, r10d",
    "xor r11d, r11d",
    "xor r12d, r12d",
    "xor r13d, r13d",
    "xor r14d, r14d",
    "xor r15d, r15d",
    "pxor xmm8, xmm8",
    "pxor xmm9, xmm9",
    "pxor xmm10, xmm10",
    "pxor xmm11, xmm11",
    "pxor xmm12, xmm12",
    "pxor xmm13, xmm13",
    "pxor xmm14, xmm14",
    "pxor xmm15, xmm15",
    "mov rsp, [rbx + {ENTRY_SP}]",
    "mov dword ptr [rbx + {STATE}], {GUEST}",
    "test byte ptr [rbx + {STOP}], {FINAL}",
    "jnz lucet_private_unstarted",
    "call rax",
    "mov rsp, [rbx + {HOST_SP}]",
    "mov dword ptr [rbx + {STATE}], {READY}",
    "pop qword ptr [rbx + {HOST_SP}]",
    "mov ecx, [rsp]",
    "and ecx, -64",
    "cmp ecx, 0x1f80",
    "jne 14f",
    "13:",
    "mov dword ptr [rbx + {DEPTH}], 0",
    "mov dword ptr [rbx + {QUIET}], 1",
    "mov qword ptr [rbx + {QUIET_VALUES}], 0",
    "add rsp, 16",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "mov r10d, [rsp + 8]",
    "mov rsi, [rsp + 16]",
    "add rsp, 32",
    "shr r10d, {FAST_RESULT_SHIFT}",
    "jz 4f",
    "test rsi, rsi",
    "jz 4f",
    "cmp r10d, {WORD32}",
    "jne 2f",
    "mov [rsi], eax",
    "4:",
    "mov eax, {OUTCOME_RETURNED}",
    "ret",
    "2:",
    "cmp r10d, {FLOAT32}",
    "je 5f",
    "ja 6f",
    "mov [rsi], rax",
    "jmp 4b",
    "5:",
    "movss [rsi], xmm0",
    "jmp 4b",
    "6:",
    "movsd [rsi], xmm0",
    "jmp 4b",
    // 1: the long way, with everything as it was
    "1:",
    "mov r12, [rsp + 24]",
    "mov rbx, [rsp + 32]",
    "mov r10d, [rsp + 56]",
    "add rsp, 80",
    "and r10d, {EXPORT_MASK}",
    "jmp {TYPED_ENTRY}",
    // 3: trapped or stopped; eax says which
    "3:",
    "pop rdx",
    "and edx, {EXPORT_MASK}",
    "pop rdi",
    "pop rdi",
    "and edi, {NUMBER_MASK}",
    "shl rdi, {BLOCK_SHIFT}",
    "add rdi, [rip + {BLOCKS}]",
    "mov esi, eax",
    "jmp {TYPED_LEFT}",
    // the host computes in another mode than guests do
    "12:",
    "ldmxcsr [rip + 9b]",
    "jmp 11b",
    "14:",
    "ldmxcsr [rsp]",
    "jmp 13b",
    ".size lucet_private_typed_fast, . - lucet_private_typed_fast",
    // ---- u32 resume(rdi block, rsi where a short entry's result goes, edx whether at the very instruction, ecx its kind) ----
    ".p2align 4",
    ".globl lucet_private_resume",
    ".hidden lucet_private_resume",
    ".type lucet_private_resume,@function",
    "lucet_private_resume:",
    // The frame is that of `typed_fast`, whose end undoes it for guests that were entered there; for others, and for guests that
    // are left, only the part below counts, which is that of `enter` and returns to 20.
    "push rdi",
    "push rsi",
    "push rcx",
    "lea r10, [rip + 20f]",
    "push r10",
    "push rbp",
    "mov rbp, rsp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 16",
    "stmxcsr [rsp]",
    "push qword ptr [rdi + {HOST_SP}]",
    "mov [rdi + {HOST_SP}], rsp",
    "mov rbx, rdi",
    "ldmxcsr [rip + 9b]",
    "mov r12, [rbx + {SAVED} + {R12}]",
    "mov r13, [rbx + {SAVED} + {R13}]",
    "mov r14, [rbx + {SAVED} + {R14}]",
    "mov r15, [rbx + {SAVED} + {R15}]",
    "test edx, edx",
    "jnz lucet_private_restore",
    "xor ecx, ecx",
    "xor edx, edx",
    "xor esi, esi",
    "xor edi, edi",
    "xor r8d, r8d",
    "xor r9d, r9d",
    "xor r10d, r10d",
    "xor r11d, r11d",
    "mov rax, [rbx + {SAVED} + {RAX}]",
    "movaps xmm0, [rbx + {SAVED}]",
    "pxor xmm1, xmm1",
    "pxor xmm2, xmm2",
    "pxor xmm3, xmm3",
    "pxor xmm4, xmm4",
    "pxor xmm5, xmm5",
    "pxor xmm6, xmm6",
    "pxor xmm7, xmm7",
    "pxor xmm8, xmm8",
    "pxor xmm9, xmm9",
    "pxor xmm10, xmm10",
    "pxor xmm11, xmm11",
    "pxor xmm12, xmm12",
    "pxor xmm13, xmm13",
    "pxor xmm14, xmm14",
    "pxor xmm15, xmm15",
    "jmp lucet_private_called",
    "20:",
    "add rsp, 24",
    "ret",
    // ---- all registers at once: nothing is pushed on the guest's stack, which may have no room ----
    ".globl lucet_private_restore",
    ".hidden lucet_private_restore",
    "lucet_private_restore:",
    "mov eax, ss",
    "push rax",
    "push qword ptr [rbx + {SAVED} + {RSP}]",
    "push qword ptr [rbx + {SAVED} + {FLAGS_SAVED}]",
    "mov eax, cs",
    "push rax",
    "push qword ptr [rbx + {SAVED} + {PC}]",
    "movaps xmm0, [rbx + {SAVED}]",
    "movaps xmm1, [rbx + {SAVED} + 16]",
    "movaps xmm2, [rbx + {SAVED} + 32]",
    "movaps xmm3, [rbx + {SAVED} + 48]",
    "movaps xmm4, [rbx + {SAVED} + 64]",
    "movaps xmm5, [rbx + {SAVED} + 80]",
    "movaps xmm6, [rbx + {SAVED} + 96]",
    "movaps xmm7, [rbx + {SAVED} + 112]",
    "movaps xmm8, [rbx + {SAVED} + 128]",
    "movaps xmm9, [rbx + {SAVED} + 144]",
    "movaps xmm10, [rbx + {SAVED} + 160]",
    "movaps xmm11, [rbx + {SAVED} + 176]",
    "movaps xmm12, [rbx + {SAVED} + 192]",
    "movaps xmm13, [rbx + {SAVED} + 208]",
    "movaps xmm14, [rbx + {SAVED} + 224]",
    "movaps xmm15, [rbx + {SAVED} + 240]",
    "mov rax, [rbx + {SAVED} + {RAX}]",
    "mov rcx, [rbx + {SAVED} + {RCX}]",
    "mov rdx, [rbx + {SAVED} + {RDX}]",
    "mov rbp, [rbx + {SAVED} + {RBP}]",
    "mov rsi, [rbx + {SAVED} + {RSI}]",
    "mov rdi, [rbx + {SAVED} + {RDI}]",
    "mov r8, [rbx + {SAVED} + {R8}]",
    "mov r9, [rbx + {SAVED} + {R9}]",
    "mov r10, [rbx + {SAVED} + {R10}]",
    "mov r11, [rbx + {SAVED} + {R11}]",
    "mov dword ptr [rbx + {STATE}], {GUEST}",
    "test byte ptr [rbx + {STOP}], {FINAL}",
    "jnz lucet_private_unstarted",
    "mov rbx, [rbx + {SAVED} + {RBX}]",
    "iretq",
    ".globl lucet_private_restore_end",
    ".hidden lucet_private_restore_end",
    "lucet_private_restore_end:",
    ".size lucet_private_resume, . - lucet_private_resume",
    // ---- host_call: jumped to by import stubs; r10d import, r11d bytes of stack arguments ----
    ".p2align 4",
    ".globl lucet_private_host_call",
    ".hidden lucet_private_host_call",
    ".type lucet_private_host_call,@function",
    "lucet_private_host_call:",
    "push rbp",
    "mov rbp, rsp",
    "push rbx",
    "mov rbx, [rdi - {CONTROL_BLOCK}]",
    "mov [rbx + {CALL_INDEX}], r10d",
    "mov [rbx + {CALL_RESULTS}], rsi",
    "inc qword ptr [rbx + {HOST_CALLS}]",
    "mov r10d, r10d",
    "shl r10, 5",
    "add r10, [rbx + {IMPORTS}]",
    "test dword ptr [r10 + {FLAGS}], {LEAF_FLAG}",
    "jnz 5f",
    // 2: on the host's stack; r10 points at the function's address
    "2:",
    "mov [rbx + {GUEST_SP}], rsp",
    "mov rsp, [rbx + {HOST_SP}]",
    "mov dword ptr [rbx + {STATE}], {HOST}",
    // 3: the stack arguments start above the saved rbp and the return address
    "3:",
    "test r11d, r11d",
    "jnz 7f",
    "4:",
    "mov rdi, rbx", // the lucet_call
    "call [r10]",
    // The stack before the state: in state GUEST the guest can be interrupted here as in its own code.
    "lucet_private_called:",
    "mov rsp, [rbx + {GUEST_SP}]",
    "mov dword ptr [rbx + {STATE}], {GUEST}",
    "cmp byte ptr [rbx + {STOP}], 0",
    "jne lucet_private_stopped",
    "pop rbx",
    "pop rbp",
    "ret",
    // 5: a leaf stays on the guest's stack, if enough is left of it
    "5:",
    "cmp rsp, [rdi - {LEAF_STACK_LIMIT}]",
    "jb 8f",
    "mov [rbx + {GUEST_SP}], rsp",
    "mov dword ptr [rbx + {STATE}], {LEAF}",
    "sub rsp, 8",
    "test r11d, r11d",
    "jnz 7f",
    "mov rdi, rbx",
    "call [r10]",
    "add rsp, 8",
    "mov dword ptr [rbx + {STATE}], {GUEST}",
    "cmp byte ptr [rbx + {STOP}], 0",
    "jne lucet_private_stopped",
    "pop rbx",
    "pop rbp",
    "ret",
    // 7: copy the stack arguments; rdi is free, the block has been found
    "7:",
    "mov edi, r11d",
    "add rdi, 15",
    "and rdi, -16",
    "sub rsp, rdi",
    "71:",
    "sub r11d, 8",
    "mov rdi, [rbp + r11 + 16]",
    "mov [rsp + r11], rdi",
    "jnz 71b", // the moves keep the flags of `sub`
    "jmp 4b",
    // 8: too little stack for a leaf: a stack overflow, seen early
    "8:",
    "mov dword ptr [rbx + {TRAP_CODE}], {STACK_TRAP}",
    "mov dword ptr [rbx + {TRAP_SIGNAL}], 0",
    "mov rax, [rbp + 8]",
    "mov [rbx + {TRAP_PC}], rax",
    "mov rax, [rbp]",
    "mov [rbx + {TRAP_FRAME}], rax",
    "mov [rbx + {TRAP_STACK}], rsp",
    "mov [rbx + {TRAP_ADDRESS}], rsp",
    "mov eax, {TRAPPED}",
    "jmp lucet_private_leave",
    ".size lucet_private_host_call, . - lucet_private_host_call",
    // ---- helper_call: jumped to by helper stubs; r10d helper, all arguments in registers ----
    ".p2align 4",
    ".globl lucet_private_helper_call",
    ".hidden lucet_private_helper_call",
    ".type lucet_private_helper_call,@function",
    "lucet_private_helper_call:",
    "push rbp",
    "mov rbp, rsp",
    "push rbx",
    "mov rbx, [rdi - {CONTROL_BLOCK}]",
    "mov dword ptr [rbx + {CALL_INDEX}], -1",
    "mov r10d, r10d",
    "lea rax, [rip + {HELPERS}]",
    "lea r10, [rax + r10 * 8]",
    "jmp 2b",
    ".size lucet_private_helper_call, . - lucet_private_helper_call",
    ".globl lucet_private_trampolines_end",
    ".hidden lucet_private_trampolines_end",
    "lucet_private_trampolines_end:",
    ".popsection",
    NUMBER_MASK = const (1u32 << directory::NUMBER_BITS) - 1,
    BLOCK_SHIFT = const CONTROL_BLOCK_STRIDE.trailing_zeros(),
    BLOCKS_READY = sym directory::READY,
    BLOCKS = sym directory::BASE,
    PROCESS = sym process::PAGE,
    HANDLE = const offset_of!(ControlBlock, handle),
    IMAGE = const offset_of!(ControlBlock, image),
    TOKEN = const offset_of!(ControlBlock, token),
    DEPTH = const offset_of!(ControlBlock, depth),
    QUIET = const offset_of!(ControlBlock, quiet),
    QUIET_VALUES = const offset_of!(ControlBlock, quiet_values),
    READY = const state::READY,
    FAST_RESULT_SHIFT = const runtime::FAST_RESULT_SHIFT,
    EXPORT_MASK = const (1u32 << runtime::FAST_RESULT_SHIFT) - 1,
    WORD32 = const FastResult::Word32 as u32,
    FLOAT32 = const FastResult::Float32 as u32,
    OUTCOME_RETURNED = const crate::abi::LUCET_RETURNED,
    TYPED_ENTRY = sym typed_entry,
    TYPED_LEFT = sym crate::typed::left,
    HOST_SP = const offset_of!(ControlBlock, host_sp),
    GUEST_SP = const offset_of!(ControlBlock, guest_sp),
    ENTRY_SP = const offset_of!(ControlBlock, entry_sp),
    ENTRY_FRAME = const offset_of!(ControlBlock, entry_frame),
    VMCTX = const offset_of!(ControlBlock, vmctx),
    IMPORTS = const offset_of!(ControlBlock, imports),
    STATE = const offset_of!(ControlBlock, state),
    STOP = const offset_of!(ControlBlock, word),
    FINAL = const stop::FINAL,
    RUNNER_PROCESS = const offset_of!(Runner, process),
    RUNNER = const offset_of!(ControlBlock, runner),
    ENTRIES = const offset_of!(ControlBlock, entries),
    CALL_RESULTS = const offset_of!(ControlBlock, call_results),
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
    CALL_INDEX = const offset_of!(ControlBlock, call_index),
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
    GUEST = const state::GUEST,
    HOST = const state::HOST,
    LEAF = const state::LEAF,
    ENTERING = const state::ENTERING,
    RETURNED = const exit::RETURNED,
    TRAPPED = const exit::TRAPPED,
    STOPPED = const exit::STOPPED,
    HELPERS = sym crate::helpers::TABLE,
);
const _: () = assert!(
    offset_of!(ImportTarget, function) == 0,
    "host_call calls through the row's first field"
);

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
            "push rbp",
            "mov rbp, rsp",
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
            "ret",
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
