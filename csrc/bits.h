/* bits.h: states of random generators as words, and the functions of NumPy's bitgen_t on them.
 *
 * The first word says of which bit generator; then come, for
 *   PCG64, PCG64DXSM   state and increment, the lower half of each first; has_uint32, uinteger
 *   SFC64              its four words; has_uint32, uinteger
 *   PHILOX             counter (4), key (2), buffer (4), buffer_pos; has_uint32, uinteger
 *   MT19937            its 624 numbers of 32 bits; pos
 * as the attribute `state` of NumPy's has them (gradc/ir/bits.py).
 */
#ifndef GRADC_BITS_H
#define GRADC_BITS_H

#include <stdint.h>
#include <string.h>

#include <numpy/random/bitgen.h>

enum { GRADC_PCG64, GRADC_PCG64DXSM, GRADC_SFC64, GRADC_PHILOX, GRADC_MT19937, GRADC_GENERATORS };
enum { GRADC_PCG64_WORDS = 7 };

typedef unsigned __int128 word128;

static inline word128 gradc_both(const uint64_t *words)
{
    return (word128)words[1] << 64 | words[0];
}

/* PCG XSL RR 128/64 of M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for
 * Random Number Generation" (Harvey Mudd College, 2014), section 6.3. */
static inline uint64_t gradc_pcg64(void *of)
{
    static const word128 multiplier = (word128)UINT64_C(0x2360ed051fc65da4) << 64 | UINT64_C(0x4385df649fccf645);
    uint64_t *g = of;
    const word128 state = gradc_both(g + 1) * multiplier + gradc_both(g + 3);
    g[1] = (uint64_t)state;
    g[2] = (uint64_t)(state >> 64);
    const uint64_t mixed = (uint64_t)(state >> 64) ^ (uint64_t)state;
    const unsigned turn = (unsigned)(state >> 122);
    return mixed >> turn | mixed << (-turn & 63);
}

static inline double gradc_pcg64_double(void *of)
{
    return (double)(gradc_pcg64(of) >> 11) * 0x1p-53;
}

extern const bitgen_t gradc_functions[GRADC_GENERATORS];        /* without a state */
extern const size_t gradc_words[GRADC_GENERATORS];

/* The functions of the generator with the state `before`, on a copy of it: `after`, which may be the same memory. */
static inline bitgen_t gradc_bits_of(const uint64_t *before, uint64_t *after)
{
    const uint64_t kind = before[0];
    bitgen_t found = gradc_functions[kind];
    if (after != before) {
        if (kind == GRADC_PCG64)
            memcpy(after, before, GRADC_PCG64_WORDS * sizeof *after);
        else
            memcpy(after, before, gradc_words[kind] * sizeof *after);
    }
    found.state = after;
    return found;
}

/* Uniform in [0, 1); PCG64's without a call. */
static inline double gradc_uniform(const bitgen_t *g)
{
    return *(const uint64_t *)g->state == GRADC_PCG64 ? gradc_pcg64_double(g->state) : g->next_double(g->state);
}

#endif
