/* What the parts of the extension gradc.runtime._dispatch know of each other.  No Python here: arena.c,
 * pool.c, blas.c and cpu.c run without the GIL and can be tested from plain C. */
#ifndef GRADC_PRIVATE_H
#define GRADC_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "gradc_runtime.h"

/* One body compiled for several instruction sets, chosen when the library is loaded (too early for the thread
 * sanitizer). */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) \
    && !defined(__SANITIZE_THREAD__)
#define GRADC_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), noinline))
#define GRADC_CLONES_256 __attribute__((target_clones("avx2", "default"), noinline))    /* for vectors of 32 bytes */
#else
#define GRADC_CLONES
#define GRADC_CLONES_256
#endif

/* arena.c ------------------------------------------------------------------------------------------------ */

/* 64-byte aligned; large blocks in huge pages.  NULL without memory; to be freed with free(). */
char *gradc_get_block(int64_t bytes);
/* The thread's block, larger if need be; a block of its own for a call inside a call.  NULL without memory. */
char *gradc_get_arena(int64_t bytes);
void gradc_put_arena(char *block);
/* A room for a call of entry, of at least so many bytes (`got`: how many), perhaps one that the thread kept.  NULL without
 * memory. */
char *gradc_take_room(int64_t bytes, int64_t *got);
void gradc_keep_room(char *block, int64_t bytes);
void gradc_rooms_kept(void);            /* after a call: all its rooms were kept, or freed */
int gradc_arena_start(void);            /* once for the process */

/* pool.c ------------------------------------------------------------------------------------------------- */

/* The function behind frame->parallel. */
int gradc_pool_run(gradc_frame *frame, gradc_section section, const void *context, int64_t blocks, int64_t grain);
int gradc_pool_threads(void);
void gradc_pool_set_threads(int n);             /* n >= 1 */
/* Registers the fork handlers and takes the number of threads from GRADC_NUM_THREADS, OMP_NUM_THREADS or the CPUs
 * this process may use; returns NULL, or the name of a variable whose value was not understood. */
const char *gradc_pool_start(void);
enum { GRADC_MAX_THREADS = 1024 };

/* blas.c ------------------------------------------------------------------------------------------------- */

extern const gradc_blas gradc_blas_chosen;      /* resolved at the first gemm */
extern const gradc_blas gradc_blas_own;         /* gradc's own loops: same bits on every machine */

typedef struct gradc_blas_description {
    const char *provider;       /* numpy, scipy, system, fallback                                  */
    const char *path;           /* file of the library, "" for the fallback                        */
    const char *version;        /* what the library says of itself, or ""                          */
    const char *symbol;         /* name under which its dgemm was found                            */
    int threads;                /* threads the library uses, 0 if it does not say                  */
} gradc_blas_description;

/* kind: auto, numpy, scipy, system, fallback; path: NULL, or the library to take.  Returns 0, or -1 if there is no
 * such library here (what was chosen before stays). */
int gradc_blas_choose(const char *kind, const char *path);
void gradc_blas_describe(gradc_blas_description *out);
/* An address inside NumPy's extension module: its library and site-packages are searched from there. */
void gradc_blas_start(const void *inside_numpy);

/* gemm.c: the fallback ----------------------------------------------------------------------------------- */

void gradc_dgemm(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda,
                 const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
void gradc_sgemm(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                 const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* linalg.c, fft.c ---------------------------------------------------------------------------------------- */

/* Routines of gradc_runtime.h; gradc's own loops where the matrices are small or the library has no such function. */
#define GRADC_DECLARED(name) \
    int gradc_##name##_F32(gradc_frame *, int, const void *const *, const int64_t *, void *const *); \
    int gradc_##name##_F64(gradc_frame *, int, const void *const *, const int64_t *, void *const *);
GRADC_OF_FLOATS(GRADC_DECLARED)

/* A routine for `count` indices of a batch at once, at most GRADC_SIDE_BY_SIDE matrices (GRADC_ROWS_<type> rows that are
 * transformed); steps: bytes from the arrays of one to those of the next, of arguments, then of results.  Returns 0, and
 * leaves results alone, if they are too large or one of them fails. */
enum { GRADC_SIDE_BY_SIDE = 4, GRADC_SIDE_ROWS = 8 };       /* ROWS: of matrices, up to which that takes less time */
enum { GRADC_ROWS_F64 = 4, GRADC_ROWS_F32 = 8 };
typedef int (*gradc_side)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                          const int64_t *steps);
#define GRADC_HAVE_SIDE(ROW) \
    ROW(SOLVE_TRIANGULAR) ROW(CHOLESKY) ROW(CHOLESKY_BACK) ROW(CHOLESKY_SOLVE) ROW(LU) ROW(LU_SOLVE) ROW(LU_INVERSE) \
    ROW(EIGH) ROW(EIGVALSH) ROW(SVD) ROW(SVDVALS)
#define GRADC_HAVE_ROWS(ROW) ROW(FFT) ROW(RFFT) ROW(IRFFT)
#define GRADC_DECLARED_SIDE(name) \
    int gradc_##name##_SIDE_F32(int64_t, const void *const *, const int64_t *, void *const *, const int64_t *); \
    int gradc_##name##_SIDE_F64(int64_t, const void *const *, const int64_t *, void *const *, const int64_t *);
GRADC_HAVE_SIDE(GRADC_DECLARED_SIDE) GRADC_HAVE_ROWS(GRADC_DECLARED_SIDE)

/* sort.c ------------------------------------------------------------------------------------------------- */

#define GRADC_DECLARE_REAL(name, type) \
    int gradc_##name##_##type(gradc_frame *, int, const void *const *, const int64_t *, void *const *);
#define GRADC_DECLARE_REALS(name) GRADC_OF_TYPES(GRADC_DECLARE_REAL, name)
GRADC_OF_REALS(GRADC_DECLARE_REALS)

/* What sorts an array in place; 0, or there is no memory. */
typedef int (*gradc_sorter)(void *first, intptr_t n, void *unused);
#define GRADC_TYPE(name, type) gradc_##name##_##type,
enum { GRADC_OF_TYPES(GRADC_TYPE, TYPE) GRADC_TYPES };
extern gradc_sorter gradc_sorters[GRADC_TYPES];         /* NumPy's, where they are faster; else NULL */

/* index.c ------------------------------------------------------------------------------------------------ */

int gradc_COUNT_TRUE(gradc_frame *, int, const void *const *, const int64_t *, void *const *);
int gradc_NONZERO(gradc_frame *, int, const void *const *, const int64_t *, void *const *);
int gradc_BINCOUNT(gradc_frame *, int, const void *const *, const int64_t *, void *const *);

/* covariance.c ------------------------------------------------------------------------------------------- */

int gradc_COVARIANCE_FACTOR(gradc_frame *, int, const void *const *, const int64_t *, void *const *);
/* sparse.c ----------------------------------------------------------------------------------------------- */

int gradc_CSR_ROWS(gradc_frame *, int, const void *const *, const int64_t *, void *const *);

/* random.c ----------------------------------------------------------------------------------------------- */

/* NULL if gradc was built without NumPy's library of distributions */
extern const gradc_routine gradc_draw, gradc_draw_vectors;

/* routines.c --------------------------------------------------------------------------------------------- */

extern const gradc_routine gradc_routines[GRADC_ROUTINES];      /* what frame->routines points to */
int gradc_run_each(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out,
                   const int64_t *steps, int arguments, int results, int64_t *index, int64_t last);

/* cpu.c -------------------------------------------------------------------------------------------------- */

/* Writes the names of this CPU's usable instruction sets (as after gcc's -m) to `names`; returns their number. */
size_t gradc_cpu_features(const char **names, size_t room);

#endif
