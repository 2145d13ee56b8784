/* The contract between a C function that stands for a compiled one and what it calls (csrc/lowlevel.c).
 *
 * A unit of such functions (gradc/codegen/pointers.py) has GRADC_POINTERS of them, alike but for the entry of `pointers`
 * that each calls, for a C function has no place for data.  Its gradc_prepare writes gradc_pointer_table to frame->known.
 */
#ifndef GRADC_LOWLEVEL_H
#define GRADC_LOWLEVEL_H

#include "gradc_runtime.h"

#define GRADC_EACH_POINTER(ROW) \
    ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7) ROW(8) ROW(9) ROW(10) ROW(11) ROW(12) ROW(13) ROW(14) \
    ROW(15) ROW(16) ROW(17) ROW(18) ROW(19) ROW(20) ROW(21) ROW(22) ROW(23) ROW(24) ROW(25) ROW(26) ROW(27) ROW(28) \
    ROW(29) ROW(30) ROW(31)
enum { GRADC_POINTERS = 32 };

/* Of a call: what may be otherwise with other arguments is positive. */
enum { GRADC_CHECK_FAILED = 1, GRADC_NOT_FINITE = 2, GRADC_OUT_OF_MEMORY = -1, GRADC_OTHER_SIZES = -2, GRADC_DEAD = -3 };

typedef struct gradc_pointer gradc_pointer;
struct gradc_pointer {
    /* inputs, outputs: data of those that the signature has; sizes: the numbers that it has for sizes. */
    int (*call)(const gradc_pointer *self, const void *const *inputs, const int64_t *sizes, void *const *outputs);
};

typedef struct gradc_pointer_table {
    const void *functions;              /* GRADC_POINTERS addresses                               */
    const gradc_pointer **pointers;     /* NULL: the owner is dead                                */
    int *used;                          /* how many were given away                               */
} gradc_pointer_table;

static inline int gradc_call_pointer(const gradc_pointer *const *at, const void *const *inputs, const int64_t *sizes,
                                     void *const *outputs)
{
    const gradc_pointer *const pointer = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    return pointer ? pointer->call(pointer, inputs, sizes, outputs) : GRADC_DEAD;
}

#endif
