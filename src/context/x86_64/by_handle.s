# Calls by function handle of functions that take up to three integers and return one or nothing: from C's call to the outcome.
#
#   status by_handle_KIND(rdi handle, rsi what is called, rdx arguments, rcx how many, r8 outcome or 0, r9 what else to do)
#
# Of each argument as many bytes are read as its type has, since C may just have written no more. What is pushed is what the other
# way needs, for which everything is as C passed it. All of this runs on the host's stack, in the host's state.

# The argument `index` into a register, if its type is the one wanted.
.macro lucet_private_argument name, index, wide, narrow
	mov eax, [r9 + {VALUE_BYTES} * \index]
	cmp eax, [r10 + {BY_HANDLE_TYPES} + 4 * \index]
	jne lucet_private_by_handle_not
	cmp eax, {I32}
	jne lucet_private_wide_\index\()_\name
	mov \narrow, [r9 + {VALUE_BYTES} * \index + {VALUE_CONTENT}]
lucet_private_next_\index\()_\name:
.endm
.macro lucet_private_wide_argument name, index, wide
lucet_private_wide_\index\()_\name:
	mov \wide, [r9 + {VALUE_BYTES} * \index + {VALUE_CONTENT}]
	jmp lucet_private_next_\index\()_\name
.endm

# What C passed, with rsp aligned for a call. How many arguments there are is not needed: as many as the function has.
.macro lucet_private_keep_call
	.irp register, r9,r8,rdx,rsi,rdi
	push \register
	.cfi_adjust_cfa_offset 8
	.endr
.endm

# Enters the guest: all but the code, the state and the export is in place. Then the outcome. Stores are what there is most of in such a
# call, so neighbours are stored together.
# bits: of the result, which the typed entry leaves in r8; 0 for functions without one
.macro lucet_private_by_handle_enter name, vectors, bits
	.if \vectors
	.irp number, 0,1,2,3,4,5,6,7
	pxor xmm\number, xmm\number
	.endr
	.endif
	xor r9d, r9d
	call lucet_private_typed_\name
	# rdx is the control block if it has returned.
	test rdx, rdx
	jz lucet_private_by_handle_left
	mov r9, [rdx + {VALUES}]
	.if \bits
	# 32 bits are an i32.
	.if \bits == 32
	mov qword ptr [r9], {I32}
	.else
	mov rsi, [rsp + 8]
	mov ecx, [rsi + {BY_HANDLE_RESULT}]
	mov [r9], rcx
	.endif
	movq xmm0, r8
	movups [r9 + {VALUE_CONTENT}], xmm0
	mov rcx, [rdx + {ENTRIES}]
	lea rcx, [rcx * {VALUE_COUNT_SCALE} + 1]
	mov [rdx + {VALUES_AT}], rcx
	.endif
	mov r8, [rsp + 24]
	test r8, r8
	jz 2f
	mov eax, {OUTCOME_RETURNED}
	movq xmm1, rax
	pxor xmm0, xmm0
	movups [r8 + {OUTCOME_KIND}], xmm1
	movq xmm2, r9
	.if \bits
	mov ecx, 1
	movq xmm3, rcx
	punpcklqdq xmm2, xmm3
	.endif
	movups [r8 + {OUTCOME_VALUES}], xmm2
	movups [r8 + {OUTCOME_REST}], xmm0
	movups [r8 + {OUTCOME_REST} + 16], xmm0
2:
	xor eax, eax
	add rsp, 40
	.cfi_adjust_cfa_offset -40
	ret
	.cfi_adjust_cfa_offset 40
.endm

# What the typed entry wants to know of what is called, which `from` points to.
.macro lucet_private_callee from
	mov rax, [\from + {BY_HANDLE_CALLEE} + {CALLEE_CODE}]
	mov r11, [\from + {BY_HANDLE_CALLEE} + {CALLEE_READY}]
	mov r10d, [\from + {BY_HANDLE_CALLEE} + {CALLEE_EXPORT}]
.endm

# Any of these functions.
.macro lucet_private_by_handle_any name, vectors, bits
	.p2align 6
	.type lucet_private_by_handle_any_\name, @function
lucet_private_by_handle_any_\name:
	.cfi_startproc
	cmp rcx, [rsi + {BY_HANDLE_COUNT}]
	jne lucet_private_by_handle_unfit
	lucet_private_keep_call
	mov r9, rdx
	mov r10, rsi
	mov r11d, ecx
	xor esi, esi
	xor edx, edx
	xor ecx, ecx
	xor r8d, r8d
	test r11d, r11d
	jz 1f
	test r9, r9
	jz lucet_private_by_handle_not
	lucet_private_argument \name, 0, rsi, esi
	cmp r11d, 1
	je 1f
	lucet_private_argument \name, 1, rdx, edx
	cmp r11d, 2
	je 1f
	lucet_private_argument \name, 2, rcx, ecx
1:
	lucet_private_callee r10
	lucet_private_by_handle_enter \name, \vectors, \bits
	lucet_private_wide_argument \name, 0, rsi
	lucet_private_wide_argument \name, 1, rdx
	lucet_private_wide_argument \name, 2, rcx
	.cfi_endproc
	.size lucet_private_by_handle_any_\name, . - lucet_private_by_handle_any_\name
.endm

# Those of `count` parameters that are all i32: most of what the above looks at is known.
.macro lucet_private_by_handle_words name, vectors, bits, count
	.p2align 6
	.type lucet_private_by_handle_\count\()_\name, @function
lucet_private_by_handle_\count\()_\name:
	.cfi_startproc
	cmp rcx, \count
	jne lucet_private_by_handle_unfit
	.if \count
	test rdx, rdx
	jz lucet_private_by_handle_unfit
	.endif
	.irp index, 0,1,2
	.if \index < \count
	cmp dword ptr [rdx + {VALUE_BYTES} * \index], {I32}
	jne lucet_private_by_handle_unfit
	.endif
	.endr
	lucet_private_keep_call
	lucet_private_callee rsi
	xor r8d, r8d
	.if \count > 0
	mov esi, [rdx + {VALUE_CONTENT}]
	.else
	xor esi, esi
	.endif
	.if \count > 2
	mov ecx, [rdx + {VALUE_BYTES} * 2 + {VALUE_CONTENT}]
	.else
	xor ecx, ecx
	.endif
	.if \count > 1
	mov edx, [rdx + {VALUE_BYTES} + {VALUE_CONTENT}]
	.else
	xor edx, edx
	.endif
	lucet_private_by_handle_enter \name, \vectors, \bits
	.cfi_endproc
	.size lucet_private_by_handle_\count\()_\name, . - lucet_private_by_handle_\count\()_\name
.endm

# The six kinds, and of each those of so many parameters, and any.
.macro lucet_private_by_handle name, vectors, bits
	lucet_private_by_handle_words \name, \vectors, \bits, 0
	lucet_private_by_handle_words \name, \vectors, \bits, 1
	lucet_private_by_handle_words \name, \vectors, \bits, 2
	lucet_private_by_handle_words \name, \vectors, \bits, 3
	lucet_private_by_handle_any \name, \vectors, \bits
	.pushsection .data.rel.ro.lucet_by_handle, "aw", @progbits
	.quad lucet_private_by_handle_0_\name
	.quad lucet_private_by_handle_1_\name
	.quad lucet_private_by_handle_2_\name
	.quad lucet_private_by_handle_3_\name
	.quad lucet_private_by_handle_any_\name
	.popsection
.endm

	.pushsection .data.rel.ro.lucet_by_handle, "aw", @progbits
	.p2align 3
	.globl lucet_private_by_handle_ways
	.hidden lucet_private_by_handle_ways
	.type lucet_private_by_handle_ways, @object
lucet_private_by_handle_ways:
	.popsection
	lucet_private_by_handle nothing, 1, 0
	lucet_private_by_handle word32, 1, 32
	lucet_private_by_handle word64, 1, 64
	lucet_private_by_handle nothing_bare, 0, 0
	lucet_private_by_handle word32_bare, 0, 32
	lucet_private_by_handle word64_bare, 0, 64
	.pushsection .data.rel.ro.lucet_by_handle, "aw", @progbits
	.size lucet_private_by_handle_ways, . - lucet_private_by_handle_ways
	.popsection

# Something is out of the ordinary, or the guest has not returned: eax is the kind of the outcome.
	.type lucet_private_by_handle_left, @function
lucet_private_by_handle_not:
	.cfi_startproc
	.cfi_def_cfa_offset 48
	mov eax, {OUTCOME_NOT_RUN}
lucet_private_by_handle_left:
	.irp register, rdi,rsi,rdx,r8
	pop \register
	.cfi_adjust_cfa_offset -8
	.endr
	mov rcx, [rsi + {BY_HANDLE_COUNT}]
	mov r9d, eax
	pop rax
	.cfi_adjust_cfa_offset -8
	jmp rax
	.globl lucet_private_by_handle_unfit
	.hidden lucet_private_by_handle_unfit
lucet_private_by_handle_unfit:
	mov rax, r9
	mov r9d, {OUTCOME_NOT_RUN}
	jmp rax
	.cfi_endproc
	.size lucet_private_by_handle_left, . - lucet_private_by_handle_left
