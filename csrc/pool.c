/* pool.c: the worker threads behind frame->parallel.
 *
 * The calling thread works too; the n - 1 workers are started when first needed, and then sleep between jobs after a
 * short spin.  Blocks are handed out in rising order in chunks, so that when a chunk fails, all lower ones have been
 * taken and will be finished: the error of the lowest block wins, as if the blocks had run one after the other.
 * A worker that wakes too late finds the job closed; the caller never waits for one that has not joined.
 *
 * Serial (the section is called once, for all blocks): with one thread; when called from inside a section; when
 * another thread uses the pool; in a forked child, which inherits no threads.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

enum {
    SPINS = 1500,               /* some 10 to 40 us of pause instructions                               */
    CHUNKS_PER_THREAD = 4,      /* for balance, when cores are shared with other processes              */
    OPEN = 1 << 30              /* in `state`: the job accepts workers; the bits below count its workers */
};

static struct {
    /* the job; written by the caller while no worker can have joined */
    gradc_frame *frame;
    gradc_section section;
    const void *context;
    int64_t blocks, chunk;
    int helpers;                /* workers 0..helpers-1 may join                    */
    atomic_llong next;          /* first block not handed out                       */
    atomic_int failed;          /* hand out no more                                 */

    /* the result, under `mutex` */
    int error;
    int64_t error_block, error_values[4];

    atomic_int state;           /* OPEN | number of workers inside the job          */
    atomic_uint generation;     /* grows with each job; workers wait for it         */
    int sleepers, waiting;      /* under `mutex`                                    */
} job;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t in_use = PTHREAD_MUTEX_INITIALIZER;      /* held by the thread whose job runs */
static atomic_int threads = 1;
static int started;                                             /* workers that exist; under `in_use` */
static atomic_int forked;
static _Thread_local int inside;

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Take chunks until none is left.  Each participant has its own copy of the frame, for its error values. */
static void take_chunks(void)
{
    gradc_frame local = *job.frame;
    while (!atomic_load_explicit(&job.failed, memory_order_relaxed)) {
        int64_t lo = atomic_fetch_add(&job.next, job.chunk);
        if (lo >= job.blocks)
            break;
        int64_t hi = job.blocks - lo > job.chunk ? lo + job.chunk : job.blocks;
        int rc = job.section(&local, job.context, lo, hi);
        if (rc) {
            atomic_store(&job.failed, 1);
            pthread_mutex_lock(&mutex);
            if (!job.error || lo < job.error_block) {
                job.error = rc;
                job.error_block = lo;
                memcpy(job.error_values, local.error, sizeof local.error);
            }
            pthread_mutex_unlock(&mutex);
            break;
        }
    }
}

static int join_job(int index)
{
    int now = atomic_load(&job.state);
    while (now & OPEN) {
        /* helpers is read inside: until we are in, the job may be replaced by the next */
        if (atomic_compare_exchange_weak(&job.state, &now, now + 1)) {
            if (index < job.helpers)
                return 1;
            break;
        }
    }
    return now & OPEN ? -1 : 0;         /* -1: joined, but one too many */
}

static void leave_job(void)
{
    if (atomic_fetch_sub(&job.state, 1) == 1) {         /* closed, and we were the last */
        pthread_mutex_lock(&mutex);
        if (job.waiting)
            pthread_cond_signal(&done);
        pthread_mutex_unlock(&mutex);
    }
}

static void *worker(void *argument)
{
    int index = (int)(intptr_t)argument;
    unsigned seen = 0;
    inside = 1;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load_explicit(&job.generation, memory_order_acquire) == seen; ++i)
            pause_cpu();
        if (atomic_load(&job.generation) == seen) {
            pthread_mutex_lock(&mutex);
            ++job.sleepers;
            while (atomic_load(&job.generation) == seen)
                pthread_cond_wait(&wake, &mutex);
            --job.sleepers;
            pthread_mutex_unlock(&mutex);
        }
        seen = atomic_load(&job.generation);
        int joined = join_job(index);
        if (joined > 0)
            take_chunks();
        if (joined)
            leave_job();
    }
    return NULL;
}

/* Workers take no signals: Python's handlers belong to the main thread. */
static void start_workers(int wanted)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (started < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker, (void *)(intptr_t)started))
            break;                                      /* go on with those there are */
        pthread_detach(thread);
        ++started;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void run_job(int helpers)
{
    atomic_store(&job.state, OPEN);
    pthread_mutex_lock(&mutex);
    atomic_fetch_add(&job.generation, 1);
    if (job.sleepers) {
        if (helpers == 1 && started == 1)
            pthread_cond_signal(&wake);
        else
            pthread_cond_broadcast(&wake);
    }
    pthread_mutex_unlock(&mutex);

    inside = 1;
    take_chunks();
    inside = 0;

    atomic_fetch_and(&job.state, ~OPEN);
    for (int i = 0; i < SPINS && atomic_load(&job.state); ++i)
        pause_cpu();
    if (atomic_load(&job.state)) {
        pthread_mutex_lock(&mutex);
        job.waiting = 1;
        while (atomic_load(&job.state))
            pthread_cond_wait(&done, &mutex);
        job.waiting = 0;
        pthread_mutex_unlock(&mutex);
    }
}

int gradc_pool_run(gradc_frame *frame, gradc_section section, const void *context, int64_t blocks, int64_t grain)
{
    if (blocks <= 0)
        return 0;
    if (grain < 1)
        grain = 1;
    int64_t n = atomic_load_explicit(&threads, memory_order_relaxed);
    if (n > blocks / grain)
        n = blocks / grain;
    if (n < 2 || inside || atomic_load(&forked) || pthread_mutex_trylock(&in_use))
        return section(frame, context, 0, blocks);

    start_workers((int)n - 1);
    int64_t chunk = (blocks + n * CHUNKS_PER_THREAD - 1) / (n * CHUNKS_PER_THREAD);
    job.frame = frame;
    job.section = section;
    job.context = context;
    job.blocks = blocks;
    job.chunk = chunk > grain ? chunk : grain;
    job.helpers = (int)n - 1;
    job.error = 0;
    atomic_store(&job.next, 0);
    atomic_store(&job.failed, 0);
    run_job((int)n - 1);
    int error = job.error;
    if (error)
        memcpy(frame->error, job.error_values, sizeof frame->error);
    pthread_mutex_unlock(&in_use);
    return error;
}

int gradc_pool_threads(void)
{
    return atomic_load(&forked) ? 1 : atomic_load(&threads);
}

void gradc_pool_set_threads(int n)
{
    atomic_store(&threads, n);
}

/* The child has one thread; mutexes may be locked by threads that are gone. */
static void in_child(void)
{
    atomic_store(&forked, 1);
}

/* The number at the start of an environment variable ("4" or, as OpenMP allows, "4,2"); 0 if unset, -1 if bad. */
static long variable(const char *name)
{
    const char *text = getenv(name);
    if (!text || !*text)
        return 0;
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    while (isspace((unsigned char)*end))
        ++end;
    if (errno || end == text || (*end && *end != ',') || n < 1)
        return -1;
    return n > GRADC_MAX_THREADS ? GRADC_MAX_THREADS : n;
}

static long allowed_cpus(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set))
        return CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n;
}

const char *gradc_pool_start(void)
{
    static const char *const names[] = {"GRADC_NUM_THREADS", "OMP_NUM_THREADS"};
    const char *bad = NULL;
    long n = 0;
    for (int i = 0; i < 2 && n < 1; ++i) {
        n = variable(names[i]);
        if (n < 0 && !bad)
            bad = names[i];
    }
    if (n < 1)
        n = allowed_cpus();
    gradc_pool_set_threads(n > GRADC_MAX_THREADS ? GRADC_MAX_THREADS : (int)n);
    pthread_atfork(NULL, NULL, in_child);
    return bad;
}
