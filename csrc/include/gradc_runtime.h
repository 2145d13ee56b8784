/* The contract between a generated unit and the program that calls it (csrc/dispatch.c, or a user's main).
 *
 * A unit defines two functions, both hidden: gradc_prepare computes output shapes and the arena's size from
 * the input sizes (and integer scalars) and checks that they fit; gradc_entry computes, by what prepare left in
 * frame->known, as often as it is called.  Both return 0, or
 * the number (from 1) of the check that failed, with up to four values for its message in frame->error;
 * GRADC_NO_MEMORY means that an allocation failed, GRADC_CALL_FAILED that frame->callback did.
 *
 * Where the size of an output depends on computed data, prepare either gives a bound; entry writes what it is to
 * frame->shapes, and the output lies at the start of its memory.  Or prepare writes GRADC_LATE as its first size, and
 * entry asks for the memory (frame->output) when it knows the sizes.
 *
 * All input and output data are C-contiguous, aligned, in native byte order; nothing overlaps an output.
 */
#ifndef GRADC_RUNTIME_H
#define GRADC_RUNTIME_H

#include <stdint.h>

typedef struct gradc_frame gradc_frame;

/* A section runs blocks lo..hi-1 of its outermost loop; returns 0 or the number of a failed check. */
typedef int (*gradc_section)(gradc_frame *frame, const void *context, int64_t lo, int64_t hi);

enum { GRADC_NO_MEMORY = -1, GRADC_CALL_FAILED = -2 };
#define GRADC_LATE INT64_MIN

/* What routines take from the library of linear algebra that is in use. */
typedef struct gradc_blas {
    /* Row-major C = alpha op(A) op(B) + beta C, op(A) is m x k, op(B) is k x n; trans: 0, 1, or 2 for the adjoint. */
    void (*dgemm)(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                  int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
    void (*sgemm)(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                  int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
    void (*zgemm)(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, double _Complex alpha,
                  const double _Complex *a, int64_t lda, const double _Complex *b, int64_t ldb, double _Complex beta,
                  double _Complex *c, int64_t ldc);
    void (*cgemm)(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, float _Complex alpha,
                  const float _Complex *a, int64_t lda, const float _Complex *b, int64_t ldb, float _Complex beta,
                  float _Complex *c, int64_t ldc);
    /* Its function of that name ("cblas_dtrsm", "dpotrf_"), and the bits of its integers; NULL if it has none. */
    void *(*find)(const char *name, int *bits);
} gradc_blas;

/* What units call (gradc/ir/routines.py says what each computes); it runs on the thread that calls it.  in, out: the
 * first element of each array.  numbers: the routine's options; the sizes of its core dimensions in the order in which
 * its signature names them (of "...": the number of elements); then of each argument of layout "matrix" whether its
 * columns are what lies in one piece (0 or 1) and how many elements are from one to the next, and of each of layout
 * "each" whether it has a value for each element (0 or 1).
 * Returns 0, or the number of what is wrong (from 1), with values for its message in frame->error, or
 * GRADC_NO_MEMORY. */
typedef int (*gradc_routine)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                             void *const *out);

/* Of distributions the state before is words (csrc/bits.h); then come the parameters (double or int64_t).  They leave the
 * state after, and the draws.
 * ROW(name, how many parameters) */
#define GRADC_DISTRIBUTIONS(ROW) \
    ROW(UNIFORM, 2) ROW(NORMAL, 2) ROW(STANDARD_NORMAL, 0) ROW(LOGNORMAL, 2) ROW(EXPONENTIAL, 1) ROW(BETA, 2) \
    ROW(GAMMA, 2) ROW(CHISQUARE, 1) ROW(GUMBEL, 2) ROW(LAPLACE, 2) ROW(LOGISTIC, 2) ROW(TRIANGULAR, 3) \
    ROW(VONMISES, 2) ROW(WEIBULL, 1) ROW(BINOMIAL, 2) ROW(POISSON, 1) ROW(GEOMETRIC, 1) ROW(INTEGERS, 2) \
    ROW(STANDARD_EXPONENTIAL, 0) ROW(STANDARD_GAMMA, 1) ROW(STANDARD_CAUCHY, 0) ROW(STANDARD_T, 1) ROW(POWER, 1) \
    ROW(RAYLEIGH, 1) ROW(WALD, 2) ROW(F, 2) ROW(NONCENTRAL_CHISQUARE, 2) ROW(NONCENTRAL_F, 3) \
    ROW(NEGATIVE_BINOMIAL, 2) ROW(HYPERGEOMETRIC, 3) ROW(ZIPF, 1) ROW(LOGSERIES, 1) ROW(HALFNORMAL, 2) ROW(CAUCHY, 2) \
    ROW(HALFCAUCHY, 2) ROW(PARETO, 2) ROW(INVGAMMA, 2) ROW(T, 3) ROW(TRUNCEXPON, 3) ROW(GENGAMMA, 3) ROW(BETABINOM, 3)
/* Draws of vectors, and out of given values: the same, with parameters as gradc/ir/routines.py says. */
#define GRADC_DRAWS_OF_VECTORS(ROW) \
    ROW(PERMUTATION) ROW(CHOICE) ROW(CHOICE_WEIGHTED) ROW(DIRICHLET) ROW(MULTINOMIAL)
/* Those of linear algebra: one of float32, one of float64, one of each complex type. */
#define GRADC_OF_SCALARS(ROW) \
    ROW(GEMM) ROW(PRODUCT) ROW(SOLVE_TRIANGULAR) ROW(CHOLESKY) ROW(CHOLESKY_BACK) ROW(CHOLESKY_SOLVE) ROW(LU) ROW(LU_SOLVE) \
    ROW(LU_INVERSE) ROW(LU_DET) ROW(LU_SLOGDET) ROW(INTERCHANGE) ROW(QR) ROW(COMPLETE_BASIS) ROW(EIGH) ROW(EIGVALSH) \
    ROW(SVD) ROW(SVDVALS) ROW(PINV) ROW(EXPM) ROW(SOLVE_BANDED) ROW(SYLVESTER) ROW(LDL) \
    ROW(EIG) ROW(SCHUR) ROW(OF_SCHUR) ROW(RICCATI)
/* One of float32, one of float64. */
#define GRADC_OF_FLOATS(ROW) \
    ROW(OF_SPECTRUM) ROW(FFT) ROW(FFT_COLUMNS) ROW(RFFT) ROW(IRFFT) ROW(DCT) ROW(LU_DEFINITE) \
    ROW(GEMM_ADD)
/* Those of sorting, of convolution and of sparse matrices: one for each real type. */
#define GRADC_OF_REALS(ROW) \
    ROW(SORT) ROW(ARGSORT) ROW(SEARCHSORTED) ROW(ORDER_OF_ROWS) ROW(ORDER_AT) ROW(PARTITION) ROW(ARGPARTITION) \
    ROW(CSR_DOT) ROW(CSR_TRANSPOSED_DOT) ROW(CSR_SAMPLED_DOT) ROW(CONVOLVE)
#define GRADC_OF_TYPES(EACH, name) \
    EACH(name, BOOL) EACH(name, I8) EACH(name, I16) EACH(name, I32) EACH(name, I64) EACH(name, U8) EACH(name, U16) \
    EACH(name, U32) EACH(name, U64) EACH(name, F32) EACH(name, F64)
/* Those of one dtype. */
#define GRADC_OF_ONE_DTYPE(ROW) \
    ROW(COUNT_TRUE) ROW(NONZERO) ROW(BINCOUNT) ROW(COVARIANCE_FACTOR) ROW(CSR_ROWS)
#define GRADC_NUMBER(name) GRADC_##name,
#define GRADC_NUMBER_OF_DRAWS(name, parameters) GRADC_##name,
#define GRADC_NUMBERS(name) GRADC_##name##_F32, GRADC_##name##_F64,
#define GRADC_COMPLEX_NUMBERS(name) GRADC_##name##_C64, GRADC_##name##_C128,
#define GRADC_NUMBER_OF(name, type) GRADC_##name##_##type,
#define GRADC_NUMBERS_OF_REALS(name) GRADC_OF_TYPES(GRADC_NUMBER_OF, name)
enum {
    GRADC_DISTRIBUTIONS(GRADC_NUMBER_OF_DRAWS) GRADC_DRAWS_OF_VECTORS(GRADC_NUMBER) GRADC_OF_FLOATS(GRADC_NUMBERS)
    GRADC_OF_SCALARS(GRADC_NUMBERS) GRADC_OF_SCALARS(GRADC_COMPLEX_NUMBERS)
    GRADC_OF_REALS(GRADC_NUMBERS_OF_REALS) GRADC_OF_ONE_DTYPE(GRADC_NUMBER) GRADC_ROUTINES
};

static inline int64_t gradc_bits(double value)
{
    const union {
        double value;
        int64_t bits;
    } both = {value};
    return both.bits;
}

struct gradc_frame {
    const void *const *inputs;    /* data of each input                                               */
    const int64_t *sizes;         /* sizes of all inputs, one input after the other                   */
    void *const *outputs;         /* data of each output, allocated between prepare and entry         */
    int64_t *shapes;              /* written by prepare: sizes of all outputs, one after the other    */
    const void *const *constants; /* arrays too large to stand in the C text                          */
    char *arena;                  /* scratch memory, 64-byte aligned, arena_bytes long                */
    int64_t arena_bytes;          /* written by prepare                                               */
    void *known;                  /* memory of the unit's own, of as many int64_t as it says: sizes   */
    int64_t error[4];             /* values for the message of a failed check, doubles as their bits  */
    /* Run section over blocks 0..blocks-1, possibly on several threads: at least `grain` blocks a call;
     * the error of the lowest failing block is returned. */
    int (*parallel)(gradc_frame *frame, gradc_section section, const void *context, int64_t blocks, int64_t grain);
    const gradc_blas *blas;       /* for routines                                                     */
    const gradc_routine *routines; /* by their numbers                                                */
    /* A routine for the indices *index to last - 1 of a batch; steps: bytes from the arrays of one index to those of the
     * next, of arguments, then of results.  At an error *index is where it is. */
    int (*each)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out,
                const int64_t *steps, int arguments, int results, int64_t *index, int64_t last);
    /* The user's function `number` on contiguous arrays; numbers: sizes of all inputs, then of all outputs.  Of an output
     * whose sizes only the call tells there is one number, -1 - r: it gets room r, and its sizes are written to outs[j]
     * (int64_t).  Called on the thread that called entry.  Returns 0, or GRADC_CALL_FAILED, with which entry ends at once;
     * why it failed is known to the caller.  NULL if the unit has no such calls. */
    gradc_routine callback;
    /* Memory of which entry learns the size as it runs; called on the thread that called entry, NULL if there is none.
     * room: number `number` of the call, at least so many bytes, 64-byte aligned.  It stays where it is, with what it
     * holds, until it has to grow; the caller of entry frees all.  output: memory of an output that is GRADC_LATE. */
    void *(*room)(gradc_frame *frame, int number, int64_t bytes);
    void *(*output)(gradc_frame *frame, int number, const int64_t *shape);
    void *host;                   /* belongs to the caller                                            */
};

#endif
