# Calls out: of host functions, which the import stubs of modules jump to, and of helpers.
#
# rdi is vmctx, the guest's other arguments are where System V wants the C function's. r10d says what is called, r11d how many
# bytes of arguments lie on the stack. Guest code that needs no stub (lucet_format::call_out) has the control block in rdi and has
# written down in it what it calls.

# The start of a call's frame: whatever stack it goes on with, C functions keep rbp.
.macro lucet_private_cfi_push
	push rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	mov rbp, rsp
	.cfi_def_cfa_register rbp
	push rbx
	.cfi_offset rbx, -24
.endm

# ---- host_call_short: r10d the import's place in the import table; no stack arguments, at most one result ----
	.p2align 6
	.globl lucet_private_host_call_short
	.hidden lucet_private_host_call_short
	.type lucet_private_host_call_short, @function
lucet_private_host_call_short:
	.cfi_startproc
	.cfi_signal_frame
	mov rax, [rdi - {CONTROL_BLOCK}]
	mov [rax + {CALL_ROW}], r10d
	add r10, [rax + {IMPORTS}]
	test byte ptr [r10 + {FLAGS}], {LEAF_FLAG}
	jz 1f
	# A leaf stays on the guest's stack, if enough is left of it. With all of this in one line of the cache.
	cmp rsp, [rdi - {LEAF_STACK_LIMIT}]
	jb 3f
	push rax
	.cfi_def_cfa_offset 16
	mov byte ptr [rax + {STATE}], {LEAF}
	inc qword ptr [rax + {HOST_CALLS}]
	mov rdi, rax
	call [r10]
	pop rcx
	.cfi_def_cfa_offset 8
	mov byte ptr [rcx + {STATE}], {GUEST}
	cmp byte ptr [rcx + {STOP}], 0
	jne 2f
	ret

1:
	inc qword ptr [rax + {HOST_CALLS}]
	mov rdi, rax

# ---- host_call_placed: rdi the control block, which has been told the import and the call; no stack arguments, at most one result ----
	.p2align 6
	.globl lucet_private_host_call_placed
	.hidden lucet_private_host_call_placed
lucet_private_host_call_placed:
	lucet_private_cfi_push
	mov rbx, rdi
	mov r10d, [rdi + {CALL_ROW}]
	add r10, [rdi + {IMPORTS}]
	mov [rdi + {GUEST_SP}], rsp
	mov rsp, [rdi + {HOST_SP}]
	mov byte ptr [rdi + {STATE}], {HOST}
	cmp byte ptr [rdi + {ODD_MODES}], 0
	jne 4f
	call [r10] # with the lucet_call

# Every call out ends here, and guests that were suspended in one go on here.
	# The stack before the state: in state GUEST the guest can be interrupted here as in its own code.
lucet_private_called:
	cmp byte ptr [rbx + {ODD_MODES}], 0
	jne 6f
5:
	mov rsp, [rbx + {GUEST_SP}]
	.cfi_remember_state
	.cfi_def_cfa rsp, 24
	mov byte ptr [rbx + {STATE}], {GUEST}
	cmp byte ptr [rbx + {STOP}], 0
	jne lucet_private_stopped
	pop rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	pop rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_restore_state

	# The host computes in another mode than guests do. In state GUEST it is always the guest's.
4:
	ldmxcsr [rsp]
	call [r10]
	jmp lucet_private_called
6:
	ldmxcsr [rip + lucet_private_default_mxcsr]
	jmp 5b

	# A leaf's guest is to be stopped: as if it had called another host function.
2:
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	.cfi_restore rbx
	.cfi_remember_state
	push rbp
	.cfi_adjust_cfa_offset 8
	.cfi_offset rbp, -16
	push rbx
	.cfi_adjust_cfa_offset 8
	.cfi_offset rbx, -24
	mov rbx, rcx
	mov [rbx + {GUEST_SP}], rsp
	jmp lucet_private_stopped
	.cfi_restore_state
	# Too little stack for a leaf: a stack overflow, seen early.
3:
	push rbp
	.cfi_adjust_cfa_offset 8
	.cfi_offset rbp, -16
	mov rbp, rsp
	mov rbx, rax
	jmp lucet_private_leaf_overflow
	.cfi_endproc
	.size lucet_private_host_call_short, . - lucet_private_host_call_short

# ---- leaf_placed: as host_call_placed, for leaves that are called through a thunk, which is to find its row in r10 ----
	.p2align 4
	.globl lucet_private_leaf_placed
	.hidden lucet_private_leaf_placed
	.type lucet_private_leaf_placed, @function
lucet_private_leaf_placed:
	.cfi_startproc
	.cfi_signal_frame
	mov r10d, [rdi + {CALL_ROW}]
	add r10, [rdi + {IMPORTS}]
	jmp [r10]
	.cfi_endproc
	.size lucet_private_leaf_placed, . - lucet_private_leaf_placed

# ---- host_call: r10d the import's place in the import table, r11d bytes of stack arguments ----
#   guest's stack, growing down:  stack arguments | return address | rbp | rbx
	.p2align 4
	.globl lucet_private_host_call
	.hidden lucet_private_host_call
	.type lucet_private_host_call, @function
lucet_private_host_call:
	.cfi_startproc
	.cfi_signal_frame
	lucet_private_cfi_push
	mov rbx, [rdi - {CONTROL_BLOCK}]
	mov [rbx + {CALL_ROW}], r10d
	mov [rbx + {CALL_RESULTS}], rsi
	add r10, [rbx + {IMPORTS}]
	mov [rbx + {GUEST_SP}], rsp
	inc qword ptr [rbx + {HOST_CALLS}]
	test byte ptr [r10 + {FLAGS}], {LEAF_FLAG}
	jnz 1f
	mov rsp, [rbx + {HOST_SP}]
	mov byte ptr [rbx + {STATE}], {HOST}
	cmp byte ptr [rbx + {ODD_MODES}], 0
	je 2f
	ldmxcsr [rsp]
	jmp 2f
1:
	cmp rsp, [rdi - {LEAF_STACK_LIMIT}]
	jb lucet_private_leaf_overflow
	mov byte ptr [rbx + {STATE}], {LEAF}
	sub rsp, 8
2:
	test r11d, r11d
	jz 4f
	mov edi, r11d
	add rdi, 15
	and rdi, -16
	sub rsp, rdi
3:
	sub r11d, 8
	mov rdi, [rbp + r11 + 16]
	mov [rsp + r11], rdi
	jnz 3b # the moves keep the flags of `sub`
4:
	mov rdi, rbx
	call [r10]
	jmp lucet_private_called

# Jumped to with rbx = block and the guest's rbp and return address at rbp. The guest is being left: a stop between these would be another
# trap than the one that is written down.
lucet_private_leaf_overflow:
	mov byte ptr [rbx + {STATE}], {ENTERING}
	mov dword ptr [rbx + {TRAP_CODE}], {STACK_TRAP}
	mov dword ptr [rbx + {TRAP_SIGNAL}], 0
	mov rax, [rbp + 8]
	mov [rbx + {TRAP_PC}], rax
	mov rax, [rbp]
	mov [rbx + {TRAP_FRAME}], rax
	mov [rbx + {TRAP_STACK}], rsp
	mov [rbx + {TRAP_ADDRESS}], rsp
	mov eax, {TRAPPED}
	jmp lucet_private_leave
	.cfi_endproc
	.size lucet_private_host_call, . - lucet_private_host_call

# ---- helper_call: r10d helper; all arguments in registers ----
	.p2align 4
	.globl lucet_private_helper_call
	.hidden lucet_private_helper_call
	.type lucet_private_helper_call, @function
lucet_private_helper_call:
	.cfi_startproc
	.cfi_signal_frame
	lucet_private_cfi_push
	mov rbx, [rdi - {CONTROL_BLOCK}]
	mov dword ptr [rbx + {CALL_ROW}], -1
	lea rax, [rip + {HELPERS}]
	lea r10, [rax + r10 * 8]
	mov [rbx + {GUEST_SP}], rsp
	mov rsp, [rbx + {HOST_SP}]
	mov byte ptr [rbx + {STATE}], {HOST}
	mov rdi, rbx
	call [r10]
	jmp lucet_private_called
	.cfi_endproc
	.size lucet_private_helper_call, . - lucet_private_helper_call
