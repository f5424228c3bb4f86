# Entering a guest, and leaving it from anywhere. The frame is drawn in mod.rs.

# ---- u32 enter(rdi block, rsi adapter, rdx code, rcx values) ----
	.p2align 4
	.globl lucet_private_enter
	.hidden lucet_private_enter
	.type lucet_private_enter, @function
lucet_private_enter:
	push 0
	push rbp
	push rbx
	push r12
	push r13
	push r14
	push r15
	push -1
	sub rsp, 8
	stmxcsr [rsp]
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
	mov ecx, [rsp]
	and ecx, -64
	cmp ecx, {DEFAULT_MXCSR}
	jne 4f
3:
	mov rdi, rbx
	mov rdx, [rsp + 8]
	add rsp, 16
	pop r15
	pop r14
	pop r13
	pop r12
	pop rbx
	pop rbp
	add rsp, 8
	test edx, edx
	jns 5f
	ret
	# A typed entry: Rust says what its caller is told.
5:
	mov esi, eax
	and edx, {BY_HANDLE} - 1
	jmp {TYPED_LEFT}

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
	mov eax, {UNSTARTED}
	jmp lucet_private_leave

# Jumped to at the return of a call out: keeps what the import has returned, and what it has kept for the guest.
lucet_private_stopped:
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
	.size lucet_private_enter, . - lucet_private_enter
	.p2align 2
lucet_private_default_mxcsr:
	.long {DEFAULT_MXCSR}
