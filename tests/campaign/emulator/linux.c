/* What a static program asks of Linux before and in main, by the few calls that it makes. */
#include <stdint.h>
#include <stddef.h>
static inline void outb(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static void say(const char *text, size_t n) { for (size_t k = 0; k < n; ++k) outb(0xe9, (uint8_t)text[k]); }
static void end(int status) {
    char c = (char)('0' + (status & 7));
    say("\nexit status ", 13); say(&c, 1); say("\n", 1);
    const char *word = "Shutdown";
    for (int k = 0; k < 8; ++k) outb(0x8900, (uint8_t)word[k]);
    for (;;) __asm__ volatile("hlt");
}
static void zero(void *at, uint64_t n) { __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(0) : "memory"); }
static uint64_t *const heap = (uint64_t *)0x4000;      /* [0]: end of brk, [1]: end of mmap */
uint64_t *stack_of_program(void)
{
    heap[0] = 0x20000000; heap[1] = 0x30000000;
    uint64_t *at = (uint64_t *)0x00300000;            /* the program's stack ends a bit above */
    uint64_t *s = at;
    zero(at, 4096);
    for (unsigned k = 0; k < *(uint16_t *)(0x400000 + 56); ++k) {
        const uint64_t *p = (uint64_t *)(0x400000 + *(uint64_t *)(0x400000 + 32) + 56 * k);
        if ((uint32_t)p[0] == 1) zero((char *)p[2] + p[4], p[5] - p[4]);
    }
    static const char name[] = "program";
    uint64_t *random = at + 128; random[0] = 0x123456789abcdef0; random[1] = 0x0fedcba987654321;
    const uint64_t phoff = *(uint64_t *)(0x400000 + 32); const uint16_t phnum = *(uint16_t *)(0x400000 + 56);
    *s++ = 1; *s++ = (uint64_t)name; *s++ = 0; *s++ = 0;
    *s++ = 3; *s++ = 0x400000 + phoff; *s++ = 4; *s++ = 56; *s++ = 5; *s++ = phnum; *s++ = 6; *s++ = 4096;
    *s++ = 23; *s++ = 0; *s++ = 25; *s++ = (uint64_t)random; *s++ = 16; *s++ = 0; *s++ = 0; *s++ = 0;
    return at;
}
int64_t serve(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t number)
{
    (void)d; (void)e;
    switch (number) {
    case 1: say((const char *)b, c); return (int64_t)c;
    case 20: { int64_t n = 0; for (uint64_t k = 0; k < c; ++k) { const uint64_t *v = (uint64_t *)b + 2 * k; say((const char *)v[0], v[1]); n += (int64_t)v[1]; } return n; }
    case 5: case 262: {  uint64_t *st = (uint64_t *)(number == 5 ? b : c); for (int k = 0; k < 18; ++k) st[k] = 0; ((uint32_t *)st)[6] = 0020000; st[7] = 4096; return 0; }
    case 9: { uint64_t got = heap[1]; heap[1] += (b + 4095) & ~4095ull; zero((void *)got, b); return (int64_t)got; }
    case 12: if (a >= heap[0]) { zero((void *)heap[0], a - heap[0]); heap[0] = a; } return (int64_t)heap[0];
    case 158: if (a == 0x1002) { __asm__ volatile("wrmsr" : : "c"(0xc0000100), "a"((uint32_t)b), "d"((uint32_t)(b >> 32))); return 0; } return -22;
    case 218: return 1;
    case 10: case 11: case 13: case 14: case 273: case 16: return 0;
    case 231: case 60: end((int)a);
    default: return -38;
    }
}
