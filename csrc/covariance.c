/* covariance.c: what multivariate_normal multiplies standard normal numbers by: A with A A^T = a covariance matrix.
 *
 * By the functions of LAPACK that NumPy takes (gesdd, syevd), given what NumPy gives them, so that the signs of singular
 * vectors and eigenvectors, of which LAPACK chooses, are NumPy's; without them by gradc's own, with signs of its own.
 */
#include "private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BY_SVD, BY_EIGH };
enum { NOT_FINITE = 1, NOT_VALID };

typedef void gesdd(const char *job, const int64_t *m, const int64_t *n, double *a, const int64_t *lda, double *s,
                   double *u, const int64_t *ldu, double *vt, const int64_t *ldvt, double *work, const int64_t *lwork,
                   void *iwork, int64_t *info, size_t job_length);
typedef void syevd(const char *job, const char *side, const int64_t *n, double *a, const int64_t *lda, double *w,
                   double *work, const int64_t *lwork, void *iwork, const int64_t *liwork, int64_t *info,
                   size_t job_length, size_t side_length);

/* A function of LAPACK for n x n; one with integers of 32 bits sees the lower halves of int64_t, where they come first. */
static void *lapack(gradc_frame *frame, const char *name, int64_t n)
{
    const int64_t one = 1;
    int bits = 0;
    void *found = frame->blas->find(name, &bits);
    return found && (bits == 64 || (*(const char *)&one && n < 10000)) ? found : NULL;
}

static void transpose(int64_t n, double *x)
{
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < i; ++j) {
            const double kept = x[i * n + j];
            x[i * n + j] = x[j * n + i];
            x[j * n + i] = kept;
        }
}

/* a, destroyed, = u diag(s) v; u by columns, v by rows. */
static int by_svd(gradc_frame *frame, int64_t n, double *a, double *u, double *s, double *v, int64_t *room)
{
    gesdd *found = (gesdd *)lapack(frame, "dgesdd_", n);
    int64_t fault = 0, query = -1;
    if (!found) {
        const int64_t sizes[] = {n, n};
        const int status = gradc_SVD_F64(frame, GRADC_SVD_F64, (const void *const[]){a}, sizes,
                                         (void *const[]){u, s, v});
        transpose(n, u);
        return status;
    }
    double wanted;
    found("A", &n, &n, a, &n, s, u, &n, v, &n, &wanted, &query, room, &fault, 1);
    const int64_t length = (int64_t)wanted;
    double *const work = malloc((size_t)length * sizeof *work);
    if (!work)
        return GRADC_NO_MEMORY;
    found("A", &n, &n, a, &n, s, u, &n, v, &n, work, &length, room, &fault, 1);
    free(work);
    transpose(n, v);
    return fault ? NOT_FINITE : 0;
}

/* The eigenvectors u, by columns, of the lower triangle of a. */
static int by_eigh(gradc_frame *frame, int64_t n, const double *a, double *u, double *s, int64_t *room)
{
    syevd *found = (syevd *)lapack(frame, "dsyevd_", n);
    int64_t fault = 0, query = -1, integers = 3 + 5 * n;
    if (!found) {
        const int status = gradc_EIGH_F64(frame, GRADC_EIGH_F64, (const void *const[]){a}, &n, (void *const[]){s, u});
        transpose(n, u);
        return status;
    }
    memcpy(u, a, (size_t)(n * n) * sizeof *u);
    transpose(n, u);
    double wanted;
    int64_t most = 0;
    found("V", "L", &n, u, &n, s, &wanted, &query, &most, &query, &fault, 1, 1);
    const int64_t length = (int64_t)wanted;
    double *const work = malloc((size_t)length * sizeof *work);
    if (!work)
        return GRADC_NO_MEMORY;
    found("V", "L", &n, u, &n, s, work, &length, room, &integers, &fault, 1, 1);
    free(work);
    return fault ? NOT_FINITE : 0;
}

/* covariance (m, m), tolerance -> A.  numbers: BY_SVD or BY_EIGH, m */
int gradc_COVARIANCE_FACTOR(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                            void *const *out)
{
    (void)number;
    const int64_t method = numbers[0], n = numbers[1];
    const double *const given = in[0], tolerance = *(const double *)in[1];
    double *const factor = out[0];
    for (int64_t i = 0; i < n * n; ++i)
        if (!isfinite(given[i]))
            return NOT_FINITE;
    if (!n)
        return 0;
    double *const u = malloc((size_t)(4 * n * n + n) * sizeof *u + (size_t)(8 * n + 8) * sizeof(int64_t));
    if (!u)
        return GRADC_NO_MEMORY;
    double *const v = u + n * n, *const a = v + n * n, *const again = a + n * n, *const s = again + n * n;
    int64_t *const room = (int64_t *)(s + n);
    int status;
    if (method == BY_SVD) {
        memcpy(a, given, (size_t)(n * n) * sizeof *a);
        transpose(n, a);                /* which gradc's own would not need, but a covariance is symmetric */
        status = by_svd(frame, n, a, u, s, v, room);
        /* is it v^T diag(s) v, too?  If it is symmetric and has no eigenvalue below 0 */
        for (int64_t k = 0; !status && k < n; ++k)
            for (int64_t j = 0; j < n; ++j)
                a[k * n + j] = s[k] * v[k * n + j];
        if (!status)
            frame->blas->dgemm(1, 0, n, n, n, 1.0, v, n, a, n, 0.0, again, n);
        for (int64_t i = 0; !status && isfinite(tolerance) && i < n * n; ++i)
            status = fabs(again[i] - given[i]) <= tolerance + tolerance * fabs(given[i]) ? 0 : NOT_VALID;
    } else {
        status = by_eigh(frame, n, given, u, s, room);
        for (int64_t k = 0; !status && k < n; ++k)
            status = s[k] >= -tolerance ? 0 : NOT_VALID;
    }
    for (int64_t i = 0; !status && i < n; ++i)
        for (int64_t k = 0; k < n; ++k)
            factor[i * n + k] = u[k * n + i] * sqrt(fabs(s[k]));
    free(u);
    return status;
}
