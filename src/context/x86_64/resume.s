# Going on with a guest that waits.

# ---- u32 resume(rdi block, rsi where a typed entry's result goes, edx whether at the very instruction) ----
# The frame is that of `enter`, below a place for the host's MXCSR: the ends of typed entries do not look at the one in the frame.
	.p2align 4
	.globl lucet_private_resume
	.hidden lucet_private_resume
	.type lucet_private_resume, @function
lucet_private_resume:
	.cfi_startproc
	.cfi_signal_frame
	sub rsp, 8
	stmxcsr [rsp]
	lea rax, [rip + 1f]
	push rax
	push rsi
	push rbp
	push rbx
	push r12
	push r13
	push r14
	push r15
	push -1
	mov eax, {DEFAULT_MXCSR}
	push rax
	.cfi_def_cfa_offset 96
	.cfi_offset rbp, -40
	.cfi_offset rbx, -48
	.cfi_offset r12, -56
	.cfi_offset r13, -64
	.cfi_offset r14, -72
	.cfi_offset r15, -80
	.cfi_remember_state
	mov [rdi + {HOST_SP}], rsp
	mov rbx, rdi
	cmp byte ptr [rbx + {NO_VECTORS}], 0
	jne 2f
	mov eax, [rsp + 80]
	mov [rsp], eax
	and eax, -64
	cmp eax, {DEFAULT_MXCSR}
	setne byte ptr [rbx + {ODD_MODES}]
	ldmxcsr [rip + lucet_private_default_mxcsr]
2:
	mov r12, [rbx + {SAVED} + {R12}]
	mov r13, [rbx + {SAVED} + {R13}]
	mov r14, [rbx + {SAVED} + {R14}]
	mov r15, [rbx + {SAVED} + {R15}]
	test edx, edx
	jnz lucet_private_restore
	xor ecx, ecx
	xor edx, edx
	xor esi, esi
	xor edi, edi
	xor r8d, r8d
	xor r9d, r9d
	xor r10d, r10d
	xor r11d, r11d
	mov rax, [rbx + {SAVED} + {RAX}]
	movaps xmm0, [rbx + {SAVED}]
	.irp number, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	pxor xmm\number, xmm\number
	.endr
	jmp lucet_private_called
	# Where the frame returns to.
1:
	.cfi_def_cfa rsp, 16
	.irp register, rbp,rbx,r12,r13,r14,r15
	.cfi_restore \register
	.endr
	ldmxcsr [rsp]
	add rsp, 8
	.cfi_def_cfa_offset 8
	ret
	.cfi_restore_state

# All registers at once: nothing is pushed on the guest's stack, which may have no room.
	.globl lucet_private_restore
	.hidden lucet_private_restore
lucet_private_restore:
	mov eax, ss
	push rax
	.cfi_adjust_cfa_offset 8
	push qword ptr [rbx + {SAVED} + {RSP}]
	.cfi_adjust_cfa_offset 8
	push qword ptr [rbx + {SAVED} + {FLAGS_SAVED}]
	.cfi_adjust_cfa_offset 8
	mov eax, cs
	push rax
	.cfi_adjust_cfa_offset 8
	push qword ptr [rbx + {SAVED} + {PC}]
	.cfi_adjust_cfa_offset 8
	.irp number, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movaps xmm\number, [rbx + {SAVED} + 16 * \number]
	.endr
	mov rax, [rbx + {SAVED} + {RAX}]
	mov rcx, [rbx + {SAVED} + {RCX}]
	mov rdx, [rbx + {SAVED} + {RDX}]
	mov rbp, [rbx + {SAVED} + {RBP}]
	mov rsi, [rbx + {SAVED} + {RSI}]
	mov rdi, [rbx + {SAVED} + {RDI}]
	mov r8, [rbx + {SAVED} + {R8}]
	mov r9, [rbx + {SAVED} + {R9}]
	mov r10, [rbx + {SAVED} + {R10}]
	mov r11, [rbx + {SAVED} + {R11}]
	mov byte ptr [rbx + {STATE}], {GUEST}
	test byte ptr [rbx + {STOP}], {FINAL}
	jnz lucet_private_unstarted
	mov rbx, [rbx + {SAVED} + {RBX}]
	iretq
	.globl lucet_private_restore_end
	.hidden lucet_private_restore_end
lucet_private_restore_end:
	.cfi_endproc
	.size lucet_private_resume, . - lucet_private_resume
