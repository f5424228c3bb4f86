# Entering a guest, and leaving it from anywhere. The frame is drawn in mod.rs.

# ---- what debuggers and profilers read: how the caller's registers are found (mod.rs) ----
# On the host's stack with the frame complete, rsp being the host_sp to be.
.macro lucet_private_cfi_frame
	.cfi_def_cfa rsp, 80
	.cfi_offset rbp, -24
	.cfi_offset rbx, -32
	.cfi_offset r12, -40
	.cfi_offset r13, -48
	.cfi_offset r14, -56
	.cfi_offset r15, -64
.endm

# On the guest's stack, rbx being the block. The frame is 80 bytes above host_sp; in an entry that another is nested in, whose entry_sp is not the
# block's any more, above outermost_sp: right for the outermost one.
#   breg7 0, breg3 ENTRY_SP, deref, eq, breg3 HOST_SP, deref, breg3 OUTERMOST_SP, deref, minus, mul, breg3 OUTERMOST_SP, deref, plus, plus_uconst 80
# Without branches, which valgrind does not know.
.macro lucet_private_cfi_elsewhere
	.cfi_escape 0x0f, 22, 0x77, 0, 0x73, {ENTRY_SP}, 0x06, 0x29, 0x73, {HOST_SP}, 0x06, 0x73, {OUTERMOST_LOW}, {OUTERMOST_HIGH}, 0x06
	.cfi_escape 0x1c, 0x1e, 0x73, {OUTERMOST_LOW}, {OUTERMOST_HIGH}, 0x06, 0x22, 0x23, 80
.endm

# In a call out that is over, on the guest's stack with rbp and rbx still there; all others are the guest's.
.macro lucet_private_cfi_called
	.cfi_def_cfa rsp, 24
	.cfi_offset rbp, -16
	.cfi_offset rbx, -24
	.irp register, r12,r13,r14,r15
	.cfi_restore \register
	.endr
.endm

# The pops that undo the frame's pushes, rsp being 16 above host_sp.
.macro lucet_private_cfi_pop
	.irp register, r15,r14,r13,r12,rbx,rbp
	pop \register
	.cfi_adjust_cfa_offset -8
	.cfi_restore \register
	.endr
.endm

# ---- u32 enter(rdi block, rsi adapter, rdx code, rcx values) ----
	.p2align 4
	.globl lucet_private_enter
	.hidden lucet_private_enter
	.type lucet_private_enter, @function
lucet_private_enter:
	.cfi_startproc
	.cfi_signal_frame
	push 0
	push rbp
	push rbx
	push r12
	push r13
	push r14
	push r15
	push -1
	sub rsp, 8
	lucet_private_cfi_frame
	stmxcsr [rsp]
	cmp byte ptr [rdi + {NO_VECTORS}], 0
	jne 6f
	mov [rdi + {HOST_SP}], rsp
	mov rbx, rdi
	mov r8d, [rsp]
	and r8d, -64 # all but the exception flags
	cmp r8d, {DEFAULT_MXCSR}
	jne 2f
1:
	mov rax, rsi
	mov rdi, [rbx + {VMCTX}]
	mov rsi, rdx
	mov rdx, rcx
	mov rbp, [rbx + {ENTRY_FRAME}]
	# Nothing of the host is left in registers that the guest's code could be tricked into using.
	xor ecx, ecx
	xor r8d, r8d
	xor r9d, r9d
	xor r10d, r10d
	xor r11d, r11d
	xor r12d, r12d
	xor r13d, r13d
	xor r14d, r14d
	xor r15d, r15d
	.irp number, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	pxor xmm\number, xmm\number
	.endr
	mov rsp, [rbx + {ENTRY_SP}]
	lucet_private_cfi_elsewhere
	mov byte ptr [rbx + {STATE}], {GUEST}
	test byte ptr [rbx + {STOP}], {FINAL}
	jnz lucet_private_unstarted
	call rax
	mov eax, {RETURNED}

# ---- leave: rbx = block, eax = exit code; any stack ----
	.globl lucet_private_leave
	.hidden lucet_private_leave
lucet_private_leave:
	mov byte ptr [rbx + {STATE}], {ENTERING}
	mov rsp, [rbx + {HOST_SP}]
	.cfi_def_cfa rsp, 80
	mov ecx, [rsp]
	and ecx, -64
	cmp ecx, {DEFAULT_MXCSR}
	jne 4f
3:
	mov rdi, rbx
	mov rdx, [rsp + 8]
	.cfi_remember_state
	add rsp, 16
	.cfi_adjust_cfa_offset -16
	lucet_private_cfi_pop
	add rsp, 8
	.cfi_adjust_cfa_offset -8
	test edx, edx
	jns 5f
	ret
	# A typed entry: Rust says what its caller is told.
5:
	mov esi, eax
	and edx, {BY_HANDLE} - 1
	jmp {TYPED_LEFT}
	.cfi_restore_state

	# Its modes do not matter.
6:
	mov dword ptr [rsp], {DEFAULT_MXCSR}
	mov [rdi + {HOST_SP}], rsp
	mov rbx, rdi
	jmp 1b

	# The host computes in another mode than guests do, and so do its functions that the guest calls.
2:
	mov byte ptr [rbx + {ODD_MODES}], 1
	ldmxcsr [rip + lucet_private_default_mxcsr]
	jmp 1b
4:
	ldmxcsr [rsp]
	cmp dword ptr [rbx + {NESTED}], 0
	jne 3b
	mov byte ptr [rbx + {ODD_MODES}], 0
	jmp 3b

# Jumped to where the stop word says no; nothing from here on needs to be interrupted any more.
lucet_private_unstarted:
	lucet_private_cfi_elsewhere
	mov eax, {UNSTARTED}
	jmp lucet_private_leave

# Jumped to at the return of a call out: keeps what the import has returned, and what it has kept for the guest.
lucet_private_stopped:
	lucet_private_cfi_called
	mov [rbx + {SAVED} + {RAX}], rax
	mov [rbx + {SAVED} + {R12}], r12
	mov [rbx + {SAVED} + {R13}], r13
	mov [rbx + {SAVED} + {R14}], r14
	mov [rbx + {SAVED} + {R15}], r15
	movaps [rbx + {SAVED}], xmm0
	mov eax, {STOPPED}
	jmp lucet_private_leave

	.globl lucet_private_leave_end
	.hidden lucet_private_leave_end
lucet_private_leave_end:
	.cfi_endproc
	.size lucet_private_enter, . - lucet_private_enter
	.p2align 2
lucet_private_default_mxcsr:
	.long {DEFAULT_MXCSR}
