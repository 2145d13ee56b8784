/* The ROM of an emulated machine that does one thing: run one static x86-64 Linux program, in 64-bit mode. */
        .section .text.start, "ax"
        .code32
protected:
        mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        /* Bochs takes host memory in blocks of 128 KiB as they are touched, and wrote the program over block after
         * block: touch these in order. */
        mov     $0x400000, %esi
1:      mov     (%esi), %al
        add     $0x20000, %esi
        cmp     $0x10000000, %esi
        jb      1b
        mov     $0x1000, %edi                   /* memory is not zero at first */
        mov     $0x80000, %ecx
        xor     %eax, %eax
        rep stosl
        /* page tables from 0x8000 on: the first four GiB as they are, in pages of 2 MiB */
        movl    $0x9003, 0x8000
        movl    $0xa003, 0x9000
        movl    $0xb003, 0x9008
        movl    $0xc003, 0x9010
        movl    $0xd003, 0x9018
        mov     $0xa000, %edi
        mov     $0x83, %eax
1:      mov     %eax, (%edi)
        add     $8, %edi
        add     $0x200000, %eax
        jnc     1b
        mov     $0x8000, %eax
        mov     %eax, %cr3
        mov     $0x40620, %eax                  /* PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
        mov     %eax, %cr4
        mov     $0xc0000080, %ecx               /* EFER: LME, SCE */
        mov     $0x101, %eax
        xor     %edx, %edx
        wrmsr
        mov     $0x80010033, %eax               /* PG, WP, NE, ET, MP, PE */
        mov     %eax, %cr0
        ljmp    $24, $(0xffff0000 + long_mode)

        .code64
long_mode:
        xor     %ecx, %ecx
        mov     $0xe7, %eax                     /* XCR0: x87, SSE, AVX, AVX-512 */
        xor     %edx, %edx
        xsetbv
        fninit
        mov     $0xc0000081, %ecx               /* STAR: the selectors of a system call */
        xor     %eax, %eax
        mov     $24, %edx
        wrmsr
        inc     %ecx                            /* LSTAR: where it goes */
        lea     system_call(%rip), %rax
        mov     %rax, %rdx
        shr     $32, %rdx
        wrmsr
        mov     $0x00200000, %esp
        call    stack_of_program
        mov     %rax, %rsp
        mov     0x400018, %rax                  /* e_entry */
        xor     %edx, %edx
        jmp     *%rax

system_call:                                    /* the same ring: %rcx is where to go on */
        mov     %rsp, 0x3000
        mov     $0x00200000, %esp
        push    %rcx
        push    %rdi
        push    %rsi
        push    %rdx
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        mov     %r10, %rcx
        push    %rax
        push    %rax
        mov     %rax, %r9
        call    serve
        pop     %rcx
        pop     %rcx
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdx
        pop     %rsi
        pop     %rdi
        pop     %rcx
        mov     0x3000, %rsp
        jmp     *%rcx

        .balign 8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   0xffff0000 + gdt

        .section .reset, "ax"
        .code16
real:
        lgdtl   %cs:gdt_pointer
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $8, $(0xffff0000 + protected)
        .org    0x70
        jmp     real
        .org    0x80
