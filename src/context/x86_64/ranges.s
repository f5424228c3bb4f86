# Calls of host functions whose checks are all of ranges that stay in their registers: `Plan::in_place`.
#
# Reached as a C function is, from `host_call` and `host_call_short`, with r10 at the row of the import table. Addresses become
# pointers where they are, nothing is saved and nothing is called, so the host's function finds the frame of the guest's call, stack
# arguments included, and returns by itself. Whatever is out of the ordinary goes to `checked_thunk`, with all registers as they came:
# ranges that are not good, text that is not ASCII, long text, ranges that overlap, pages that are sealed, memories of other instances.
#
# rdi is the control block. Free are rax, r10, r11 and xmm8 to xmm15, in which no arguments lie. In rax is the plan, in r10 the base
# of the memory.

# A range whose address is in the integer register `place` and whose count is in the next one.
.macro lucet_private_range place, address, address32, count, count32
	test byte ptr [rax + {RANGE} + {RANGE_BYTES} * \place + {RANGE_IS}], {IS_RANGE}
	jz .Llucet_range_done_\place
	mov \address32, \address32
	mov \count32, \count32
	cmp \count32, [rax + {RANGE} + {RANGE_BYTES} * \place + {RANGE_LIMIT}]
	ja .Llucet_range_failed_\place
	test \address32, [rax + {RANGE} + {RANGE_BYTES} * \place + {RANGE_MISALIGNMENT}]
	jnz .Llucet_range_failed_\place
	mov r11d, [rax + {RANGE} + {RANGE_BYTES} * \place + {RANGE_ELEMENT}]
	imul r11, \count
	add r11, \address
	cmp r11, [r10 - {MEMORY_BYTES}]
	ja .Llucet_range_failed_\place
	# What is written to lies in what is known to be open: the thunk has more opened, and then it is known.
	test byte ptr [rax + {RANGE} + {RANGE_BYTES} * \place + {RANGE_IS}], {IS_WRITTEN}
	jz 1f
	cmp \address, [r10 - {WRITABLE_FIRST}]
	jb .Llucet_range_failed_\place
	cmp r11, [r10 - {WRITABLE_END}]
	ja .Llucet_range_failed_\place
1:
	add \address, r10
	test byte ptr [rax + {RANGE} + {RANGE_BYTES} * \place + {RANGE_IS}], {IS_TEXT}
	jz .Llucet_range_done_\place
	# Text: all of its bytes or-ed together, the last ones perhaps twice, never one that is not in the range. Long text takes time, and
	# here nothing stops the guest.
	cmp \count, {SHORT_TEXT}
	ja .Llucet_text_failed_\place
	cmp \count, 16
	jb 3f
	movdqu xmm8, [\address + \count - 16]
	mov r11d, 16
2:
	cmp r11, \count
	jae 5f
	movdqu xmm9, [\address + r11 - 16]
	por xmm8, xmm9
	add r11, 16
	jmp 2b
3:
	cmp \count32, 8
	jb 4f
	movq xmm8, qword ptr [\address]
	movq xmm9, qword ptr [\address + \count - 8]
	por xmm8, xmm9
5:
	pmovmskb r11d, xmm8
	test r11d, r11d
	jz .Llucet_range_done_\place
	jmp .Llucet_text_failed_\place
4:
	cmp \count32, 4
	jb 6f
	mov r11d, [\address]
	or r11d, [\address + \count - 4]
	test r11d, 0x80808080
	jz .Llucet_range_done_\place
	jmp .Llucet_text_failed_\place
6:
	test \count32, \count32
	jz .Llucet_range_done_\place
	mov r11d, \count32
	shr r11d, 1
	movzx r11d, byte ptr [\address + r11]
	or r11b, [\address]
	or r11b, [\address + \count - 1]
	js .Llucet_text_failed_\place
.Llucet_range_done_\place:
.endm

# What a check of the next place has found failing: the address of this one is the guest's again.
.macro lucet_private_range_undo place, address
	test byte ptr [rax + {RANGE} + {RANGE_BYTES} * \place + {RANGE_IS}], {IS_RANGE}
	jz .Llucet_range_failed_\place
.Llucet_text_failed_\place:
	sub \address, r10
.Llucet_range_failed_\place:
.endm

# Goes on with the call if two ranges have no byte in common. One that is empty and lies within the other is the thunk's to judge.
.macro lucet_private_apart one, pointer, count, other, other_pointer, other_count
	mov r11d, [rax + {RANGE} + {RANGE_BYTES} * \one + {RANGE_ELEMENT}]
	imul r11, \count
	add r11, \pointer
	cmp r11, \other_pointer
	jbe 6b
	mov r11d, [rax + {RANGE} + {RANGE_BYTES} * \other + {RANGE_ELEMENT}]
	imul r11, \other_count
	add r11, \other_pointer
	cmp r11, \pointer
	jbe 6b
	jmp .Llucet_ranges_touch
.endm

	.pushsection .text.lucet_checked_ranges,"ax",@progbits
	.p2align 6
	.globl lucet_private_checked_ranges
	.hidden lucet_private_checked_ranges
	.type lucet_private_checked_ranges, @function
lucet_private_checked_ranges:
	.cfi_startproc
	mov rax, [r10 + {PLAN}]
	cmp byte ptr [rdi + {IMPORTS_MEMORY}], 0
	jne {CHECKED}
	mov r10, [rdi + {VMCTX}]
	lucet_private_range 1, rsi, esi, rdx, edx
	lucet_private_range 2, rdx, edx, rcx, ecx
	lucet_private_range 3, rcx, ecx, r8, r8d
	lucet_private_range 4, r8, r8d, r9, r9d
	cmp byte ptr [rax + {PLAN_EXCLUSIVE}], 0
	jne 7f
6:
	jmp [rax + {PLAN_FUNCTION}]

	# There are two, and at least one is written to. No more have room.
7:
	test byte ptr [rax + {RANGE} + {RANGE_BYTES} * 1 + {RANGE_IS}], {IS_RANGE}
	jz 9f
	test byte ptr [rax + {RANGE} + {RANGE_BYTES} * 3 + {RANGE_IS}], {IS_RANGE}
	jz 8f
	lucet_private_apart 1, rsi, rdx, 3, rcx, r8
8:
	lucet_private_apart 1, rsi, rdx, 4, r8, r9
9:
	lucet_private_apart 2, rdx, rcx, 4, r8, r9

.Llucet_ranges_touch:
	lucet_private_range_undo 4, r8
	lucet_private_range_undo 3, rcx
	lucet_private_range_undo 2, rdx
	lucet_private_range_undo 1, rsi
	mov r10d, [rdi + {CALL_ROW}]
	add r10, [rdi + {IMPORTS}]
	jmp {CHECKED}
	.cfi_endproc
	.size lucet_private_checked_ranges, . - lucet_private_checked_ranges
	.popsection
