/* blas.c: where gemm and its like come from.  No BLAS is linked: a table of pointers is resolved at the first gemm.
 *
 * Providers, in the order of "auto":
 *   numpy     the OpenBLAS that NumPy's wheel carries; it is in the process already
 *   scipy     the wheels scipy-openblas64 and -32, and the OpenBLAS that SciPy's wheel carries
 *   system    libopenblas, libcblas, MKL, where the dynamic linker finds them
 *   fallback  gemm.c
 * Thread counts of these libraries are left alone: they belong to their owners.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };      /* CBLAS */

/* One type's gemm of the chosen library: with 64-bit or with 32-bit integers. */
#define GEMM_TYPES(x, T) \
    typedef void x##gemm64_t(int, int, int, int64_t, int64_t, int64_t, T, const T *, int64_t, const T *, int64_t, T, \
                             T *, int64_t); \
    typedef void x##gemm32_t(int, int, int, int, int, int, T, const T *, int, const T *, int, T, T *, int);
GEMM_TYPES(d, double)
GEMM_TYPES(s, float)
/* Of complex numbers it is given alpha and beta by their addresses. */
typedef void complex_gemm64_t(int, int, int, int64_t, int64_t, int64_t, const void *, const void *, int64_t, const void *,
                              int64_t, const void *, void *, int64_t);
typedef void complex_gemm32_t(int, int, int, int, int, int, const void *, const void *, int, const void *, int,
                              const void *, void *, int);

typedef struct library {
    void *dgemm, *sgemm, *zgemm, *cgemm;        /* CBLAS entries; the last two may be missing */
    int bits;                   /* of its integers; 0: no library */
    const char *provider;
    void *handle;
    const char *prefix, *suffix;        /* of the names of its functions */
    char symbol[64], version[160], path[PATH_MAX];
    int (*get_threads)(void);
} library;

static library fallback = {.provider = "fallback"};
static _Atomic(library *) chosen;
static pthread_mutex_t choosing = PTHREAD_MUTEX_INITIALIZER;
static char own_directory[PATH_MAX];            /* site-packages, the folder numpy/ stands in */

/* -- calls: our arguments to CBLAS's ------------------------------------------------------------------------- */

static library *resolved(void);

static int fits(int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc)
{
    return m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX;
}

/* CBLAS wants leading dimensions >= 1 also of empty matrices. */
static inline int64_t at_least_1(int64_t n)
{
    return n < 1 ? 1 : n;
}

/* What 32-bit integers can't hold, and what has no library, is done by gemm.c. */
#define GEMM(x, T) \
    static void x##gemm_chosen(int ta, int tb, int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t lda, \
                               const T *b, int64_t ldb, T beta, T *c, int64_t ldc) \
    { \
        const library *to = resolved(); \
        int op_a = ta ? TRANS : NO_TRANS, op_b = tb ? TRANS : NO_TRANS; \
        lda = at_least_1(lda); \
        ldb = at_least_1(ldb); \
        ldc = at_least_1(ldc); \
        if (to->bits == 64) \
            ((x##gemm64_t *)to->x##gemm)(ROW_MAJOR, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc); \
        else if (to->bits == 32 && fits(m, n, k, lda, ldb, ldc)) \
            ((x##gemm32_t *)to->x##gemm)(ROW_MAJOR, op_a, op_b, (int)m, (int)n, (int)k, alpha, a, (int)lda, b, \
                                         (int)ldb, beta, c, (int)ldc); \
        else \
            gradc_##x##gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc); \
    }
GEMM(d, double)
GEMM(s, float)

#define COMPLEX_GEMM(x, T) \
    static void x##gemm_chosen(int ta, int tb, int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t lda, \
                               const T *b, int64_t ldb, T beta, T *c, int64_t ldc) \
    { \
        const library *to = resolved(); \
        lda = at_least_1(lda); \
        ldb = at_least_1(ldb); \
        ldc = at_least_1(ldc); \
        if (to->x##gemm && to->bits == 64) \
            ((complex_gemm64_t *)to->x##gemm)(ROW_MAJOR, NO_TRANS + ta, NO_TRANS + tb, m, n, k, &alpha, a, lda, b, ldb, \
                                              &beta, c, ldc); \
        else if (to->x##gemm && to->bits == 32 && fits(m, n, k, lda, ldb, ldc)) \
            ((complex_gemm32_t *)to->x##gemm)(ROW_MAJOR, NO_TRANS + ta, NO_TRANS + tb, (int)m, (int)n, (int)k, &alpha, a, \
                                              (int)lda, b, (int)ldb, &beta, c, (int)ldc); \
        else \
            gradc_##x##gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc); \
    }
COMPLEX_GEMM(z, double _Complex)
COMPLEX_GEMM(c, float _Complex)

/* -- libraries: names of their symbols ----------------------------------------------------------------------- */

static const struct {
    const char *prefix, *suffix;
    int bits;
} spellings[] = {
    {"scipy_", "64_", 64},      /* scipy-openblas64, NumPy's and SciPy's wheels  */
    {"scipy_", "", 32},         /* scipy-openblas32                              */
    {"", "64_", 64},            /* OpenBLAS built with SYMBOLSUFFIX=64_          */
    {"", "", 32},               /* everybody else                                */
};

static void *symbol(void *handle, const char *prefix, const char *name, const char *suffix)
{
    char text[64];
    snprintf(text, sizeof text, "%s%s%s", prefix, name, suffix);
    return dlsym(handle, text);
}

static void *find_chosen(const char *name, int *bits)
{
    const library *to = resolved();
    *bits = to->bits;
    return to->bits ? symbol(to->handle, to->prefix, name, to->suffix) : NULL;
}

static void *find_none(const char *name, int *bits)
{
    (void)name;
    *bits = 0;
    return NULL;
}

const gradc_blas gradc_blas_chosen = {dgemm_chosen, sgemm_chosen, zgemm_chosen, cgemm_chosen, find_chosen};
const gradc_blas gradc_blas_own = {gradc_dgemm, gradc_sgemm, gradc_zgemm, gradc_cgemm, find_none};

/* Plain "cblas_dgemm" means 64-bit integers in an OpenBLAS that says so. */
static int wide_integers(const char *config)
{
    return config && strstr(config, "USE64BITINT") != NULL;
}

/* The file dgemm lives in; `fallback_path` if the linker does not say. */
static void set_path(library *to, const char *fallback_path)
{
    Dl_info info;
    const char *path = dladdr(to->dgemm, &info) && info.dli_fname ? info.dli_fname : fallback_path;
    snprintf(to->path, sizeof to->path, "%s", path);
}

/* The library behind `handle`, or NULL (and the handle closed) if it has no gemm.  Never freed: kernels call it. */
static library *described(void *handle, const char *path, const char *provider)
{
    if (!handle)
        return NULL;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; ++i) {
        const char *prefix = spellings[i].prefix, *suffix = spellings[i].suffix;
        void *dgemm = symbol(handle, prefix, "cblas_dgemm", suffix);
        void *sgemm = symbol(handle, prefix, "cblas_sgemm", suffix);
        if (!dgemm || !sgemm)
            continue;
        library *made = calloc(1, sizeof *made);
        if (!made)
            break;
        char *(*get_config)(void) = NULL;
        *(void **)&get_config = symbol(handle, prefix, "openblas_get_config", suffix);
        *(void **)&made->get_threads = symbol(handle, prefix, "openblas_get_num_threads", suffix);
        const char *config = get_config ? get_config() : NULL;
        made->bits = wide_integers(config) ? 64 : spellings[i].bits;
        made->handle = handle;
        made->prefix = prefix;
        made->suffix = suffix;
        made->dgemm = dgemm;
        made->sgemm = sgemm;
        made->zgemm = symbol(handle, prefix, "cblas_zgemm", suffix);
        made->cgemm = symbol(handle, prefix, "cblas_cgemm", suffix);
        made->provider = provider;
        snprintf(made->symbol, sizeof made->symbol, "%scblas_dgemm%s", prefix, suffix);
        snprintf(made->version, sizeof made->version, "%s", config ? config : "");
        set_path(made, path);
        return made;
    }
    dlclose(handle);
    return NULL;
}

static library *opened(const char *path, const char *provider)
{
    return described(dlopen(path, RTLD_NOW | RTLD_LOCAL), path, provider);
}

/* -- providers ----------------------------------------------------------------------------------------------- */

typedef struct wanted {
    const char *directory;          /* a part that the path must have */
    char path[PATH_MAX];
} wanted;

static int is_openblas(const char *path)
{
    const char *name = strrchr(path, '/');
    return strstr(name ? name : path, "openblas") != NULL;
}

static int note_loaded(struct dl_phdr_info *info, size_t size, void *argument)
{
    wanted *w = argument;
    (void)size;
    if (!info->dlpi_name || !is_openblas(info->dlpi_name) || !strstr(info->dlpi_name, w->directory))
        return 0;
    snprintf(w->path, sizeof w->path, "%s", info->dlpi_name);
    return 1;
}

/* An OpenBLAS in the process whose path has `directory` in it. */
static library *loaded(const char *directory, const char *provider)
{
    wanted w = {.directory = directory};
    if (!dl_iterate_phdr(note_loaded, &w))
        return NULL;
    return described(dlopen(w.path, RTLD_NOW | RTLD_NOLOAD), w.path, provider);
}

/* An OpenBLAS in a folder of site-packages. */
static library *in_folder(const char *folder, const char *provider)
{
    char directory[PATH_MAX + 64], path[PATH_MAX + 512];
    if (!*own_directory)
        return NULL;
    snprintf(directory, sizeof directory, "%s/%s", own_directory, folder);
    DIR *listing = opendir(directory);
    if (!listing)
        return NULL;
    library *found = NULL;
    for (struct dirent *entry; !found && (entry = readdir(listing));) {
        if (!is_openblas(entry->d_name) || !strstr(entry->d_name, ".so"))
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        found = opened(path, provider);
    }
    closedir(listing);
    return found;
}

static library *from_numpy(void)
{
    library *found = loaded("/numpy.libs/", "numpy");
    return found ? found : loaded("/numpy/", "numpy");
}

static library *from_scipy(void)
{
    static const char *const folders[] = {"scipy_openblas64/lib", "scipy_openblas32/lib", "scipy.libs"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; ++i) {
        library *found = in_folder(folders[i], "scipy");
        if (found)
            return found;
    }
    return NULL;
}

static library *from_system(void)
{
    static const char *const names[] = {
        "libopenblas.so.0", "libopenblas64_.so.0", "libmkl_rt.so.2", "libmkl_rt.so.1", "libcblas.so.3", "libblis.so.4",
        "libblas.so.3", "libopenblas.so", "libmkl_rt.so", "libcblas.so"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        library *found = opened(names[i], "system");
        if (found)
            return found;
    }
    return NULL;
}

static library *by_kind(const char *kind)
{
    if (!strcmp(kind, "numpy"))
        return from_numpy();
    if (!strcmp(kind, "scipy"))
        return from_scipy();
    if (!strcmp(kind, "system"))
        return from_system();
    if (!strcmp(kind, "fallback"))
        return &fallback;
    library *found = from_numpy();
    if (!found)
        found = from_scipy();
    if (!found)
        found = from_system();
    return found ? found : &fallback;
}

static library *resolved(void)
{
    library *now = atomic_load_explicit(&chosen, memory_order_acquire);
    if (now)
        return now;
    pthread_mutex_lock(&choosing);
    now = atomic_load(&chosen);
    if (!now) {
        now = by_kind("auto");
        atomic_store_explicit(&chosen, now, memory_order_release);
    }
    pthread_mutex_unlock(&choosing);
    return now;
}

int gradc_blas_choose(const char *kind, const char *path)
{
    pthread_mutex_lock(&choosing);
    library *found = path ? opened(path, kind) : by_kind(kind);
    if (found)
        atomic_store_explicit(&chosen, found, memory_order_release);
    pthread_mutex_unlock(&choosing);
    return found ? 0 : -1;
}

void gradc_blas_describe(gradc_blas_description *out)
{
    library *now = resolved();
    *out = (gradc_blas_description){now->provider, now->path, now->version, now->symbol,
                                    now == &fallback ? 1 : now->get_threads ? now->get_threads() : 0};
}

void gradc_blas_start(const void *inside_numpy)
{
    Dl_info info;
    if (!dladdr(inside_numpy, &info) || !info.dli_fname || !realpath(info.dli_fname, own_directory)) {
        *own_directory = 0;
        return;
    }
    char *folder = NULL;                        /* .../site-packages/numpy/_core/_multiarray_umath...so */
    for (char *next = strstr(own_directory, "/numpy/"); next; next = strstr(next + 1, "/numpy/"))
        folder = next;
    if (folder)
        *folder = 0;
    else
        *own_directory = 0;
}
