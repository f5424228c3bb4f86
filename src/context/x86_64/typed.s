# Typed entries whose parameters all travel in registers. Typed stubs of modules jump here, as lucet_format::runtime
# says: rdi handle, r9 where the result goes or 0, rsi rdx rcx r8 xmm0-7 the guest's own parameters (those that it does not
# have are zero), rax the function, r10d the export, r11 the start of the image + READY.
#
# What is as it mostly is costs a comparison each; anything else takes the long way, which says what it is.

# vectors: 0 for modules whose code uses no vector registers
# bits: of a result in rax, which calls by handle find in r8; else 0
# store...: the instruction that puts the result where rsi says; nothing for functions without one
.macro lucet_private_typed name, vectors, bits, store:vararg
	.p2align 4
	.globl lucet_private_typed_\name
	.hidden lucet_private_typed_\name
	.type lucet_private_typed_\name, @function
lucet_private_typed_\name:
	.cfi_startproc
	.cfi_signal_frame
	push r9
	push rbp
	push rbx
	push r12
	push r13
	push r14
	push r15
	push r10
	lucet_private_cfi_frame
	.cfi_def_cfa_offset 72
	.if \vectors
	stmxcsr [rsp - 8]
	.endif
	mov ebx, edi
	and ebx, {NUMBER_MASK}
	cmp ebx, [rip + {BLOCKS_READY}]
	jae lucet_private_typed_long
	shl rbx, {BLOCK_SHIFT}
	add rbx, [rip + {BLOCKS}]
	cmp [rbx + {HANDLE}], rdi
	jne lucet_private_typed_long
	cmp [rbx + {STATE}], r11
	jne lucet_private_typed_long
	mov r12, qword ptr [rip + lucet_private_runner@GOTTPOFF]
	mov r12, fs:[r12]
	test r12, r12
	jz lucet_private_typed_long
	mov r13, [r12 + {RUNNER_PROCESS}]
	cmp [rbx + {TOKEN}], r13
	jne lucet_private_typed_long
	.if \vectors
	mov r14d, [rsp - 8]
	and r14d, -64
	cmp r14d, {DEFAULT_MXCSR}
	jne lucet_private_typed_long
	.else
	mov dword ptr [rsp - 8], {DEFAULT_MXCSR}
	.endif
	lea r15, [rsp - 8]
	mov [rbx + {RUNNER}], r12
	mov [rbx + {HOST_SP}], r15
	inc qword ptr [rbx + {ENTRIES}]
	mov rdi, [rbx + {VMCTX}]
	add r11, {GUEST} - {READY}
	xor r9d, r9d
	xor ebp, ebp
	xor r10d, r10d
	xor r12d, r12d
	xor r13d, r13d
	xor r14d, r14d
	xor r15d, r15d
	.if \vectors
	.irp number, 8,9,10,11,12,13,14,15
	pxor xmm\number, xmm\number
	.endr
	.endif
	mov rsp, [rbx + {ENTRY_SP}]
	lucet_private_cfi_elsewhere
	mov [rbx + {STATE}], r11
	xor r11d, r11d
	test byte ptr [rbx + {STOP}], {FINAL}
	jnz lucet_private_unstarted
	call rax
	mov rcx, [rbx + {READY_STATE}]
	mov rsp, [rbx + {HOST_SP}]
	.cfi_def_cfa rsp, 80
	mov [rbx + {STATE}], rcx
	# For calls by handle; rdx is not zero.
	mov rdx, rbx
	.if \bits == 32
	mov r8d, eax
	.elseif \bits == 64
	mov r8, rax
	.endif
	add rsp, 16
	.cfi_adjust_cfa_offset -16
	lucet_private_cfi_pop
	pop rsi
	.cfi_adjust_cfa_offset -8
	.ifnb \store
	test rsi, rsi
	jz 1f
	\store
1:
	.endif
	mov eax, {OUTCOME_RETURNED}
	ret
	.cfi_endproc
	.size lucet_private_typed_\name, . - lucet_private_typed_\name
.endm

	lucet_private_typed nothing, 1, 0
	lucet_private_typed word32, 1, 32, mov [rsi], eax
	lucet_private_typed word64, 1, 64, mov [rsi], rax
	lucet_private_typed float32, 1, 0, movss [rsi], xmm0
	lucet_private_typed float64, 1, 0, movsd [rsi], xmm0
	lucet_private_typed nothing_bare, 0, 0
	lucet_private_typed word32_bare, 0, 32, mov [rsi], eax
	lucet_private_typed word64_bare, 0, 64, mov [rsi], rax

# Something is out of the ordinary. Everything as C passed it, for the entry that looks at each thing.
lucet_private_typed_long:
	mov r14, [rsp + 16]
	mov r13, [rsp + 24]
	mov r12, [rsp + 32]
	mov rbx, [rsp + 40]
	add rsp, 64
	test r10d, {BY_HANDLE}
	jnz 1f
	mov rax, r9
	mov r9, r8
	mov r8, rcx
	mov rcx, rdx
	mov rdx, rsi
	mov rsi, rax
	and r11, -{PAGE}
	jmp {TYPED_ENTRY}
	# The caller has a long way of its own.
1:
	mov eax, {OUTCOME_NOT_RUN}
	xor edx, edx
	ret

# ---- u32 call_KIND(rdi handle, rsi what is called, rdx rcx r8 integers, r9 where the result goes) ----
# Calls by function handle of functions that take up to three integers: does what the export's typed stub does.
.macro lucet_private_call name, vectors
	.p2align 4
	.globl lucet_private_call_\name
	.hidden lucet_private_call_\name
	.type lucet_private_call_\name, @function
lucet_private_call_\name:
	mov rax, [rsi + {CALLEE_CODE}]
	mov r11, [rsi + {CALLEE_READY}]
	mov r10d, [rsi + {CALLEE_EXPORT}]
	mov rsi, rdx
	mov rdx, rcx
	mov rcx, r8
	xor r8d, r8d
	.if \vectors
	.irp number, 0,1,2,3,4,5,6,7
	pxor xmm\number, xmm\number
	.endr
	.endif
	jmp lucet_private_typed_\name
	.size lucet_private_call_\name, . - lucet_private_call_\name
.endm

	lucet_private_call nothing, 1
	lucet_private_call word32, 1
	lucet_private_call word64, 1
	lucet_private_call float32, 1
	lucet_private_call float64, 1
	lucet_private_call nothing_bare, 0
	lucet_private_call word32_bare, 0
	lucet_private_call word64_bare, 0
