/* dispatch.c: the extension gradc.runtime._dispatch, the way from a Python call into a generated unit.
 *
 * Here: the types Function (a compiled function) and BoundCall (a call whose memory is fixed), the pool's and the
 * BLAS table's Python names.  Not here: conversion of unusual arguments (`convert`, Python) and the texts of failed
 * checks (`fail`, Python).
 *
 * A call: arguments are checked and their addresses collected (exact arrays and plain numbers here, the rest by
 * `convert`); prepare computes the output shapes; outputs are allocated; entry computes, without the GIL.  All
 * state of a call is on its stack, so that one Function may run in many threads.  A Function with updates runs under
 * the locks of the containers it writes; new values are put in place after the unit returned success, by steps
 * that can't fail.
 *
 * The types and their helper data belong to the main interpreter (NumPy supports no other).
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "private.h"

_Static_assert(sizeof(npy_intp) == sizeof(int64_t), "gradc needs a 64-bit platform");

enum {
    WORK_ON_STACK = 2048,               /* bytes of a call's tables                       */
    ARENA_ON_STACK = 4096,
    MAX_RANK = 32,                      /* NumPy 1's; NumPy 2 has 64                      */
    ARENA_KEPT = 256 << 20,             /* a larger arena is given back after each call   */
    ARENA_PATIENCE = 64,                /* calls that need less than a quarter of it      */
    HUGE_PAGE = 2 << 20
};

static PyObject *BadArgumentError, *ExecutionError, *ShapeError;
static const char cleared[] = "this function has been cleared by the garbage collector";

/* ---- data -------------------------------------------------------------------------------------------------- */

/* The value of a 0-d input, copied: the unit reads it without the GIL. */
typedef union slot {
    double f64;
    float f32;
    int64_t i64;
    int32_t i32;
    int16_t i16;
    int8_t i8;
    char bytes[16];
} slot;

typedef struct input {
    PyObject *name;                     /* str, or NULL: by position only                 */
    PyObject *storage;                  /* list of a shared variable; NULL: an argument   */
    PyObject *preset;                   /* list with an argument's default, or NULL       */
    PyArray_Descr *descr;
    PyTypeObject *scalar;               /* NumPy's scalar type of this dtype              */
    int64_t low, high;                  /* range of an integer dtype, within int64        */
    const int64_t *shape;               /* static sizes, -1 where unknown                 */
    Py_ssize_t first;                   /* its first entry in frame.sizes                 */
    int type, ndim, strict;
    npy_intp itemsize;
} input;

typedef struct output {
    PyArray_Descr *descr;
    Py_ssize_t first;                   /* its first entry in frame.shapes                */
    int ndim, turn;
    PyObject *recent[2];                /* the last 0-d arrays: reused once the user has dropped them */
} output;

/* One for each container that some Function updates; found by the container's address. */
typedef struct storage_lock {
    struct storage_lock *next;
    PyObject *storage;
    pthread_mutex_t mutex;
    pthread_t owner;
    int held, users;
} storage_lock;

typedef struct update {
    PyObject *storage;                  /* list                                           */
    PyObject *spare;                    /* the array before last, if nobody else has it   */
    storage_lock *lock;
    Py_ssize_t output;
} update;

enum result_kind { RESULT_ONE, RESULT_LIST, RESULT_DICT };

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    int (*prepare)(gradc_frame *);
    int (*entry)(gradc_frame *);
    const gradc_blas *blas;
    input *inputs;
    output *outputs;
    update *updates;
    storage_lock **locks;               /* of the updates, by rising address              */
    Py_ssize_t *arguments;              /* input numbers of the explicit arguments        */
    Py_ssize_t *stored;                 /* input numbers of the shared variables          */
    const void **constants;
    int64_t *static_sizes;
    Py_ssize_t n_inputs, n_outputs, n_updates, n_arguments, n_stored, n_constants, n_results;
    Py_ssize_t n_sizes, n_shapes, work_bytes;
    enum result_kind kind;
    PyObject *title, *keys, *constant_arrays, *convert, *fail, *keep;
    PyObject *dict, *weakrefs;
} Function;

/* The tables of one call. */
typedef struct work {
    const void **data;                  /* n_inputs                                       */
    void **out_data;                    /* n_outputs                                      */
    PyObject **named;                   /* n_arguments: filled for calls with keywords    */
    PyObject *const *given;             /* n_arguments, borrowed; NULL: the default       */
    PyObject **held;                    /* n_inputs, owned or NULL                        */
    PyObject **results;                 /* n_outputs, owned or NULL                       */
    slot *scalars;                      /* n_inputs                                       */
    int64_t *sizes, *shapes;
} work;

static PyTypeObject *FunctionType, *BoundCallType;

/* ---- arena: scratch memory of a call ------------------------------------------------------------------------ */

static _Thread_local struct {
    char *block;
    int64_t bytes;
    int in_use, too_large;
} kept;
static pthread_key_t kept_key;

static char *get_block(int64_t bytes)
{
    void *block = NULL;
    if (bytes < 0 || posix_memalign(&block, bytes >= HUGE_PAGE ? HUGE_PAGE : 64, (size_t)bytes))
        return NULL;
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_PAGE)
        madvise(block, (size_t)bytes, MADV_HUGEPAGE);
#endif
    return block;
}

static void free_kept(void *unused)
{
    (void)unused;
    free(kept.block);
    kept.block = NULL;
    kept.bytes = 0;
}

/* The thread's block, larger if need be; a block of its own for a call inside a call. */
static char *get_arena(int64_t bytes)
{
    if (kept.in_use || bytes < 0 || bytes > ARENA_KEPT)
        return get_block(bytes);
    kept.too_large = bytes < kept.bytes / 4 ? kept.too_large + 1 : 0;
    if (bytes > kept.bytes || kept.too_large > ARENA_PATIENCE) {
        free_kept(NULL);
        int64_t rounded = (bytes + 4095) & ~(int64_t)4095;
        kept.block = get_block(rounded);
        if (!kept.block)
            return NULL;
        kept.bytes = rounded;
        kept.too_large = 0;
        pthread_setspecific(kept_key, &kept);           /* the destructor runs when the thread ends */
    }
    kept.in_use = 1;
    return kept.block;
}

static void put_arena(char *block)
{
    if (block == kept.block)
        kept.in_use = 0;
    else
        free(block);
}

/* ---- locks of shared variables ------------------------------------------------------------------------------ */

static storage_lock *all_locks;                         /* under the GIL */

static storage_lock *lock_of(PyObject *storage)
{
    for (storage_lock *lock = all_locks; lock; lock = lock->next)
        if (lock->storage == storage) {
            ++lock->users;
            return lock;
        }
    storage_lock *made = PyMem_RawCalloc(1, sizeof *made);
    if (!made)
        return NULL;
    pthread_mutex_init(&made->mutex, NULL);
    made->storage = storage;
    made->users = 1;
    made->next = all_locks;
    all_locks = made;
    return made;
}

static void drop_lock(storage_lock *lock)
{
    if (--lock->users)
        return;
    storage_lock **place = &all_locks;
    while (*place != lock)
        place = &(*place)->next;
    *place = lock->next;
    pthread_mutex_destroy(&lock->mutex);
    PyMem_RawFree(lock);
}

/* In a forked child the threads that held locks are gone; values are whole, since they change under the GIL. */
static void reset_locks(void)
{
    for (storage_lock *lock = all_locks; lock; lock = lock->next) {
        pthread_mutex_init(&lock->mutex, NULL);
        lock->held = 0;
    }
}

static void unlock_first(Function *self, Py_ssize_t n)
{
    while (n--) {
        self->locks[n]->held = 0;
        pthread_mutex_unlock(&self->locks[n]->mutex);
    }
}

/* All locks in the order of their addresses; waits without the GIL. */
static int lock_all(Function *self)
{
    for (Py_ssize_t k = 0; k < self->n_updates; ++k) {
        storage_lock *lock = self->locks[k];
        if (lock->held && pthread_equal(lock->owner, pthread_self())) {
            unlock_first(self, k);
            PyErr_Format(ExecutionError, "function %U was called while a call in the same thread updates the same shared "
                         "variables; call it after that one has returned", self->title);
            return -1;
        }
        if (pthread_mutex_trylock(&lock->mutex)) {
            Py_BEGIN_ALLOW_THREADS
            pthread_mutex_lock(&lock->mutex);
            Py_END_ALLOW_THREADS
        }
        lock->owner = pthread_self();
        lock->held = 1;
    }
    return 0;
}

/* ---- arguments ---------------------------------------------------------------------------------------------- */

static void lay_out(const Function *self, char *block, work *w)
{
    w->scalars = (slot *)block;
    w->held = (PyObject **)(w->scalars + self->n_inputs);
    w->results = w->held + self->n_inputs;
    w->named = w->results + self->n_outputs;
    w->data = (const void **)(w->named + self->n_arguments);
    w->out_data = (void **)(w->data + self->n_inputs);
    w->sizes = (int64_t *)(w->out_data + self->n_outputs);
    w->shapes = w->sizes + self->n_sizes;
    memset(w->held, 0, (size_t)(self->n_inputs + self->n_outputs) * sizeof(PyObject *));
}

/* Sizes of inputs, then of outputs: neighbours in the tables. */
static size_t bytes_of_sizes(const Function *self)
{
    return (size_t)(self->n_sizes + self->n_shapes) * sizeof(int64_t);
}

static Py_ssize_t bytes_of_work(const Function *self)
{
    Py_ssize_t pointers = 2 * self->n_inputs + 2 * self->n_outputs + self->n_arguments;
    return self->n_inputs * (Py_ssize_t)sizeof(slot) + pointers * (Py_ssize_t)sizeof(void *)
        + (Py_ssize_t)bytes_of_sizes(self);
}

static void release(const Function *self, work *w)
{
    for (Py_ssize_t i = 0; i < self->n_inputs + self->n_outputs; ++i)       /* held and results are neighbours */
        Py_CLEAR(w->held[i]);
}

static void store_integer(const input *in, long long n, slot *to)
{
    switch (in->itemsize) {
    case 1: to->i8 = (int8_t)n; break;
    case 2: to->i16 = (int16_t)n; break;
    case 4: to->i32 = (int32_t)n; break;
    default: to->i64 = n;
    }
}

/* A number that is taken as it is: 1, or 0 for what `convert` must judge.  A Python number must be exact in the
 * input's dtype. */
static int take_number(const input *in, PyObject *value, slot *to)
{
    PyTypeObject *type = Py_TYPE(value);
    if (in->type == NPY_DOUBLE) {
        if (type == &PyDoubleArrType_Type) {
            to->f64 = PyArrayScalar_VAL(value, Double);
            return 1;
        }
        if (type == &PyFloat_Type) {
            to->f64 = PyFloat_AS_DOUBLE(value);
            return 1;
        }
    } else if (in->type == NPY_FLOAT) {
        if (type == &PyFloatArrType_Type) {
            to->f32 = PyArrayScalar_VAL(value, Float);
            return 1;
        }
        if (type == &PyFloat_Type) {
            to->f32 = (float)PyFloat_AS_DOUBLE(value);
            return (double)to->f32 == PyFloat_AS_DOUBLE(value);
        }
    } else if (type == in->scalar) {
        PyArray_ScalarAsCtype(value, to);
        return 1;
    } else if (in->type == NPY_BOOL && type == &PyBool_Type) {
        to->i8 = value == Py_True;
        return 1;
    }
    if (type == &PyLong_Type && in->low < in->high) {
        int overflow;
        long long n = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow || n < in->low || n > in->high)
            return 0;
        if (in->type == NPY_DOUBLE)
            to->f64 = (double)n;
        else if (in->type == NPY_FLOAT)
            to->f32 = (float)n;
        else
            store_integer(in, n, to);
        return 1;
    }
    return 0;
}

/* dtype (byte order aside), rank and static sizes are those of the input. */
static inline int fits(const input *in, PyArrayObject *a)
{
    if (PyArray_TYPE(a) != in->type && !PyArray_EquivTypenums(PyArray_TYPE(a), in->type))
        return 0;
    if (PyArray_NDIM(a) != in->ndim)
        return 0;
    for (int d = 0; d < in->ndim; ++d)
        if (in->shape[d] >= 0 && in->shape[d] != PyArray_DIM(a, d))
            return 0;
    return 1;
}

/* The unit can read it where it is. */
static inline int is_plain(PyArrayObject *a)
{
    return PyArray_CHKFLAGS(a, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED) && PyArray_ISNOTSWAPPED(a);
}

static inline void accept(const input *in, work *w, Py_ssize_t i, PyArrayObject *a)
{
    for (int d = 0; d < in->ndim; ++d)
        w->sizes[in->first + d] = PyArray_DIM(a, d);
    if (in->ndim) {
        w->data[i] = PyArray_DATA(a);
    } else {
        memcpy(&w->scalars[i], PyArray_DATA(a), (size_t)in->itemsize);
        w->data[i] = &w->scalars[i];
    }
}

/* Everything that needs a copy or `convert`; the new array is kept in `held`. */
static int take_slowly(const Function *self, work *w, Py_ssize_t i, PyObject *value)
{
    const input *in = &self->inputs[i];
    PyObject *array;
    if (PyArray_CheckExact(value) && fits(in, (PyArrayObject *)value))
        array = Py_NewRef(value);
    else if (self->convert)
        array = PyObject_CallFunction(self->convert, "nO", i, value);
    else
        array = PyArray_FROM_O(value);
    if (!array)
        return -1;
    if (PyArray_Check(array) && !(PyArray_CheckExact(array) && is_plain((PyArrayObject *)array))) {
        Py_INCREF(in->descr);
        PyObject *plain = PyArray_FromArray((PyArrayObject *)array, in->descr, NPY_ARRAY_C_CONTIGUOUS |
                                            NPY_ARRAY_ALIGNED | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_ENSUREARRAY);
        Py_SETREF(array, plain);
        if (!array)
            return -1;
    }
    if (!PyArray_Check(array) || !fits(in, (PyArrayObject *)array)) {
        PyErr_Format(BadArgumentError, "function %U: input %zd does not have the dtype, rank or static shape that it was "
                     "compiled for", self->title, i);
        Py_DECREF(array);
        return -1;
    }
    accept(in, w, i, (PyArrayObject *)array);
    Py_XSETREF(w->held[i], array);
    return 0;
}

static inline int take(const Function *self, work *w, Py_ssize_t i, PyObject *value)
{
    const input *in = &self->inputs[i];
    if (in->ndim == 0 && !in->strict && take_number(in, value, &w->scalars[i])) {
        w->data[i] = &w->scalars[i];
        return 0;
    }
    if (PyArray_CheckExact(value) && fits(in, (PyArrayObject *)value) && is_plain((PyArrayObject *)value)) {
        accept(in, w, i, (PyArrayObject *)value);
        return 0;
    }
    return take_slowly(self, w, i, value);
}

/* The array in a container; another thread may replace it, so it is held. */
static int take_stored(const Function *self, work *w, Py_ssize_t i, PyObject *storage)
{
    if (!PyList_Check(storage) || PyList_GET_SIZE(storage) < 1) {
        PyErr_Format(ExecutionError, "function %U: the container of input %zd holds no value", self->title, i);
        return -1;
    }
    PyObject *value = Py_NewRef(PyList_GET_ITEM(storage, 0));
    Py_CLEAR(w->held[i]);
    int rc = take(self, w, i, value);
    if (rc || w->held[i])
        Py_DECREF(value);
    else
        w->held[i] = value;
    return rc;
}

static PyObject *names_of(const Function *self)
{
    PyObject *names = PyList_New(0), *comma = PyUnicode_FromString(", "), *text = NULL;
    for (Py_ssize_t k = 0; names && k < self->n_arguments; ++k) {
        PyObject *name = self->inputs[self->arguments[k]].name;
        if (name && PyList_Append(names, name))
            Py_CLEAR(names);
    }
    if (names && comma)
        text = PyList_GET_SIZE(names) ? PyUnicode_Join(comma, names) : PyUnicode_FromString("none");
    Py_XDECREF(names);
    Py_XDECREF(comma);
    return text;
}

static void raise_missing(const Function *self, Py_ssize_t k, Py_ssize_t got)
{
    PyObject *name = self->inputs[self->arguments[k]].name;
    PyObject *which = name ? Py_NewRef(name) : PyUnicode_FromFormat("at index %zd", k);
    if (which)
        PyErr_Format(BadArgumentError, "function %U needs a value for its input %U; it takes %zd argument(s), got %zd",
                     self->title, which, self->n_arguments, got);
    Py_XDECREF(which);
}

static void raise_unknown(const Function *self, PyObject *name)
{
    PyObject *names = names_of(self);
    if (names)
        PyErr_Format(BadArgumentError, "function %U has no input named %R; its named inputs: %U", self->title, name, names);
    Py_XDECREF(names);
}

/* The number of the argument with this name, tried first at `guess`; -1 if there is none. */
static Py_ssize_t find_name(const Function *self, PyObject *name, Py_ssize_t guess)
{
    for (Py_ssize_t j = 0; j < self->n_arguments; ++j) {
        Py_ssize_t k = (guess + j) % self->n_arguments;
        if (self->inputs[self->arguments[k]].name == name)
            return k;
    }
    for (Py_ssize_t k = 0; k < self->n_arguments; ++k) {
        PyObject *own = self->inputs[self->arguments[k]].name;
        if (own && PyUnicode_Compare(own, name) == 0)
            return k;
    }
    return -1;
}

/* Sets w->given; missing arguments must have a default. */
static int match(const Function *self, work *w, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    Py_ssize_t n_named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (n == self->n_arguments && !n_named) {
        w->given = args;
        return 0;
    }
    if (n > self->n_arguments) {
        PyErr_Format(BadArgumentError, "function %U takes %zd argument(s), got %zd", self->title, self->n_arguments, n);
        return -1;
    }
    w->given = w->named;
    for (Py_ssize_t k = 0; k < self->n_arguments; ++k)
        w->named[k] = k < n ? args[k] : NULL;
    for (Py_ssize_t j = 0; j < n_named; ++j) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, j);
        Py_ssize_t k = find_name(self, name, n + j);
        if (k < 0) {
            raise_unknown(self, name);
            return -1;
        }
        if (w->named[k]) {
            PyErr_Format(BadArgumentError, "function %U got two values for its input %R", self->title, name);
            return -1;
        }
        w->named[k] = args[n + j];
    }
    for (Py_ssize_t k = 0; k < self->n_arguments; ++k)
        if (!w->named[k] && !self->inputs[self->arguments[k]].preset) {
            raise_missing(self, k, n + n_named);
            return -1;
        }
    return 0;
}

static int take_given(const Function *self, work *w)
{
    for (Py_ssize_t k = 0; k < self->n_arguments; ++k)
        if (w->given[k] && take(self, w, self->arguments[k], w->given[k]))
            return -1;
    return 0;
}

/* Defaults and shared variables: after the locks are taken. */
static int take_containers(const Function *self, work *w)
{
    if (w->given == w->named)
        for (Py_ssize_t k = 0; k < self->n_arguments; ++k) {
            Py_ssize_t i = self->arguments[k];
            if (!w->given[k] && take_stored(self, w, i, self->inputs[i].preset))
                return -1;
        }
    for (Py_ssize_t k = 0; k < self->n_stored; ++k)
        if (take_stored(self, w, self->stored[k], self->inputs[self->stored[k]].storage))
            return -1;
    return 0;
}

/* ---- the unit ----------------------------------------------------------------------------------------------- */

static void set_frame(const Function *self, work *w, gradc_frame *frame)
{
    frame->inputs = w->data;
    frame->sizes = w->sizes;
    frame->outputs = w->out_data;
    frame->shapes = w->shapes;
    frame->constants = self->constants;
    frame->arena = NULL;
    frame->arena_bytes = 0;
    memset(frame->error, 0, sizeof frame->error);
    frame->parallel = gradc_pool_run;
    frame->blas = self->blas;
    frame->host = NULL;
}

static PyObject *integers(const int64_t *values, Py_ssize_t n)
{
    PyObject *made = PyTuple_New(n);
    for (Py_ssize_t i = 0; made && i < n; ++i) {
        PyObject *number = PyLong_FromLongLong(values[i]);
        if (!number)
            Py_CLEAR(made);
        else
            PyTuple_SET_ITEM(made, i, number);
    }
    return made;
}

/* The exception of a failed check, made by `fail`. */
static void raise_check(const Function *self, const gradc_frame *frame, int rc, const char *during)
{
    if (!self->fail) {
        if (rc == GRADC_NO_MEMORY)
            PyErr_Format(PyExc_MemoryError, "function %U could not allocate its memory", self->title);
        else
            PyErr_Format(ExecutionError, "function %U: check %d failed in %s", self->title, rc, during);
        return;
    }
    PyObject *values = integers(frame->error, 4), *sizes = integers(frame->sizes, self->n_sizes);
    PyObject *error = values && sizes ? PyObject_CallFunction(self->fail, "iOOs", rc, values, sizes, during) : NULL;
    Py_XDECREF(values);
    Py_XDECREF(sizes);
    if (!error)
        return;
    if (PyExceptionInstance_Check(error))
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    else
        PyErr_Format(ExecutionError, "function %U: check %d failed in %s", self->title, rc, during);
    Py_DECREF(error);
}

static PyObject *new_output(const Function *self, Py_ssize_t j, const int64_t *shape)
{
    const output *out = &self->outputs[j];
    for (int d = 0; d < out->ndim; ++d)
        if (shape[d] < 0) {
            PyErr_Format(ShapeError, "function %U: output %zd would have the negative size %lld in dimension %d", self->title,
                         j, (long long)shape[d], d);
            return NULL;
        }
    Py_INCREF(out->descr);
    PyObject *made = PyArray_NewFromDescr(&PyArray_Type, out->descr, out->ndim, (npy_intp *)shape, NULL, NULL, 0, NULL);
    if (!made && PyErr_ExceptionMatches(PyExc_ValueError))          /* the product of the sizes overflows */
        PyErr_Format(PyExc_MemoryError, "function %U: output %zd has more bytes than there are addresses", self->title, j);
    return made;
}

/* Is this array ours alone, as it was made, and of the shape that is needed? */
static int is_reusable(PyObject *old, const output *out, const int64_t *shape)
{
    PyArrayObject *a = (PyArrayObject *)old;
    if (Py_REFCNT(old) != 1 || PyArray_DESCR(a) != out->descr || PyArray_NDIM(a) != out->ndim
        || !PyArray_CHKFLAGS(a, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED | NPY_ARRAY_WRITEABLE | NPY_ARRAY_OWNDATA)
        || PyArray_BASE(a) || ((PyArrayObject_fields *)a)->weakreflist)
        return 0;
    for (int d = 0; d < out->ndim; ++d)
        if (PyArray_DIM(a, d) != shape[d])
            return 0;
    return 1;
}

/* A 0-d array: making one costs more than the rest of a call, so the last two are kept. */
static PyObject *scalar_output(Function *self, Py_ssize_t j)
{
    output *out = &self->outputs[j];
    for (int k = 0; k < 2; ++k)
        if (out->recent[k] && is_reusable(out->recent[k], out, NULL))
            return Py_NewRef(out->recent[k]);
    PyObject *made = new_output(self, j, NULL);
    if (made) {
        Py_XSETREF(out->recent[out->turn], Py_NewRef(made));
        out->turn ^= 1;
    }
    return made;
}

static int new_outputs(Function *self, work *w)
{
    for (Py_ssize_t k = 0; k < self->n_updates; ++k) {
        update *u = &self->updates[k];
        const int64_t *shape = w->shapes + self->outputs[u->output].first;
        if (u->spare && is_reusable(u->spare, &self->outputs[u->output], shape)) {
            w->results[u->output] = u->spare;
            u->spare = NULL;
        }
    }
    for (Py_ssize_t j = 0; j < self->n_outputs; ++j) {
        const output *out = &self->outputs[j];
        if (!w->results[j])
            w->results[j] = out->ndim || j >= self->n_results ? new_output(self, j, w->shapes + out->first)
                                                              : scalar_output(self, j);
        if (!w->results[j])
            return -1;
        w->out_data[j] = PyArray_DATA((PyArrayObject *)w->results[j]);
    }
    return 0;
}

/* The user's results out of references that are taken over (NULLs stay in their place). */
static PyObject *packed(const Function *self, PyObject **results)
{
    if (self->kind == RESULT_ONE) {
        PyObject *one = results[0];
        results[0] = NULL;
        return one;
    }
    if (self->kind == RESULT_DICT) {
        PyObject *made = PyDict_New();
        for (Py_ssize_t j = 0; made && j < self->n_results; ++j)
            if (PyDict_SetItem(made, PyTuple_GET_ITEM(self->keys, j), results[j]))
                Py_CLEAR(made);
        return made;
    }
    PyObject *made = PyList_New(self->n_results);
    for (Py_ssize_t j = 0; made && j < self->n_results; ++j) {
        PyList_SET_ITEM(made, j, results[j]);
        results[j] = NULL;
    }
    return made;
}

/* Put the new values of shared variables in place.  Nothing here can fail or run Python code; what is to be released
 * goes to w->results. */
static void commit(Function *self, work *w)
{
    for (Py_ssize_t k = 0; k < self->n_updates; ++k) {
        update *u = &self->updates[k];
        PyObject *old = PyList_GET_ITEM(u->storage, 0);
        PyList_SET_ITEM(u->storage, 0, w->results[u->output]);
        for (Py_ssize_t i = 0; i < self->n_inputs; ++i)
            if (w->held[i] == old) {                            /* read by this very call */
                w->held[i] = NULL;
                Py_DECREF(old);
            }
        if (PyArray_CheckExact(old) && Py_REFCNT(old) == 1) {
            w->results[u->output] = u->spare;
            u->spare = old;
        } else {
            w->results[u->output] = old;
        }
    }
}

static int containers_intact(const Function *self)
{
    for (Py_ssize_t k = 0; k < self->n_updates; ++k)
        if (PyList_GET_SIZE(self->updates[k].storage) < 1) {
            PyErr_Format(ExecutionError, "function %U: the container of an updated variable holds no value", self->title);
            return 0;
        }
    return 1;
}

static PyObject *run(Function *self, work *w)
{
    if ((self->n_stored || w->given == w->named) && take_containers(self, w))
        return NULL;
    gradc_frame frame;
    set_frame(self, w, &frame);
    int rc = self->prepare(&frame);
    if (rc) {
        raise_check(self, &frame, rc, "prepare");
        return NULL;
    }
    if (new_outputs(self, w))
        return NULL;

    _Alignas(64) char small[ARENA_ON_STACK];
    frame.arena = small;
    if (frame.arena_bytes < 0 || frame.arena_bytes > ARENA_ON_STACK) {
        frame.arena = get_arena(frame.arena_bytes);
        if (!frame.arena) {
            raise_check(self, &frame, GRADC_NO_MEMORY, "prepare");
            return NULL;
        }
    }
    char *arena = frame.arena;
    PyThreadState *state = PyEval_SaveThread();
    rc = self->entry(&frame);
    PyEval_RestoreThread(state);
    if (arena != small)
        put_arena(arena);
    if (rc) {
        raise_check(self, &frame, rc, "entry");
        return NULL;
    }
    if (self->n_updates && !containers_intact(self))
        return NULL;
    PyObject *result = packed(self, w->results);
    if (result && self->n_updates)
        commit(self, w);
    return result;
}

static PyObject *function_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Function *self = (Function *)callable;
    _Alignas(16) char stack[WORK_ON_STACK];
    char *block = stack;
    work w;
    if (!self->entry) {
        PyErr_SetString(ExecutionError, cleared);
        return NULL;
    }
    if (self->work_bytes > WORK_ON_STACK && !(block = PyMem_Malloc((size_t)self->work_bytes)))
        return PyErr_NoMemory();
    lay_out(self, block, &w);
    PyObject *result = NULL;
    if (!match(self, &w, args, PyVectorcall_NARGS(nargsf), kwnames) && !take_given(self, &w)) {
        if (!self->n_updates) {
            result = run(self, &w);
        } else if (!lock_all(self)) {
            result = run(self, &w);
            unlock_first(self, self->n_updates);
        }
    }
    release(self, &w);
    if (block != stack)
        PyMem_Free(block);
    return result;
}

/* ---- Function: making and freeing --------------------------------------------------------------------------- */

static int function_traverse(Function *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->dict);
    Py_VISIT(self->keys);
    Py_VISIT(self->constant_arrays);
    Py_VISIT(self->convert);
    Py_VISIT(self->fail);
    Py_VISIT(self->keep);
    for (Py_ssize_t i = 0; self->inputs && i < self->n_inputs; ++i) {
        Py_VISIT(self->inputs[i].storage);
        Py_VISIT(self->inputs[i].preset);
    }
    for (Py_ssize_t k = 0; self->updates && k < self->n_updates; ++k) {
        Py_VISIT(self->updates[k].storage);
        Py_VISIT(self->updates[k].spare);
    }
    return 0;
}

/* Breaks cycles only; storages and locks, needed to be consistent, go with the object. */
static int function_clear(Function *self)
{
    self->entry = NULL;
    Py_CLEAR(self->dict);
    Py_CLEAR(self->convert);
    Py_CLEAR(self->fail);
    for (Py_ssize_t i = 0; self->inputs && i < self->n_inputs; ++i)
        Py_CLEAR(self->inputs[i].preset);
    Py_CLEAR(self->keep);
    return 0;
}

static void function_dealloc(Function *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs)
        PyObject_ClearWeakRefs((PyObject *)self);
    function_clear(self);
    for (Py_ssize_t k = 0; self->updates && k < self->n_updates; ++k) {
        if (self->updates[k].lock)
            drop_lock(self->updates[k].lock);
        Py_XDECREF(self->updates[k].spare);
        Py_XDECREF(self->updates[k].storage);
    }
    for (Py_ssize_t i = 0; self->inputs && i < self->n_inputs; ++i) {
        Py_XDECREF(self->inputs[i].name);
        Py_XDECREF(self->inputs[i].storage);
        Py_XDECREF(self->inputs[i].descr);
    }
    for (Py_ssize_t j = 0; self->outputs && j < self->n_outputs; ++j) {
        Py_XDECREF(self->outputs[j].recent[0]);
        Py_XDECREF(self->outputs[j].recent[1]);
        Py_XDECREF(self->outputs[j].descr);
    }
    Py_XDECREF(self->title);
    Py_XDECREF(self->keys);
    Py_XDECREF(self->constant_arrays);
    PyMem_Free(self->inputs);
    PyMem_Free(self->outputs);
    PyMem_Free(self->updates);
    PyMem_Free(self->locks);
    PyMem_Free(self->arguments);
    PyMem_Free(self->stored);
    PyMem_Free(self->constants);
    PyMem_Free(self->static_sizes);
    type->tp_free(self);
    Py_DECREF(type);
}

/* A table of `n` zeroed items, of at least one; NULL with MemoryError. */
static void *table_of(Py_ssize_t n, size_t item)
{
    void *made = PyMem_Calloc((size_t)(n > 0 ? n : 1), item);
    if (!made)
        PyErr_NoMemory();
    return made;
}

static int set_optional(PyObject **field, PyObject *value)
{
    *field = value && value != Py_None ? Py_NewRef(value) : NULL;
    return 0;
}

static int set_container(PyObject **field, PyObject *value, const char *what)
{
    if (value != Py_None && !PyList_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be a list or None, got %R", what, value);
        return -1;
    }
    return set_optional(field, value);
}

/* The range of integers that a dtype holds exactly; empty (low > high) where Python ints go to `convert`. */
static void set_range(input *in)
{
    in->low = 1;
    in->high = 0;
    if (in->type == NPY_DOUBLE || in->type == NPY_FLOAT) {
        in->high = in->type == NPY_DOUBLE ? (int64_t)1 << 53 : (int64_t)1 << 24;
        in->low = -in->high;
    } else if (PyTypeNum_ISUNSIGNED(in->type)) {
        in->low = 0;
        in->high = in->itemsize >= 8 ? INT64_MAX : ((int64_t)1 << 8 * in->itemsize) - 1;
    } else if (PyTypeNum_ISSIGNED(in->type)) {
        in->high = in->itemsize >= 8 ? INT64_MAX : ((int64_t)1 << (8 * in->itemsize - 1)) - 1;
        in->low = -in->high - 1;
    }
}

/* (name, dtype, shape, storage, default[, strict]) */
static int set_input(Function *self, Py_ssize_t i, PyObject *spec, int64_t *shape)
{
    input *in = &self->inputs[i];
    PyObject *name, *dtype, *sizes, *storage, *preset;
    if (!PyTuple_Check(spec) || !PyArg_ParseTuple(spec, "OOO!OO|p;an input is (name, dtype, shape, storage, default[, strict])",
                                                  &name, &dtype, &PyTuple_Type, &sizes, &storage, &preset, &in->strict))
        return -1;
    if (name != Py_None) {
        if (!PyUnicode_Check(name)) {
            PyErr_Format(PyExc_TypeError, "the name of input %zd must be a string or None, got %R", i, name);
            return -1;
        }
        in->name = Py_NewRef(name);
        PyUnicode_InternInPlace(&in->name);
    }
    if (!PyArray_DescrConverter(dtype, &in->descr) || set_container(&in->storage, storage, "a storage")
        || set_container(&in->preset, preset, "a default"))
        return -1;
    in->type = in->descr->type_num;
    in->itemsize = PyDataType_ELSIZE(in->descr);
    in->scalar = in->descr->typeobj;
    if (!PyTypeNum_ISNUMBER(in->type) && in->type != NPY_BOOL) {
        PyErr_Format(PyExc_TypeError, "input %zd has the dtype %R, which units do not know", i, in->descr);
        return -1;
    }
    set_range(in);
    if (PyTuple_GET_SIZE(sizes) > MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "input %zd has rank %zd; at most %d is possible", i, PyTuple_GET_SIZE(sizes),
                     MAX_RANK);
        return -1;
    }
    in->ndim = (int)PyTuple_GET_SIZE(sizes);
    in->shape = shape;
    in->first = self->n_sizes;
    self->n_sizes += in->ndim;
    for (int d = 0; d < in->ndim; ++d) {
        shape[d] = PyLong_AsLongLong(PyTuple_GET_ITEM(sizes, d));
        if (shape[d] == -1 && PyErr_Occurred())
            return -1;
    }
    if (in->storage)
        self->stored[self->n_stored++] = i;
    else
        self->arguments[self->n_arguments++] = i;
    return 0;
}

static int set_inputs(Function *self, PyObject *specs)
{
    Py_ssize_t rank = 0;
    self->n_inputs = PyTuple_GET_SIZE(specs);
    for (Py_ssize_t i = 0; i < self->n_inputs; ++i) {
        PyObject *spec = PyTuple_GET_ITEM(specs, i);
        if (PyTuple_Check(spec) && PyTuple_GET_SIZE(spec) > 2 && PyTuple_Check(PyTuple_GET_ITEM(spec, 2)))
            rank += PyTuple_GET_SIZE(PyTuple_GET_ITEM(spec, 2));
    }
    if (!(self->inputs = table_of(self->n_inputs, sizeof(input)))
        || !(self->arguments = table_of(self->n_inputs, sizeof(Py_ssize_t)))
        || !(self->stored = table_of(self->n_inputs, sizeof(Py_ssize_t)))
        || !(self->static_sizes = table_of(rank, sizeof(int64_t))))
        return -1;
    for (Py_ssize_t i = 0; i < self->n_inputs; ++i)
        if (set_input(self, i, PyTuple_GET_ITEM(specs, i), self->static_sizes + self->n_sizes))
            return -1;
    return 0;
}

static int set_outputs(Function *self, PyObject *specs)
{
    self->n_outputs = PyTuple_GET_SIZE(specs);
    if (!(self->outputs = table_of(self->n_outputs, sizeof(output))))
        return -1;
    for (Py_ssize_t j = 0; j < self->n_outputs; ++j) {
        output *out = &self->outputs[j];
        PyObject *dtype, *spec = PyTuple_GET_ITEM(specs, j);
        if (!PyTuple_Check(spec) || !PyArg_ParseTuple(spec, "Oi;an output is (dtype, rank)", &dtype, &out->ndim)
            || !PyArray_DescrConverter(dtype, &out->descr))
            return -1;
        if (out->ndim < 0 || out->ndim > MAX_RANK) {
            PyErr_Format(PyExc_ValueError, "output %zd has rank %d; at most %d is possible", j, out->ndim, MAX_RANK);
            return -1;
        }
        out->first = self->n_shapes;
        self->n_shapes += out->ndim;
    }
    return 0;
}

static int by_address(const void *a, const void *b)
{
    storage_lock *const *x = a, *const *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int set_updates(Function *self, PyObject *specs)
{
    Py_ssize_t n = PyTuple_GET_SIZE(specs);
    if (!(self->updates = table_of(n, sizeof(update))) || !(self->locks = table_of(n, sizeof(storage_lock *))))
        return -1;
    self->n_updates = n;
    for (Py_ssize_t k = 0; k < n; ++k) {
        update *u = &self->updates[k];
        PyObject *storage, *spec = PyTuple_GET_ITEM(specs, k);
        if (!PyTuple_Check(spec) || !PyArg_ParseTuple(spec, "nO!;an update is (output, list)", &u->output, &PyList_Type,
                                                      &storage))
            return -1;
        u->storage = Py_NewRef(storage);
        if (u->output < self->n_results || u->output >= self->n_outputs) {
            PyErr_Format(PyExc_ValueError, "update %zd takes output %zd, but new values are outputs %zd to %zd", k,
                         u->output, self->n_results, self->n_outputs - 1);
            return -1;
        }
        for (Py_ssize_t other = 0; other < k; ++other)
            if (self->updates[other].storage == storage || self->updates[other].output == u->output) {
                PyErr_Format(PyExc_ValueError, "updates %zd and %zd share a container or an output", other, k);
                return -1;
            }
        if (!(u->lock = lock_of(storage))) {
            PyErr_NoMemory();
            return -1;
        }
        self->locks[k] = u->lock;
    }
    qsort(self->locks, (size_t)n, sizeof *self->locks, by_address);
    return 0;
}

static int set_constants(Function *self, PyObject *arrays)
{
    self->n_constants = PyTuple_GET_SIZE(arrays);
    self->constant_arrays = PyTuple_New(self->n_constants);
    if (!self->constant_arrays || !(self->constants = table_of(self->n_constants, sizeof(void *))))
        return -1;
    for (Py_ssize_t k = 0; k < self->n_constants; ++k) {
        PyObject *plain = PyArray_FROM_OF(PyTuple_GET_ITEM(arrays, k), NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED |
                                          NPY_ARRAY_NOTSWAPPED);
        if (!plain)
            return -1;
        PyTuple_SET_ITEM(self->constant_arrays, k, plain);
        self->constants[k] = PyArray_DATA((PyArrayObject *)plain);
    }
    return 0;
}

static int set_result(Function *self, PyObject *kind, PyObject *keys)
{
    if (PyUnicode_CompareWithASCIIString(kind, "one") == 0)
        self->kind = RESULT_ONE;
    else if (PyUnicode_CompareWithASCIIString(kind, "list") == 0 || PyUnicode_CompareWithASCIIString(kind, "none") == 0)
        self->kind = RESULT_LIST;               /* no outputs: an empty list, as in Aesara */
    else if (PyUnicode_CompareWithASCIIString(kind, "dict") == 0)
        self->kind = RESULT_DICT;
    else {
        PyErr_Format(PyExc_ValueError, "result must be 'one', 'list', 'dict' or 'none', got %R", kind);
        return -1;
    }
    if (self->n_results < 0 || self->n_results > self->n_outputs || (self->kind == RESULT_ONE && self->n_results != 1)) {
        PyErr_Format(PyExc_ValueError, "n_results is %zd, with %zd output(s)", self->n_results, self->n_outputs);
        return -1;
    }
    if (self->kind == RESULT_DICT) {
        self->keys = keys && keys != Py_None ? PySequence_Tuple(keys) : PyTuple_New(0);
        if (!self->keys)
            return -1;
        if (PyTuple_GET_SIZE(self->keys) != self->n_results) {
            PyErr_Format(PyExc_ValueError, "%zd keys for %zd results", PyTuple_GET_SIZE(self->keys), self->n_results);
            return -1;
        }
    }
    return 0;
}

/* Run `set` on a sequence as a tuple (an empty one for NULL). */
static int set_tuple(Function *self, PyObject *sequence, int (*set)(Function *, PyObject *))
{
    PyObject *items = sequence && sequence != Py_None ? PySequence_Tuple(sequence) : PyTuple_New(0);
    int rc = items ? set(self, items) : -1;
    Py_XDECREF(items);
    return rc;
}

static PyObject *function_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "prepare", "entry", "inputs", "outputs", "constants", "n_results", "result", "keys",
                            "updates", "convert", "fail", "keep", "deterministic", NULL};
    PyObject *name = NULL, *prepare = NULL, *entry = NULL, *inputs = NULL, *outputs = NULL, *constants = NULL;
    PyObject *result = NULL, *keys = NULL, *updates = NULL, *convert = NULL, *fail = NULL, *keep = NULL;
    Py_ssize_t n_results = -1;
    int deterministic = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$UO!O!OOOnUOOOOOp:Function", names, &name, &PyLong_Type, &prepare,
                                     &PyLong_Type, &entry, &inputs, &outputs, &constants, &n_results, &result, &keys,
                                     &updates, &convert, &fail, &keep, &deterministic))
        return NULL;
    if (!name || !prepare || !entry || !inputs || !outputs || !result) {
        PyErr_SetString(PyExc_TypeError, "Function needs name, prepare, entry, inputs, outputs, n_results and result");
        return NULL;
    }
    Function *self = (Function *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->vectorcall = function_call;
    self->title = Py_NewRef(name);
    self->n_results = n_results;
    self->blas = deterministic ? &gradc_blas_own : &gradc_blas_chosen;
    set_optional(&self->convert, convert);
    set_optional(&self->fail, fail);
    set_optional(&self->keep, keep);
    *(void **)&self->prepare = PyLong_AsVoidPtr(prepare);
    *(void **)&self->entry = PyLong_AsVoidPtr(entry);
    if (!PyErr_Occurred() && (!self->prepare || !self->entry))
        PyErr_SetString(PyExc_ValueError, "prepare and entry must be addresses");
    if (PyErr_Occurred() || set_tuple(self, inputs, set_inputs) || set_tuple(self, outputs, set_outputs)
        || set_result(self, result, keys) || set_tuple(self, updates, set_updates)
        || set_tuple(self, constants, set_constants)) {
        Py_DECREF(self);
        return NULL;
    }
    self->work_bytes = bytes_of_work(self);
    return (PyObject *)self;
}

static PyObject *function_repr(Function *self)
{
    return PyUnicode_FromFormat("<gradc function %U>", self->title);
}

/* ---- BoundCall ---------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    Function *function;
    gradc_frame frame;
    work w;
    char *block, *arena;
    int64_t arena_bytes;                /* allocated                                              */
    int64_t *bound_sizes;               /* of inputs and outputs, as bound                        */
    Py_ssize_t *live;                   /* 0-d integer arguments: read anew, for sizes may depend on them */
    Py_ssize_t n_live;
    int changing;                       /* has live arguments or shared variables                 */
    int busy;
    PyObject *out;
    PyObject *weakrefs;
} BoundCall;

static int grow_arena(BoundCall *self)
{
    if (self->arena && self->frame.arena_bytes >= 0 && self->frame.arena_bytes <= self->arena_bytes)
        return 0;
    free(self->arena);
    self->arena_bytes = self->frame.arena_bytes > 64 ? self->frame.arena_bytes : 64;
    self->arena = self->frame.arena_bytes < 0 ? NULL : get_block(self->arena_bytes);
    self->frame.arena = self->arena;
    if (self->arena)
        return 0;
    self->arena_bytes = 0;
    raise_check(self->function, &self->frame, GRADC_NO_MEMORY, "prepare");
    return -1;
}

/* Shared variables and integers as they are now; sizes must be those that were bound. */
static int refresh(BoundCall *self)
{
    Function *f = self->function;
    work *w = &self->w;
    for (Py_ssize_t k = 0; k < self->n_live; ++k) {
        Py_ssize_t i = self->live[k];
        memcpy(&w->scalars[i], PyArray_DATA((PyArrayObject *)w->held[i]), (size_t)f->inputs[i].itemsize);
    }
    for (Py_ssize_t k = 0; k < f->n_stored; ++k) {
        Py_ssize_t i = f->stored[k];
        const input *in = &f->inputs[i];
        if (in->ndim && PyList_GET_SIZE(in->storage) && PyList_GET_ITEM(in->storage, 0) == w->held[i])
            continue;
        if (take_stored(f, w, i, in->storage))
            return -1;
    }
    int rc = f->prepare(&self->frame);
    if (rc) {
        raise_check(f, &self->frame, rc, "prepare");
        return -1;
    }
    if (memcmp(self->bound_sizes, w->sizes, bytes_of_sizes(f))) {
        PyErr_Format(ExecutionError, "bound call of function %U: a size has changed since it was bound; bind again",
                     f->title);
        return -1;
    }
    return grow_arena(self);
}

static PyObject *bound_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    BoundCall *self = (BoundCall *)callable;
    (void)args;
    if (PyVectorcall_NARGS(nargsf) || (kwnames && PyTuple_GET_SIZE(kwnames))) {
        PyErr_Format(BadArgumentError, "a bound call of function %U takes no arguments; they were given to bind",
                     self->function->title);
        return NULL;
    }
    if (!self->function->entry) {
        PyErr_SetString(ExecutionError, cleared);
        return NULL;
    }
    if (self->busy) {
        PyErr_Format(ExecutionError, "this bound call of function %U is running in another thread; bind one for each "
                     "thread", self->function->title);
        return NULL;
    }
    self->busy = 1;
    int rc = -1;
    if (!self->changing || !refresh(self)) {
        PyThreadState *state = PyEval_SaveThread();
        rc = self->function->entry(&self->frame);
        PyEval_RestoreThread(state);
        if (rc)
            raise_check(self->function, &self->frame, rc, "entry");
    }
    self->busy = 0;
    if (rc)
        return NULL;
    Py_RETURN_NONE;
}

/* An array argument: its own memory is bound, so it must be as the unit reads it. */
static int bind_array(BoundCall *self, Py_ssize_t i, PyObject *value)
{
    Function *f = self->function;
    const input *in = &f->inputs[i];
    PyArrayObject *a = (PyArrayObject *)value;
    work *w = &self->w;
    if (!fits(in, a) || !is_plain(a)) {
        const char *why = !fits(in, a) ? "its dtype, rank or static shape differs"
            : PyArray_IS_C_CONTIGUOUS(a) ? "it is not aligned or not in native byte order" : "it is not C-contiguous";
        PyObject *shape = PyObject_GetAttrString(value, "shape");
        if (shape)
            PyErr_Format(BadArgumentError, "function %U can't be bound to the array of dtype %S and shape %S given for input "
                         "%zd: %s, and a copy would not follow it; expected a C-contiguous array of dtype %S and rank "
                         "%d", f->title, PyArray_DESCR(a), shape, i, why, in->descr, in->ndim);
        Py_XDECREF(shape);
        return -1;
    }
    accept(in, w, i, a);
    Py_XSETREF(w->held[i], Py_NewRef(value));
    if (in->ndim == 0) {
        if (PyTypeNum_ISINTEGER(in->type) || in->type == NPY_BOOL)
            self->live[self->n_live++] = i;
        else
            w->data[i] = PyArray_DATA(a);
    }
    return 0;
}

static int bind_arguments(BoundCall *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    Function *f = self->function;
    work *w = &self->w;
    if (match(f, w, args, n, kwnames))
        return -1;
    for (Py_ssize_t k = 0; k < f->n_arguments; ++k) {
        Py_ssize_t i = f->arguments[k];
        PyObject *value = w->given[k];
        if (value && (PyArray_Check(value) ? bind_array(self, i, value) : take(f, w, i, value)))
            return -1;
    }
    return take_containers(f, w);
}

static int check_out(const Function *f, Py_ssize_t j, const int64_t *shape, PyObject *given)
{
    const output *out = &f->outputs[j];
    PyArrayObject *a = (PyArrayObject *)given;
    const char *why = NULL;
    if (!PyArray_Check(given))
        why = "is not an array";
    else if (!PyArray_EquivTypenums(PyArray_TYPE(a), out->descr->type_num) || !PyArray_ISNOTSWAPPED(a))
        why = "has another dtype";
    else if (PyArray_NDIM(a) != out->ndim)
        why = "has another rank";
    else if (!PyArray_CHKFLAGS(a, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED | NPY_ARRAY_WRITEABLE))
        why = "is not C-contiguous, aligned and writeable";
    else
        for (int d = 0; d < out->ndim && !why; ++d)
            if (PyArray_DIM(a, d) != shape[d])
                why = "has another shape";
    if (!why)
        return 0;
    PyObject *wanted = integers(shape, out->ndim);
    if (wanted)
        PyErr_Format(BadArgumentError, "out for output %zd of function %U %s: expected a C-contiguous array of dtype %S and "
                     "shape %S, got %R", j, f->title, why, out->descr, wanted,
                     PyArray_Check(given) ? (PyObject *)PyArray_DESCR(a) : (PyObject *)Py_TYPE(given));
    Py_XDECREF(wanted);
    return -1;
}

/* The array given for output j, borrowed; NULL without error if there is none. */
static PyObject *out_item(const Function *f, PyObject *out, Py_ssize_t j)
{
    if (f->kind == RESULT_ONE)
        return out;
    if (f->kind == RESULT_DICT)
        return PyDict_GetItemWithError(out, PyTuple_GET_ITEM(f->keys, j));
    return PySequence_Fast_GET_ITEM(out, j);
}

/* Is `out` of the kind of the function's result?  Returns a new reference to what out_item reads. */
static PyObject *checked_out(const Function *f, PyObject *out)
{
    if (f->kind == RESULT_ONE)
        return Py_NewRef(out);
    if (f->kind == RESULT_DICT) {
        if (!PyDict_Check(out)) {
            PyErr_Format(BadArgumentError, "out of function %U must be a dict with the keys %R", f->title, f->keys);
            return NULL;
        }
        PyObject *key, *value;
        for (Py_ssize_t at = 0; PyDict_Next(out, &at, &key, &value);) {
            int known = PySequence_Contains(f->keys, key);
            if (known < 0)
                return NULL;
            if (!known) {
                PyErr_Format(BadArgumentError, "out of function %U has the key %R; its keys are %R", f->title, key, f->keys);
                return NULL;
            }
        }
        return Py_NewRef(out);
    }
    PyObject *items = PyArray_Check(out) ? NULL : PySequence_Fast(out, "");
    if (!items || PySequence_Fast_GET_SIZE(items) != f->n_results) {
        Py_CLEAR(items);
        PyErr_Clear();
        PyErr_Format(BadArgumentError, "out of function %U must be a list of %zd array(s)", f->title, f->n_results);
    }
    return items;
}

static int bind_outputs(BoundCall *self, PyObject *out)
{
    Function *f = self->function;
    work *w = &self->w;
    PyObject *given = out ? checked_out(f, out) : NULL;
    if (out && !given)
        return -1;
    int rc = 0;
    for (Py_ssize_t j = 0; !rc && j < f->n_outputs; ++j) {
        const int64_t *shape = w->shapes + f->outputs[j].first;
        PyObject *item = given ? out_item(f, given, j) : NULL;
        if (PyErr_Occurred()) {
            rc = -1;
        } else if (item && item != Py_None) {
            rc = check_out(f, j, shape, item);
            w->results[j] = rc ? NULL : Py_NewRef(item);
        } else {
            w->results[j] = new_output(f, j, shape);
            rc = w->results[j] ? 0 : -1;
        }
        if (!rc)
            w->out_data[j] = PyArray_DATA((PyArrayObject *)w->results[j]);
    }
    Py_XDECREF(given);
    return rc;
}

static int overlap(PyObject *x, PyObject *y)
{
    PyArrayObject *a = (PyArrayObject *)x, *b = (PyArrayObject *)y;
    const char *a0 = PyArray_BYTES(a), *b0 = PyArray_BYTES(b);
    npy_intp n = PyArray_NBYTES(a), m = PyArray_NBYTES(b);
    return n > 0 && m > 0 && a0 < b0 + m && b0 < a0 + n;
}

/* Shared variables are compared too; their later values can't overlap what the user holds now. */
static int check_overlap(const BoundCall *self)
{
    const Function *f = self->function;
    for (Py_ssize_t j = 0; j < f->n_outputs; ++j) {
        for (Py_ssize_t i = 0; i < f->n_inputs; ++i)
            if (self->w.held[i] && overlap(self->w.results[j], self->w.held[i])) {
                PyErr_Format(BadArgumentError, "out for output %zd of function %U overlaps input %zd; give it memory of its "
                             "own", j, f->title, i);
                return -1;
            }
        for (Py_ssize_t k = 0; k < j; ++k)
            if (overlap(self->w.results[j], self->w.results[k])) {
                PyErr_Format(BadArgumentError, "out for outputs %zd and %zd of function %U overlap", k, j, f->title);
                return -1;
            }
    }
    return 0;
}

static int bind_all(BoundCall *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames, PyObject *out)
{
    Function *f = self->function;
    if (bind_arguments(self, args, n, kwnames))
        return -1;
    set_frame(f, &self->w, &self->frame);
    int rc = f->prepare(&self->frame);
    if (rc) {
        raise_check(f, &self->frame, rc, "prepare");
        return -1;
    }
    if (bind_outputs(self, out) || check_overlap(self) || grow_arena(self))
        return -1;
    memcpy(self->bound_sizes, self->w.sizes, bytes_of_sizes(f));
    self->changing = self->n_live || f->n_stored;

    PyObject **references = PyMem_Calloc((size_t)(f->n_outputs > 0 ? f->n_outputs : 1), sizeof(PyObject *));
    if (!references) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t j = 0; j < f->n_outputs; ++j)
        references[j] = Py_NewRef(self->w.results[j]);
    self->out = packed(f, references);
    for (Py_ssize_t j = 0; j < f->n_outputs; ++j)
        Py_XDECREF(references[j]);
    PyMem_Free(references);
    return self->out ? 0 : -1;
}

PyDoc_STRVAR(bind_doc,
"bind(*args, out=None, **named) -> BoundCall\n\n"
"A call with fixed memory: arguments, outputs and scratch are checked and kept once; `call()` then computes on the\n"
"same memory again and returns None.  `call.out` has the output arrays (those given as `out`, else new ones).\n"
"Arrays are bound, not copied: what is written into them is seen by the next call.\n"
"Raises: BadArgumentError for arrays that would have to be copied, for outputs that do not fit or overlap, and for\n"
"functions with updates.");

static PyObject *function_bind(Function *f, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    if (!f->entry || f->n_updates) {
        PyErr_Format(BadArgumentError, "function %U has updates and can't be bound; call it", f->title);
        return NULL;
    }
    PyObject *out = NULL, *names = NULL, **values = NULL;
    Py_ssize_t n_named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0, kept_names = 0;
    if (n_named) {                                      /* `out` is bind's own */
        values = PyMem_Calloc((size_t)(n + n_named), sizeof(PyObject *));
        if (!values)
            return PyErr_NoMemory();
        memcpy(values, args, (size_t)n * sizeof(PyObject *));
        PyObject *list = PyList_New(0);
        for (Py_ssize_t j = 0; list && j < n_named; ++j) {
            PyObject *name = PyTuple_GET_ITEM(kwnames, j);
            if (PyUnicode_CompareWithASCIIString(name, "out") == 0) {
                out = args[n + j] == Py_None ? NULL : args[n + j];
                continue;
            }
            values[n + kept_names++] = args[n + j];
            if (PyList_Append(list, name))
                Py_CLEAR(list);
        }
        names = list ? PyList_AsTuple(list) : NULL;
        Py_XDECREF(list);
        if (!names) {
            PyMem_Free(values);
            return NULL;
        }
    }
    BoundCall *self = (BoundCall *)BoundCallType->tp_alloc(BoundCallType, 0);
    if (self) {
        self->vectorcall = bound_call;
        self->function = (Function *)Py_NewRef((PyObject *)f);
        self->block = table_of(f->work_bytes, 1);
        self->bound_sizes = table_of(1, bytes_of_sizes(f) + 1);
        self->live = table_of(f->n_inputs, sizeof(Py_ssize_t));
        if (self->block)
            lay_out(f, self->block, &self->w);
        if (!self->block || !self->bound_sizes || !self->live || bind_all(self, values ? values : args, n, names, out))
            Py_CLEAR(self);
        else
            self->w.given = NULL;
    }
    Py_XDECREF(names);
    PyMem_Free(values);
    return (PyObject *)self;
}

static int bound_traverse(BoundCall *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->function);
    Py_VISIT(self->out);
    return 0;
}

/* All cycles through a bound call go through its Function, whose tp_clear breaks them. */
static void bound_dealloc(BoundCall *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs)
        PyObject_ClearWeakRefs((PyObject *)self);
    if (self->block)
        release(self->function, &self->w);
    Py_XDECREF(self->out);
    Py_XDECREF(self->function);
    PyMem_Free(self->block);
    PyMem_Free(self->bound_sizes);
    PyMem_Free(self->live);
    free(self->arena);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *bound_repr(BoundCall *self)
{
    return PyUnicode_FromFormat("<bound call of gradc function %U>", self->function->title);
}

/* ---- types -------------------------------------------------------------------------------------------------- */

static PyMethodDef function_methods[] = {
    {"bind", (PyCFunction)(void (*)(void))function_bind, METH_FASTCALL | METH_KEYWORDS, bind_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Function, vectorcall), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Function, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Function, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef function_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(function_doc,
"Function(*, name, prepare, entry, inputs, outputs, constants=(), n_results, result, keys=None, updates=(),\n"
"         convert=None, fail=None, keep=None, deterministic=False)\n\n"
"A compiled function.  prepare, entry: addresses of the unit's functions; keep: what keeps them loaded.\n"
"inputs:  (name or None, dtype, shape with -1 for unknown sizes, container of a shared variable or None, container of\n"
"         a default or None[, strict]); a container is a list whose item 0 is the value\n"
"outputs: (dtype, rank); the first n_results are the user's, as result ('one', 'list', 'dict' with keys, 'none')\n"
"updates: (output number, container): assigned after a call that succeeded, all or none\n"
"convert(position, value) -> array for all but exact arrays and plain numbers\n"
"fail(check, four integers, all sizes, 'prepare' or 'entry') -> the exception to raise\n"
"deterministic: gemm by gradc's own loops");

static PyType_Slot function_slots[] = {
    {Py_tp_doc, (void *)function_doc},
    {Py_tp_new, function_new},
    {Py_tp_dealloc, function_dealloc},
    {Py_tp_traverse, function_traverse},
    {Py_tp_clear, function_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_repr, function_repr},
    {Py_tp_methods, function_methods},
    {Py_tp_members, function_members},
    {Py_tp_getset, function_getset},
    {0, NULL},
};

/* Not immutable: compile/function.py hangs its methods on the type. */
static PyType_Spec function_spec = {
    .name = "gradc.runtime._dispatch.Function",
    .basicsize = sizeof(Function),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = function_slots,
};

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(BoundCall, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(BoundCall, weakrefs), READONLY, NULL},
    {"out", T_OBJECT, offsetof(BoundCall, out), READONLY, "the output array, or a list or dict of them"},
    {"function", T_OBJECT, offsetof(BoundCall, function), READONLY, "the Function that is called"},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_doc, "A call of a Function on fixed memory; made by Function.bind."},
    {Py_tp_dealloc, bound_dealloc},
    {Py_tp_traverse, bound_traverse},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_repr, bound_repr},
    {Py_tp_members, bound_members},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "gradc.runtime._dispatch.BoundCall",
    .basicsize = sizeof(BoundCall),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE
        | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

/* ---- module ------------------------------------------------------------------------------------------------- */

PyDoc_STRVAR(set_num_threads_doc,
"set_num_threads(n)\n\nThreads that a section may run on, the calling one included; 1 to 1024.  Results do not depend\n"
"on it.  The threads of NumPy's BLAS are not touched.");

static PyObject *set_num_threads(PyObject *module, PyObject *argument)
{
    (void)module;
    int overflow = 0;
    PyObject *index = PyNumber_Index(argument);
    long n = index ? PyLong_AsLongAndOverflow(index, &overflow) : 0;
    Py_XDECREF(index);
    if (!index)
        return NULL;
    if (overflow || n < 1 || n > GRADC_MAX_THREADS) {
        PyErr_Format(PyExc_ValueError, "the number of threads must be 1 to %d, got %R", GRADC_MAX_THREADS, argument);
        return NULL;
    }
    gradc_pool_set_threads((int)n);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(get_num_threads_doc,
"get_num_threads() -> int\n\nThreads that a section may run on: set_num_threads, else GRADC_NUM_THREADS, else\n"
"OMP_NUM_THREADS, else the CPUs this process may use; 1 in a forked child.");

static PyObject *get_num_threads(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromLong(gradc_pool_threads());
}

PyDoc_STRVAR(cpu_features_doc,
"cpu_features() -> list[str]\n\nInstruction sets that this CPU and operating system offer, named as gcc's -m flags.");

static PyObject *cpu_features(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    const char *names[64];
    size_t n = gradc_cpu_features(names, 64);
    PyObject *made = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; made && i < n; ++i) {
        PyObject *name = PyUnicode_FromString(names[i]);
        if (!name)
            Py_CLEAR(made);
        else
            PyList_SET_ITEM(made, (Py_ssize_t)i, name);
    }
    return made;
}

PyDoc_STRVAR(blas_info_doc,
"blas_info() -> dict\n\nWhere gemm comes from: provider (numpy, scipy, system, fallback), path, version, symbol, threads\n"
"(0: the library does not say).");

static PyObject *blas_info(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gradc_blas_description d;
    gradc_blas_describe(&d);
    PyObject *path = PyUnicode_DecodeFSDefault(d.path);
    if (!path)
        return NULL;
    return Py_BuildValue("{s:s,s:N,s:s,s:s,s:i}", "provider", d.provider, "path", path, "version", d.version, "symbol",
                         d.symbol, "threads", d.threads);
}

PyDoc_STRVAR(blas_set_doc,
"blas_set(kind, path=None)\n\nTake gemm from: auto, numpy, scipy, system, fallback; from the library at `path`, if given.\n"
"Raises: ValueError if there is no such library here; the choice made before stays.");

static PyObject *blas_set(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"kind", "path", NULL};
    static const char *const kinds[] = {"auto", "numpy", "scipy", "system", "fallback"};
    const char *kind, *known = NULL;
    PyObject *given = NULL, *path = NULL;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:blas_set", names, &kind, &given))
        return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
        if (!strcmp(kind, kinds[i]))
            known = kinds[i];
    if (!known) {
        PyErr_Format(PyExc_ValueError, "kind must be auto, numpy, scipy, system or fallback, got %s", kind);
        return NULL;
    }
    if (given && given != Py_None && !PyUnicode_FSConverter(given, &path))
        return NULL;
    int rc = gradc_blas_choose(known, path ? PyBytes_AS_STRING(path) : NULL);
    if (rc)
        PyErr_Format(PyExc_ValueError, "no BLAS with cblas_dgemm and cblas_sgemm found: kind %s, path %R", kind,
                     given ? given : Py_None);
    Py_XDECREF(path);
    if (rc)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"set_num_threads", set_num_threads, METH_O, set_num_threads_doc},
    {"get_num_threads", get_num_threads, METH_NOARGS, get_num_threads_doc},
    {"cpu_features", cpu_features, METH_NOARGS, cpu_features_doc},
    {"blas_info", blas_info, METH_NOARGS, blas_info_doc},
    {"blas_set", (PyCFunction)(void (*)(void))blas_set, METH_VARARGS | METH_KEYWORDS, blas_set_doc},
    {NULL, NULL, 0, NULL},
};

static PyObject *error_class(PyObject *errors, const char *name)
{
    return errors ? PyObject_GetAttrString(errors, name) : NULL;
}

/* What is set once for the process. */
static int start_once(void)
{
    static int done;
    if (done)
        return 0;
    if (pthread_key_create(&kept_key, free_kept)) {
        PyErr_SetString(PyExc_ImportError, "gradc: no thread-local storage left");
        return -1;
    }
    pthread_atfork(NULL, NULL, reset_locks);
    gradc_blas_start((const void *)(uintptr_t)PyArray_NewFromDescr);
    const char *bad = gradc_pool_start();
    done = 1;
    if (bad)
        return PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "%s must be a positive integer, got '%s'; gradc uses %d thread(s)",
                                bad, getenv(bad), gradc_pool_threads());
    return 0;
}

static int module_exec(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "gradc runs in the main interpreter only, as NumPy does");
        return -1;
    }
    import_array1(-1);
    PyObject *errors = PyImport_ImportModule("gradc.errors");
    Py_XSETREF(BadArgumentError, error_class(errors, "BadArgumentError"));
    Py_XSETREF(ExecutionError, error_class(errors, "ExecutionError"));
    Py_XSETREF(ShapeError, error_class(errors, "ShapeError"));
    Py_XDECREF(errors);
    if (!BadArgumentError || !ExecutionError || !ShapeError || start_once())
        return -1;
    PyObject *function = PyType_FromModuleAndSpec(module, &function_spec, NULL);
    PyObject *bound = PyType_FromModuleAndSpec(module, &bound_spec, NULL);
    Py_XSETREF(FunctionType, (PyTypeObject *)function);
    Py_XSETREF(BoundCallType, (PyTypeObject *)bound);
    if (!function || !bound || PyModule_AddType(module, FunctionType) || PyModule_AddType(module, BoundCallType))
        return -1;
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_dispatch",
    .m_doc = "Compiled functions of gradc: arguments, calls, threads, BLAS.",
    .m_size = 0,
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__dispatch(void)
{
    return PyModuleDef_Init(&module_def);
}
