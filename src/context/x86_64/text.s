# The helper `is_text`, as far as text is ASCII, which is all that most text is.
#
# rdi is vmctx, rsi the text's address in memory 0 and rdx its bytes, which lie there; r10d is the helper's number. Nothing of the stack
# is touched and nothing called: a guest can be stopped here as in its own code. Whatever may not be text is the helper's to judge. So is
# a memory of another instance. Vector registers stay what they are, because a guest without any is preempted without them.

	.p2align 4
	.globl lucet_private_is_text
	.hidden lucet_private_is_text
	.type lucet_private_is_text, @function
lucet_private_is_text:
	.cfi_startproc
	mov rax, [rdi - {CONTROL_BLOCK}]
	cmp byte ptr [rax + {IMPORTS_MEMORY}], 0
	jne lucet_private_helper_call
	lea r11, [rdi + rsi]
	cmp rdx, 8
	jb 3f
	# The last eight bytes, and all before, of which they may be some; never one that is not in the text.
	lea r8, [r11 + rdx - 8]
	mov rax, [r8]
	mov r9, 0x8080808080808080
1:
	test rax, r9
	jnz lucet_private_helper_call
	cmp r11, r8
	jae 2f
	mov rax, [r11]
	add r11, 8
	jmp 1b
2:
	mov eax, 1
	ret
3:
	cmp edx, 4
	jb 4f
	mov eax, [r11]
	or eax, [r11 + rdx - 4]
	test eax, 0x80808080
	jnz lucet_private_helper_call
	mov eax, 1
	ret
4:
	test edx, edx
	jz 5f
	mov r8d, edx
	shr r8d, 1
	movzx eax, byte ptr [r11 + r8]
	or al, [r11]
	or al, [r11 + rdx - 1]
	js lucet_private_helper_call
5:
	mov eax, 1
	ret
	.cfi_endproc
	.size lucet_private_is_text, . - lucet_private_is_text
