/* call.c: one call of a Function, from Python arguments to Python results.
 *
 * Arguments are checked and their addresses collected (exact arrays and plain numbers here, the rest by `convert`);
 * prepare computes the output shapes; outputs are allocated; entry computes, without the GIL.  All state of a call is
 * on its stack, so that one Function may run in many threads.  A Function with updates runs under the locks of the
 * containers it writes; new values are put in place after the unit returned success, by steps that can't fail.
 */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
    WORK_ON_STACK = 2048,               /* bytes of a call's tables                       */
    ARENA_ON_STACK = 4096,
    ARENA_KEPT = 256 << 20,             /* a larger arena is given back after each call   */
    ARENA_PATIENCE = 64,                /* calls that need less than a quarter of it      */
    HUGE_PAGE = 2 << 20
};

const char gradc_cleared[] = "this function has been cleared by the garbage collector";

/* ---- arena: scratch memory of a call ------------------------------------------------------------------------ */

static _Thread_local struct {
    char *block;
    int64_t bytes;
    int in_use, too_large;
} kept;
static pthread_key_t kept_key;

char *gradc_get_block(int64_t bytes)
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
        return gradc_get_block(bytes);
    kept.too_large = bytes < kept.bytes / 4 ? kept.too_large + 1 : 0;
    if (bytes > kept.bytes || kept.too_large > ARENA_PATIENCE) {
        free_kept(NULL);
        int64_t rounded = (bytes + 4095) & ~(int64_t)4095;
        kept.block = gradc_get_block(rounded);
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

storage_lock *gradc_lock_of(PyObject *storage)
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

void gradc_drop_lock(storage_lock *lock)
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
            PyErr_Format(gradc_ExecutionError, "function %U was called while a call in the same thread updates the "
                         "same shared variables; call it after that one has returned", self->title);
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

void gradc_lay_out(const Function *self, char *block, work *w)
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

Py_ssize_t gradc_bytes_of_work(const Function *self)
{
    Py_ssize_t pointers = 2 * self->n_inputs + 2 * self->n_outputs + self->n_arguments;
    return self->n_inputs * (Py_ssize_t)sizeof(slot) + pointers * (Py_ssize_t)sizeof(void *)
        + (Py_ssize_t)bytes_of_sizes(self);
}

void gradc_release(const Function *self, work *w)
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

/* A generator's state as an array of words; NULL without an exception if that is for `convert`. */
static PyObject *words_array(PyObject *generator)
{
    uint64_t words[6];
    npy_intp size = 6;
    PyObject *made = gradc_words_of(generator, words) ? PyArray_SimpleNew(1, &size, NPY_UINT64) : NULL;
    if (made)
        memcpy(PyArray_DATA((PyArrayObject *)made), words, sizeof words);
    return made;
}

/* Everything that needs a copy or `convert`; the new array is kept in `held`. */
static int take_slowly(const Function *self, work *w, Py_ssize_t i, PyObject *value)
{
    const input *in = &self->inputs[i];
    PyObject *array = in->state ? words_array(value) : NULL;
    if (array || PyErr_Occurred())
        ;
    else if (PyArray_CheckExact(value) && fits(in, (PyArrayObject *)value) && !in->state)
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
        PyErr_Format(gradc_BadArgumentError, "function %U: input %zd does not have the dtype, rank or static shape "
                     "that it was compiled for", self->title, i);
        Py_DECREF(array);
        return -1;
    }
    accept(in, w, i, (PyArrayObject *)array);
    Py_XSETREF(w->held[i], array);
    return 0;
}

int gradc_take(const Function *self, work *w, Py_ssize_t i, PyObject *value)
{
    const input *in = &self->inputs[i];
    if (in->ndim == 0 && !in->strict && take_number(in, value, &w->scalars[i])) {
        w->data[i] = &w->scalars[i];
        return 0;
    }
    if (PyArray_CheckExact(value) && fits(in, (PyArrayObject *)value) && is_plain((PyArrayObject *)value)
        && !in->state) {
        accept(in, w, i, (PyArrayObject *)value);
        return 0;
    }
    return take_slowly(self, w, i, value);
}

/* The array in a container; another thread may replace it, so it is held. */
int gradc_take_stored(const Function *self, work *w, Py_ssize_t i, PyObject *storage)
{
    if (!PyList_Check(storage) || PyList_GET_SIZE(storage) < 1) {
        PyErr_Format(gradc_ExecutionError, "function %U: the container of input %zd holds no value", self->title, i);
        return -1;
    }
    PyObject *value = Py_NewRef(PyList_GET_ITEM(storage, 0));
    Py_CLEAR(w->held[i]);
    int rc = gradc_take(self, w, i, value);
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
    if (text && PyList_GET_SIZE(names) < self->n_arguments)
        Py_SETREF(text, PyUnicode_FromFormat("%U (others, nameless or named alike, go by position)", text));
    Py_XDECREF(names);
    Py_XDECREF(comma);
    return text;
}

static void raise_missing(const Function *self, Py_ssize_t k, Py_ssize_t got)
{
    PyObject *name = self->inputs[self->arguments[k]].name;
    PyObject *which = name ? Py_NewRef(name) : PyUnicode_FromFormat("at index %zd", k);
    if (which)
        PyErr_Format(gradc_BadArgumentError, "function %U needs a value for its input %.60U; it takes %zd argument(s), "
                     "got %zd", self->title, which, self->n_arguments, got);
    Py_XDECREF(which);
}

static void raise_unknown(const Function *self, PyObject *name)
{
    PyObject *names = names_of(self);
    if (names)
        PyErr_Format(gradc_BadArgumentError, "function %U has no input named %.60R; its named inputs: %.1000U", self->title,
                     name, names);
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
int gradc_match(const Function *self, work *w, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    Py_ssize_t n_named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (n == self->n_arguments && !n_named) {
        w->given = args;
        return 0;
    }
    if (n > self->n_arguments) {
        PyErr_Format(gradc_BadArgumentError, "function %U takes %zd argument(s), got %zd", self->title,
                     self->n_arguments, n);
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
            PyErr_Format(gradc_BadArgumentError, "function %U got two values for its input %.60R", self->title, name);
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
        if (w->given[k] && gradc_take(self, w, self->arguments[k], w->given[k]))
            return -1;
    return 0;
}

/* Defaults and shared variables: after the locks are taken. */
int gradc_take_containers(const Function *self, work *w)
{
    if (w->given == w->named)
        for (Py_ssize_t k = 0; k < self->n_arguments; ++k) {
            Py_ssize_t i = self->arguments[k];
            if (!w->given[k] && gradc_take_stored(self, w, i, self->inputs[i].preset))
                return -1;
        }
    for (Py_ssize_t k = 0; k < self->n_stored; ++k)
        if (gradc_take_stored(self, w, self->stored[k], self->inputs[self->stored[k]].storage))
            return -1;
    return 0;
}

/* ---- the unit ----------------------------------------------------------------------------------------------- */

void gradc_set_frame(const Function *self, work *w, gradc_frame *frame)
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
    frame->draw = gradc_draw;
    frame->callback = self->n_calls ? gradc_call_back : NULL;
    frame->room = gradc_room;
    frame->output = gradc_late_output;
    frame->host = NULL;
}

PyObject *gradc_integers(const int64_t *values, Py_ssize_t n)
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

/* The exception of a failed check, made by `fail`; that of a failed call is set already. */
void gradc_raise_check(const Function *self, const gradc_frame *frame, int rc, const char *during)
{
    if (rc == GRADC_CALL_FAILED && PyErr_Occurred())
        return;
    if (!self->fail) {
        if (rc == GRADC_NO_MEMORY)
            PyErr_Format(PyExc_MemoryError, "function %U could not allocate its memory", self->title);
        else
            PyErr_Format(gradc_ExecutionError, "function %U: check %d failed in %s", self->title, rc, during);
        return;
    }
    PyObject *values = gradc_integers(frame->error, 4), *sizes = gradc_integers(frame->sizes, self->n_sizes);
    PyObject *error = values && sizes ? PyObject_CallFunction(self->fail, "iOOs", rc, values, sizes, during) : NULL;
    Py_XDECREF(values);
    Py_XDECREF(sizes);
    if (!error)
        return;
    if (PyExceptionInstance_Check(error))
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    else
        PyErr_Format(gradc_ExecutionError, "function %U: check %d failed in %s", self->title, rc, during);
    Py_DECREF(error);
}

PyObject *gradc_new_output(const Function *self, Py_ssize_t j, const int64_t *shape)
{
    const output *out = &self->outputs[j];
    for (int d = 0; d < out->ndim; ++d)
        if (shape[d] < 0) {
            PyErr_Format(gradc_ShapeError, "function %U: output %zd would have the negative size %lld in dimension "
                         "%d", self->title, j, (long long)shape[d], d);
            return NULL;
        }
    Py_INCREF(out->descr);
    PyObject *made = PyArray_NewFromDescr(&PyArray_Type, out->descr, out->ndim, (npy_intp *)shape, NULL, NULL, 0, NULL);
    if (!made && PyErr_ExceptionMatches(PyExc_ValueError))          /* the product of the sizes overflows */
        PyErr_Format(PyExc_MemoryError, "function %U: output %zd has more bytes than there are addresses",
                     self->title, j);
    return made;
}

/* Is this array ours alone, as it was made, and of the shape that is needed? */
int gradc_is_reusable(PyObject *old, PyArray_Descr *descr, int ndim, const int64_t *shape)
{
    PyArrayObject *a = (PyArrayObject *)old;
    if (Py_REFCNT(old) != 1 || PyArray_DESCR(a) != descr || PyArray_NDIM(a) != ndim
        || !PyArray_CHKFLAGS(a, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED | NPY_ARRAY_WRITEABLE | NPY_ARRAY_OWNDATA)
        || PyArray_BASE(a) || ((PyArrayObject_fields *)a)->weakreflist)
        return 0;
    for (int d = 0; d < ndim; ++d)
        if (PyArray_DIM(a, d) != shape[d])
            return 0;
    return 1;
}

/* A result of which the last two are kept: 0-d, for making one costs more than the rest of a call, or borrowed. */
static PyObject *recent_output(Function *self, Py_ssize_t j, const int64_t *shape)
{
    output *out = &self->outputs[j];
    for (int k = 0; k < 2; ++k)
        if (out->recent[k] && gradc_is_reusable(out->recent[k], out->descr, out->ndim, shape))
            return Py_NewRef(out->recent[k]);
    PyObject *made = gradc_new_output(self, j, shape);
    if (made) {
        Py_XSETREF(out->recent[out->turn], Py_NewRef(made));
        out->turn ^= 1;
    }
    return made;
}

void gradc_drop_recent(Function *self)
{
    for (Py_ssize_t j = 0; self->outputs && j < self->n_outputs; ++j)
        for (int k = 0; k < 2; ++k)
            Py_CLEAR(self->outputs[j].recent[k]);
    gradc_drop_spares(self);
}

int gradc_take_output(Function *self, work *w, Py_ssize_t j)
{
    const output *out = &self->outputs[j];
    const int64_t *shape = w->shapes + out->first;
    if (!w->results[j])
        w->results[j] = j < self->n_results && (!out->ndim || out->borrow) ? recent_output(self, j, shape)
                                                                           : gradc_new_output(self, j, shape);
    if (!w->results[j])
        return -1;
    w->out_data[j] = PyArray_DATA((PyArrayObject *)w->results[j]);
    return 0;
}

static int new_outputs(Function *self, work *w)
{
    for (Py_ssize_t k = 0; k < self->n_updates; ++k) {
        update *u = &self->updates[k];
        const output *out = &self->outputs[u->output];
        const int64_t *shape = w->shapes + out->first;
        if (u->spare && !out->state && gradc_is_reusable(u->spare, out->descr, out->ndim, shape)) {
            w->results[u->output] = u->spare;
            u->spare = NULL;
        }
    }
    for (Py_ssize_t j = 0; j < self->n_outputs; ++j)
        if (!(self->late && self->outputs[j].ndim && w->shapes[self->outputs[j].first] == GRADC_LATE)
            && gradc_take_output(self, w, j))
            return -1;
    return 0;
}

/* The user's results out of references that are taken over (NULLs stay in their place). */
PyObject *gradc_packed(const Function *self, PyObject **results)
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
        if ((PyArray_CheckExact(old) || self->outputs[u->output].state) && Py_REFCNT(old) == 1) {
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
            PyErr_Format(gradc_ExecutionError, "function %U: the container of an updated variable holds no value",
                         self->title);
            return 0;
        }
    return 1;
}

static int64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int gradc_run_entry(Function *self, work *w, gradc_frame *frame)
{
    running now = {self, w, PyEval_SaveThread(), NULL, 0};
    frame->host = &now;
    int64_t began = self->timed ? nanoseconds() : 0;
    int rc = self->entry(frame);
    int64_t spent = self->timed ? nanoseconds() - began : 0;
    if (now.rooms)
        gradc_free_rooms(&now);
    PyEval_RestoreThread(now.state);
    self->tally.inside += spent;
    return rc;
}

/* Outputs of which entry found that they have fewer elements than their memory; those come first in it. */
static int shrink_outputs(const Function *self, work *w)
{
    for (Py_ssize_t j = 0; j < self->n_outputs; ++j) {
        const output *out = &self->outputs[j];
        PyArrayObject *a = (PyArrayObject *)w->results[j];
        PyArray_Dims shape = {(npy_intp *)(w->shapes + out->first), out->ndim};
        if (PyArray_CompareLists(PyArray_DIMS(a), shape.ptr, out->ndim))
            continue;
        PyObject *none = PyArray_Resize(a, &shape, 0, NPY_CORDER);
        if (!none)
            return -1;
        Py_DECREF(none);
    }
    return 0;
}

/* States of random generators as Python has them: the one before last, if nobody else has it, or a new one like that
 * which is to be replaced or the first that was given. */
static int make_generators(const Function *self, work *w)
{
    PyObject *like = Py_None;
    for (Py_ssize_t k = self->n_arguments; k--;)
        if (self->inputs[self->arguments[k]].state && w->given[k])
            like = w->given[k];
    for (Py_ssize_t k = 0; k < self->n_updates; ++k) {
        update *u = &self->updates[k];
        PyObject **result = &w->results[u->output];
        if (self->outputs[u->output].state && u->spare && PyList_GET_SIZE(u->storage)
            && gradc_put_words(u->spare, PyList_GET_ITEM(u->storage, 0), PyArray_DATA((PyArrayObject *)*result))) {
            Py_SETREF(*result, u->spare);
            u->spare = NULL;
        }
    }
    for (Py_ssize_t j = 0; j < self->n_outputs; ++j) {
        if (!self->outputs[j].state || !PyArray_Check(w->results[j]))
            continue;
        PyObject *made = PyObject_CallFunction(self->generator, "nOO", j, w->results[j], like);
        if (!made)
            return -1;
        Py_SETREF(w->results[j], made);
    }
    return 0;
}

static PyObject *run(Function *self, work *w)
{
    if ((self->n_stored || w->given == w->named) && gradc_take_containers(self, w))
        return NULL;
    gradc_frame frame;
    gradc_set_frame(self, w, &frame);
    int rc = self->prepare(&frame);
    if (rc) {
        gradc_raise_check(self, &frame, rc, "prepare");
        return NULL;
    }
    if (new_outputs(self, w))
        return NULL;

    _Alignas(64) char small[ARENA_ON_STACK];
    frame.arena = small;
    self->arena_bytes = frame.arena_bytes;
    if (frame.arena_bytes < 0 || frame.arena_bytes > ARENA_ON_STACK) {
        frame.arena = get_arena(frame.arena_bytes);
        if (!frame.arena) {
            gradc_raise_check(self, &frame, GRADC_NO_MEMORY, "prepare");
            return NULL;
        }
    }
    char *arena = frame.arena;
    rc = gradc_run_entry(self, w, &frame);
    if (arena != small)
        put_arena(arena);
    if (rc) {
        gradc_raise_check(self, &frame, rc, "entry");
        return NULL;
    }
    if ((self->late && shrink_outputs(self, w)) || (self->generator && make_generators(self, w))
        || (self->n_updates && !containers_intact(self)))
        return NULL;
    PyObject *result = gradc_packed(self, w->results);
    if (result && self->n_updates)
        commit(self, w);
    return result;
}

PyObject *gradc_function_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Function *self = (Function *)callable;
    _Alignas(16) char stack[WORK_ON_STACK];
    char *block = stack;
    work w;
    if (!self->entry) {
        PyErr_SetString(gradc_ExecutionError, gradc_cleared);
        return NULL;
    }
    if (self->work_bytes > WORK_ON_STACK && !(block = PyMem_Malloc((size_t)self->work_bytes)))
        return PyErr_NoMemory();
    gradc_lay_out(self, block, &w);
    PyObject *result = NULL;
    if (!gradc_match(self, &w, args, PyVectorcall_NARGS(nargsf), kwnames) && !take_given(self, &w)) {
        if (!self->n_updates) {
            result = run(self, &w);
        } else if (!lock_all(self)) {
            result = run(self, &w);
            unlock_first(self, self->n_updates);
        }
    }
    gradc_release(self, &w);
    if (block != stack)
        PyMem_Free(block);
    return result;
}

PyObject *gradc_timed(Function *of, vectorcallfunc call, PyObject *callable, PyObject *const *args, size_t nargsf,
                      PyObject *kwnames)
{
    int64_t began = nanoseconds();
    PyObject *result = call(callable, args, nargsf, kwnames);
    of->tally.total += nanoseconds() - began;
    ++of->tally.calls;
    return result;
}

PyObject *gradc_timed_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return gradc_timed((Function *)callable, gradc_function_call, callable, args, nargsf, kwnames);
}

int gradc_call_start(void)
{
    pthread_atfork(NULL, NULL, reset_locks);
    return pthread_key_create(&kept_key, free_kept);
}
