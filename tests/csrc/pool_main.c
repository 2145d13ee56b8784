/* The pool and the fallback gemm under a sanitizer, without Python; exit status 0 if all is right. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

enum { BLOCKS = 97, ROUNDS = 300, CALLERS = 3 };

typedef struct {
    int64_t times[BLOCKS], bad;
} context;

static int section(gradc_frame *frame, const void *c, int64_t lo, int64_t hi)
{
    context *k = (context *)(uintptr_t)c;
    for (int64_t i = lo; i < hi; ++i) {
        if (i >= k->bad) {
            frame->error[0] = i;
            return 7;
        }
        ++k->times[i];
    }
    return 0;
}

static void *caller(void *failed)
{
    for (int round = 0; round < ROUNDS; ++round) {
        context c = {.bad = round % 3 ? BLOCKS : round % BLOCKS};
        gradc_frame frame = {0};
        int rc = gradc_pool_run(&frame, section, &c, BLOCKS, 1 + round % 5);
        if (rc != (c.bad < BLOCKS ? 7 : 0) || (rc && frame.error[0] != c.bad))
            *(int *)failed = 1;
        for (int i = 0; i < c.bad; ++i)
            if (c.times[i] != 1)
                *(int *)failed = 1;
    }
    return NULL;
}

static int gemm_is_right(int64_t m, int64_t n, int64_t k)
{
    double *a = malloc((size_t)(m * k) * 8), *b = malloc((size_t)(k * n) * 8), *c = malloc((size_t)(m * n) * 8);
    int right = 1;
    for (int64_t i = 0; i < m * k; ++i)
        a[i] = (double)(i % 7);
    for (int64_t i = 0; i < k * n; ++i)
        b[i] = (double)(i % 5);
    gradc_dgemm(0, 0, m, n, k, 1, a, k, b, n, 0, c, n);
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            double sum = 0;
            for (int64_t p = 0; p < k; ++p)
                sum += a[i * k + p] * b[p * n + j];
            right &= sum == c[i * n + j];
        }
    free(a);
    free(b);
    free(c);
    return right;
}

int main(void)
{
    pthread_t threads[CALLERS];
    int failed[CALLERS] = {0}, any = 0;
    gradc_pool_start();
    gradc_pool_set_threads(4);
    for (int i = 0; i < CALLERS; ++i)
        if (pthread_create(&threads[i], NULL, caller, &failed[i]))
            return 2;
    for (int i = 0; i < CALLERS; ++i) {
        pthread_join(threads[i], NULL);
        any |= failed[i];
    }
    int64_t sizes[][3] = {{1, 1, 1}, {7, 17, 3}, {100, 33, 260}, {5, 2050, 2}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
        any |= !gemm_is_right(sizes[i][0], sizes[i][1], sizes[i][2]);
    const char *names[64];
    any |= gradc_cpu_features(names, 64) > 64;
    if (any)
        fprintf(stderr, "wrong result\n");
    return any;
}
