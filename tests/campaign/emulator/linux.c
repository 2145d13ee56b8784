/* What a static program asks of Linux before main and in it: the few system calls that a C library makes by itself.
 * Memory: 0x0 tables and the ROM's stack, 0x200000 the program's stack, 0x400000 the program, from BREAK on what brk
 * gives, from MAPPED on what mmap gives, up to a GiB. */
#include <stddef.h>
#include <stdint.h>

enum { STACK = 0x300000, PROGRAM = 0x400000, BREAK = 0x20000000, MAPPED = 0x30000000 };
enum { CHARACTER_DEVICE = 0020000, PAGE = 4096 };
enum { WRITE = 1, FSTAT = 5, MMAP = 9, MPROTECT = 10, MUNMAP = 11, BRK = 12, SIGACTION = 13, SIGPROCMASK = 14, IOCTL = 16,
       WRITEV = 20, EXIT = 60, ARCH_PRCTL = 158, SET_TID_ADDRESS = 218, EXIT_GROUP = 231, NEWFSTATAT = 262,
       SET_ROBUST_LIST = 273 };
enum { AT_PHDR = 3, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_RANDOM = 25 };

static uint64_t *const ends = (uint64_t *)0x4000;       /* of what brk and mmap gave */

static void out(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static void zero(uint64_t at, uint64_t n) { __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(0) : "memory"); }

static int64_t say(const char *text, uint64_t n)
{
    for (uint64_t k = 0; k < n; ++k)
        out(0xe9, (uint8_t)text[k]);                    /* Bochs prints what this port gets */
    return (int64_t)n;
}

static void end(int status)
{
    const char digit = (char)('0' + (status & 7));
    say("\nexit status ", 13);
    say(&digit, 1);
    say("\n", 1);
    for (const char *word = "Shutdown"; *word; ++word)
        out(0x8900, (uint8_t)*word);
    for (;;)
        __asm__ volatile("hlt");
}

/* What is not in the file of the program is zero; its stack has one argument, its name. */
uint64_t *stack_of_program(void)
{
    const uint64_t headers = PROGRAM + *(uint64_t *)(PROGRAM + 32);
    const uint64_t count = *(uint16_t *)(PROGRAM + 56);
    for (uint64_t k = 0; k < count; ++k) {
        const uint64_t *header = (uint64_t *)(headers + 56 * k);
        if ((uint32_t)header[0] == 1)                   /* PT_LOAD */
            zero(header[2] + header[4], header[5] - header[4]);
    }
    ends[0] = BREAK;
    ends[1] = MAPPED;
    static const char name[] = "program";
    uint64_t *s = (uint64_t *)STACK;
    zero(STACK, PAGE);
    *s++ = 1;
    *s++ = (uint64_t)name;
    s += 2;                                             /* no more arguments, no environment */
    const uint64_t facts[] = {AT_PHDR, headers, AT_PHENT, 56, AT_PHNUM, count, AT_PAGESZ, PAGE, AT_RANDOM, (uint64_t)name};
    for (size_t k = 0; k < sizeof facts / sizeof *facts; ++k)
        *s++ = facts[k];
    return (uint64_t *)STACK;
}

int64_t serve(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t number)
{
    (void)d;
    (void)e;
    int64_t total = 0;
    uint64_t *stat = (uint64_t *)(number == FSTAT ? b : c), got;
    switch (number) {
    case WRITE:
        return say((const char *)b, c);
    case WRITEV:
        for (const uint64_t *part = (uint64_t *)b; part < (uint64_t *)b + 2 * c; part += 2)
            total += say((const char *)part[0], part[1]);
        return total;
    case FSTAT:
    case NEWFSTATAT:
        zero((uint64_t)stat, 144);
        ((uint32_t *)stat)[6] = CHARACTER_DEVICE;
        return 0;
    case MMAP:
        got = ends[1];
        ends[1] += (b + PAGE - 1) / PAGE * PAGE;
        zero(got, b);
        return (int64_t)got;
    case BRK:
        if (a >= ends[0] && a < MAPPED) {
            zero(ends[0], a - ends[0]);
            ends[0] = a;
        }
        return (int64_t)ends[0];
    case ARCH_PRCTL:
        if (a != 0x1002)                                /* ARCH_SET_FS */
            return -22;
        __asm__ volatile("wrmsr" : : "c"(0xc0000100), "a"((uint32_t)b), "d"((uint32_t)(b >> 32)));
        return 0;
    case SET_TID_ADDRESS:
        return 1;
    case MPROTECT: case MUNMAP: case SIGACTION: case SIGPROCMASK: case IOCTL: case SET_ROBUST_LIST:
        return 0;
    case EXIT: case EXIT_GROUP:
        end((int)a);
    }
    return -38;                                         /* ENOSYS */
}
