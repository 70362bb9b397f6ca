/* SPDX-License-Identifier: MIT */
/* Switching stacks on x86-64, System V ABI. A stack that does not run has, from
 * its sp upwards:
 *
 *    0  mxcsr      4  x87 control word
 *    8  r15       16  r14       24  r13       32  r12
 *   40  rbx       48  rbp       56  where to go on
 *
 * These are what a call preserves; the compiler takes care of all others. */

#if defined(__APPLE__)
#define NAME(name) _##name
#define HIDE(name) .private_extern NAME(name)
#define TYPE(name)
#define SIZE(name)
#else
#define NAME(name) name
#define HIDE(name) .hidden name
#define TYPE(name) .type name, @function
#define SIZE(name) .size name, . - name
#endif

/* Indirect-branch tracking: where a pointer may lead to. This file does not
 * claim to support shadow stacks, so the linker turns them off. */
#if defined(__CET__)
#define ENTRY endbr64
#else
#define ENTRY
#endif

        .text

/* void native_switch(void **from, void *to) */
        .globl  NAME(native_switch)
        HIDE(native_switch)
        TYPE(native_switch)
        .p2align 4
NAME(native_switch):
        .cfi_startproc
        ENTRY
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)

        movq    %rsp, (%rdi)

        /* Loading modes is dear, and mostly they are the same. The flags of
         * what has happened (mxcsr's lowest six bits) no call preserves. */
        movl    (%rsi), %eax
        movzwl  4(%rsi), %ecx
        xorl    (%rsp), %eax
        xorw    4(%rsp), %cx
        andl    $0xffc0, %eax
        movq    %rsi, %rsp
        orl     %eax, %ecx
        .cfi_remember_state
        jne     2f
1:      addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        /* A ret would be guessed to lead back to where this was called, on the
         * other stack; a jump is guessed by the ways that led here. */
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        notrack jmp     *%rcx

2:      .cfi_restore_state
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        jmp     1b
        .cfi_endproc
        SIZE(native_switch)

/* void *native_switch_prepare(void *top, void (*main)(void *), void *argument)
 * The floating-point modes are those of the caller. */
        .globl  NAME(native_switch_prepare)
        HIDE(native_switch_prepare)
        TYPE(native_switch_prepare)
        .p2align 4
NAME(native_switch_prepare):
        .cfi_startproc
        ENTRY
        leaq    -80(%rdi), %rax
        movq    $0, (%rax)
        stmxcsr (%rax)
        fnstcw  4(%rax)
        movq    $0, 8(%rax)
        movq    $0, 16(%rax)
        movq    %rsi, 24(%rax)
        movq    %rdx, 32(%rax)
        movq    $0, 40(%rax)
        movq    $0, 48(%rax)
        leaq    native_switch_start(%rip), %rcx
        movq    %rcx, 56(%rax)
        movq    $0, 64(%rax)
        movq    $0, 72(%rax)
        ret
        .cfi_endproc
        SIZE(native_switch_prepare)

/* The outermost frame of a new stack: debuggers stop here. */
        TYPE(native_switch_start)
        .p2align 4
native_switch_start:
        .cfi_startproc
        .cfi_undefined %rip
        movq    %r12, %rdi
        callq   *%r13
        ud2
        .cfi_endproc
        SIZE(native_switch_start)

#if defined(__ELF__)
        .section .note.GNU-stack, "", @progbits
#endif
