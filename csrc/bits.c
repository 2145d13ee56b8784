/* bits.c: the bit generators of numpy.random, written on states that are words (bits.h), so that a kernel can own one.
 *
 * Each gives NumPy's bits; those that make 64 bits keep the upper half of a word for the next number of 32.
 */
#include "bits.h"

/* rest: where the upper half of a word is kept, which is given out as the next number of 32 bits. */
#define OF_64_BITS(name, next, rest) \
    static uint64_t name##_uint64(void *of) \
    { \
        return next(of); \
    } \
    static uint32_t name##_uint32(void *of) \
    { \
        uint64_t *const left = (uint64_t *)of + (rest); /* has_uint32, uinteger */ \
        if (left[0]) { \
            left[0] = 0; \
            return (uint32_t)left[1]; \
        } \
        const uint64_t number = next(of); \
        left[0] = 1; \
        left[1] = number >> 32; \
        return (uint32_t)number; \
    } \
    static double name##_double(void *of) \
    { \
        return (double)(next(of) >> 11) * 0x1p-53; \
    }

OF_64_BITS(pcg64, gradc_pcg64, 5)

/* DXSM, with the multiplier of 64 bits: M. E. O'Neill, pcg-cpp 0.98.1, as NumPy has it. */
static inline uint64_t next_pcg64dxsm(void *of)
{
    const uint64_t multiplier = UINT64_C(0xda942042e4dd58b5);
    uint64_t *g = of, high = g[2];
    const uint64_t low = g[1] | 1;
    const word128 state = gradc_both(g + 1) * multiplier + gradc_both(g + 3);
    g[1] = (uint64_t)state;
    g[2] = (uint64_t)(state >> 64);
    high ^= high >> 32;
    high *= multiplier;
    high ^= high >> 48;
    return high * low;
}

OF_64_BITS(pcg64dxsm, next_pcg64dxsm, 5)

/* Small fast chaotic generator of C. Doty-Humphrey, PractRand. */
static inline uint64_t next_sfc64(void *of)
{
    uint64_t *const s = (uint64_t *)of + 1;
    const uint64_t sum = s[0] + s[1] + s[3]++;
    s[0] = s[1] ^ s[1] >> 11;
    s[1] = s[2] + (s[2] << 3);
    s[2] = (s[2] << 24 | s[2] >> 40) + sum;
    return sum;
}

OF_64_BITS(sfc64, next_sfc64, 5)

/* Philox 4x64 with 10 rounds: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel Random Numbers: As Easy as
 * 1, 2, 3" (SC11, 2011), section 3.3. */
static void philox_rounds(const uint64_t *counter, const uint64_t *given, uint64_t *made)
{
    uint64_t key[2] = {given[0], given[1]}, c[4];
    memcpy(c, counter, sizeof c);
    for (int round = 0; round < 10; ++round) {
        const word128 a = (word128)UINT64_C(0xd2e7470ee14c6c93) * c[0];
        const word128 b = (word128)UINT64_C(0xca5a826395121157) * c[2];
        c[0] = (uint64_t)(b >> 64) ^ c[1] ^ key[0];
        c[1] = (uint64_t)b;
        c[2] = (uint64_t)(a >> 64) ^ c[3] ^ key[1];
        c[3] = (uint64_t)a;
        key[0] += UINT64_C(0x9e3779b97f4a7c15);
        key[1] += UINT64_C(0xbb67ae8584caa73b);
    }
    memcpy(made, c, sizeof c);
}

static inline uint64_t next_philox(void *of)
{
    enum { COUNTER = 1, KEY = 5, BUFFER = 7, POSITION = 11 };
    uint64_t *const g = of;
    if (g[POSITION] >= 4) {
        for (int k = 0; k < 4 && !++g[COUNTER + k]; ++k)
            ;
        philox_rounds(g + COUNTER, g + KEY, g + BUFFER);
        g[POSITION] = 0;
    }
    return g[BUFFER + g[POSITION]++];
}

OF_64_BITS(philox, next_philox, 12)

/* M. Matsumoto, T. Nishimura, "Mersenne Twister: A 623-Dimensionally Equidistributed Uniform Pseudo-Random Number
 * Generator" (ACM TOMACS 8, 1998). */
enum { TWISTED = 624, APART = 397 };

static void twist(uint64_t *key)
{
    for (int k = 0; k < TWISTED; ++k) {
        const uint64_t y = (key[k] & 0x80000000u) | (key[(k + 1) % TWISTED] & 0x7fffffffu);
        key[k] = key[(k + APART) % TWISTED] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
}

static uint32_t mt19937_uint32(void *of)
{
    uint64_t *const key = (uint64_t *)of + 1, *const position = key + TWISTED;
    if (*position >= TWISTED) {
        twist(key);
        *position = 0;
    }
    uint32_t y = (uint32_t)key[(*position)++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

static uint64_t mt19937_uint64(void *of)
{
    const uint64_t high = mt19937_uint32(of);
    return high << 32 | mt19937_uint32(of);
}

static double mt19937_double(void *of)
{
    const uint32_t high = mt19937_uint32(of) >> 5, low = mt19937_uint32(of) >> 6;
    return (high * 0x1p26 + low) * 0x1p-53;
}

#define FUNCTIONS(name) {NULL, name##_uint64, name##_uint32, name##_double, name##_uint64}
const bitgen_t gradc_functions[GRADC_GENERATORS] = {FUNCTIONS(pcg64), FUNCTIONS(pcg64dxsm), FUNCTIONS(sfc64),
                                                    FUNCTIONS(philox), FUNCTIONS(mt19937)};
const size_t gradc_words[GRADC_GENERATORS] = {GRADC_PCG64_WORDS, 7, 7, 14, 626};
