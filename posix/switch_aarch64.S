/* SPDX-License-Identifier: MIT */
/* Switching stacks on AArch64, AAPCS64. A stack that does not run has, from its
 * sp upwards:
 *
 *     0  x19 x20    16  x21 x22    32  x23 x24    48  x25 x26
 *    64  x27 x28    80  x29 x30 (where to go on)
 *    96  d8 d9     112  d10 d11   128  d12 d13   144  d14 d15
 *   160  fpcr
 *
 * These are what a call preserves; the compiler takes care of all others. x18
 * belongs to the platform and is left alone. */

#if defined(__APPLE__)
#define NAME(name) _##name
#define HIDE(name) .private_extern NAME(name)
#define TYPE(name)
#define SIZE(name)
#else
#define NAME(name) name
#define HIDE(name) .hidden name
#define TYPE(name) .type name, %function
#define SIZE(name) .size name, . - name
#endif

/* Branch target identification: bti c, by a number that every assembler and
 * processor takes. */
#if defined(__ARM_FEATURE_BTI_DEFAULT)
#define ENTRY hint #34
#else
#define ENTRY
#endif

#define FRAME 176

        .text

/* void native_switch(void **from, void *to) */
        .globl  NAME(native_switch)
        HIDE(native_switch)
        TYPE(native_switch)
        .p2align 4
NAME(native_switch):
        .cfi_startproc
        ENTRY
        sub     sp, sp, #FRAME
        .cfi_adjust_cfa_offset FRAME
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mrs     x9, fpcr
        str     x9, [sp, #160]

        mov     x10, sp
        str     x10, [x0]
        mov     sp, x1

        /* Setting fpcr is slow, and hardly ever needed. */
        ldr     x10, [sp, #160]
        cmp     x10, x9
        b.eq    1f
        msr     fpcr, x10
1:      ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        add     sp, sp, #FRAME
        .cfi_adjust_cfa_offset -FRAME
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        /* All stacks have stopped in the same call of the same function, so the
         * processor's guess at where a ret leads is right. */
        ret
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
        sub     x0, x0, #FRAME
        stp     x2, x1, [x0, #0]
        stp     xzr, xzr, [x0, #16]
        stp     xzr, xzr, [x0, #32]
        stp     xzr, xzr, [x0, #48]
        stp     xzr, xzr, [x0, #64]
        adr     x9, native_switch_start
        stp     xzr, x9, [x0, #80]
        stp     xzr, xzr, [x0, #96]
        stp     xzr, xzr, [x0, #112]
        stp     xzr, xzr, [x0, #128]
        stp     xzr, xzr, [x0, #144]
        mrs     x9, fpcr
        str     x9, [x0, #160]
        ret
        .cfi_endproc
        SIZE(native_switch_prepare)

/* The outermost frame of a new stack: debuggers stop here. */
        TYPE(native_switch_start)
        .p2align 4
native_switch_start:
        .cfi_startproc
        .cfi_undefined x30
        mov     x0, x19
        blr     x20
        brk     #1
        .cfi_endproc
        SIZE(native_switch_start)

#if defined(__ELF__)
#if defined(__ARM_FEATURE_BTI_DEFAULT)
        .section .note.gnu.property, "a"
        .p2align 3
        .word   4
        .word   16
        .word   5
        .asciz  "GNU"
        .word   0xc0000000
        .word   4
        .word   1
        .word   0
#endif
        .section .note.GNU-stack, "", %progbits
#endif
