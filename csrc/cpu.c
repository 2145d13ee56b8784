/* cpu.c: which instruction sets may be used here, by gradc's own CPUID table.
 *
 * Names are those of gcc's and clang's -m flags.  A set counts only if the operating system saves its registers
 * (XGETBV).  Bits: Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E.
 */
#include "private.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum { EAX, EBX, ECX, EDX };
enum { XMM_YMM = 0x6, ZMM = 0xe6 };             /* bits of XCR0 that must be set */

static const struct {
    const char *name;
    uint32_t leaf, subleaf;
    int reg, bit;
    uint32_t xcr0;
} table[] = {
    {"sse3", 1, 0, ECX, 0, 0},
    {"ssse3", 1, 0, ECX, 9, 0},
    {"sse4.1", 1, 0, ECX, 19, 0},
    {"sse4.2", 1, 0, ECX, 20, 0},
    {"popcnt", 1, 0, ECX, 23, 0},
    {"cx16", 1, 0, ECX, 13, 0},
    {"sahf", 0x80000001, 0, ECX, 0, 0},
    {"movbe", 1, 0, ECX, 22, 0},
    {"lzcnt", 0x80000001, 0, ECX, 5, 0},
    {"bmi", 7, 0, EBX, 3, 0},
    {"bmi2", 7, 0, EBX, 8, 0},
    {"avx", 1, 0, ECX, 28, XMM_YMM},
    {"f16c", 1, 0, ECX, 29, XMM_YMM},
    {"fma", 1, 0, ECX, 12, XMM_YMM},
    {"avx2", 7, 0, EBX, 5, XMM_YMM},
    {"avx512f", 7, 0, EBX, 16, ZMM},
    {"avx512cd", 7, 0, EBX, 28, ZMM},
    {"avx512dq", 7, 0, EBX, 17, ZMM},
    {"avx512bw", 7, 0, EBX, 30, ZMM},
    {"avx512vl", 7, 0, EBX, 31, ZMM},
    {"avx512ifma", 7, 0, EBX, 21, ZMM},
    {"avx512vbmi", 7, 0, ECX, 1, ZMM},
    {"avx512vbmi2", 7, 0, ECX, 6, ZMM},
    {"avx512vnni", 7, 0, ECX, 11, ZMM},
    {"avx512bitalg", 7, 0, ECX, 12, ZMM},
    {"avx512vpopcntdq", 7, 0, ECX, 14, ZMM},
};

static uint64_t xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

size_t gradc_cpu_features(const char **names, size_t room)
{
    uint32_t r[4];
    size_t n = 0;
    if (!__get_cpuid(1, &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
        return 0;
    uint64_t saved = r[ECX] >> 27 & 1 ? xcr0() : 0;         /* OSXSAVE: xgetbv exists */
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i) {
        if (!__get_cpuid_count(table[i].leaf, table[i].subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
            continue;
        if (r[table[i].reg] >> table[i].bit & 1 && (saved & table[i].xcr0) == table[i].xcr0 && n < room)
            names[n++] = table[i].name;
    }
    return n;
}

#else

size_t gradc_cpu_features(const char **names, size_t room)
{
    (void)names;
    (void)room;
    return 0;
}

#endif
