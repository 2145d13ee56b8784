/* dispatch.h: the data of a Function and of one call of it, shared by the files of the extension that know Python. */
#ifndef GRADC_DISPATCH_H
#define GRADC_DISPATCH_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL gradc_numpy
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

#include <pthread.h>

#include "bits.h"
#include "private.h"

_Static_assert(sizeof(npy_intp) == sizeof(int64_t), "gradc needs a 64-bit platform");

enum { MAX_RANK = 64 };                 /* NumPy 2's; NumPy 1 has 32 */

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
    int state;                          /* of a random generator: `convert` makes words of it; see PCG64_STATE */
    npy_intp itemsize;
} input;

typedef struct output {
    PyArray_Descr *descr;
    Py_ssize_t first;                   /* its first entry in frame.shapes                */
    int ndim, borrow, turn;
    int state;                          /* words of a random generator's state: `generator` makes one of them */
    PyObject *recent[2];                /* the last arrays, if 0-d or borrowed: reused once the user has dropped them */
} output;

/* A user's Op that the unit calls. */
typedef struct user_array {
    PyArray_Descr *descr;
    int ndim;
    PyObject *spare;                    /* of an input: the array of the last call, if nobody else has it */
} user_array;

typedef struct user_call {
    user_array *arrays;                 /* inputs, then outputs                           */
    Py_ssize_t n_inputs, n_outputs;
    int repeatable;                     /* equal arguments give equal results             */
    PyObject *given, *results;          /* then: those of the last call                   */
} user_call;

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

/* What a timed Function has spent so far, under the GIL; nanoseconds. */
typedef struct tally {
    int64_t calls, total, inside;       /* inside: in the unit's entry                    */
} tally;

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
    user_call *calls;
    Py_ssize_t n_inputs, n_outputs, n_updates, n_arguments, n_stored, n_constants, n_results, n_calls;
    Py_ssize_t n_sizes, n_shapes, n_known, work_bytes;
    enum result_kind kind;
    int timed, late;                    /* late: prepare does not tell the sizes of all outputs */
    int brief;                          /* entry runs under the GIL: it takes less time than giving that up */
    long long arena_bytes;              /* scratch memory of the last call                */
    tally tally;
    PyObject *title, *keys, *constant_arrays, *convert, *fail, *generator, *call, *keep;
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
    int64_t *sizes, *shapes, *known;
} work;

/* Memory that entry asked for. */
typedef struct room {
    void *block;
    int64_t bytes;
} room;

/* A call of the unit's entry: frame->host. */
typedef struct running {
    Function *function;
    work *w;
    PyThreadState *state;               /* the thread's, which does not hold the GIL      */
    room *rooms;
    int n_rooms;
} running;

/* Errors of gradc.errors, and the types; set when the module is made. */
extern PyObject *gradc_BadArgumentError, *gradc_ExecutionError, *gradc_ShapeError;
extern PyTypeObject *gradc_FunctionType, *gradc_BoundCallType;
extern PyType_Spec gradc_function_spec, gradc_bound_spec, gradc_pointer_spec;

/* Each file below uses those above it only. */

/* tables.c ----------------------------------------------------------------------------------------------- */

/* `n` zeroed items, at least one; NULL with MemoryError. */
void *gradc_table_of(Py_ssize_t n, size_t item);
PyObject *gradc_integers(const int64_t *values, Py_ssize_t n);

/* The tables of a call inside a block of gradc_bytes_of_work bytes; gradc_release drops their references. */
Py_ssize_t gradc_bytes_of_work(const Function *self);
void gradc_lay_out(const Function *self, char *block, work *w);
void gradc_release(const Function *self, work *w);

/* locks.c ------------------------------------------------------------------------------------------------ */

/* The lock of a container, counted; NULL without memory. */
storage_lock *gradc_lock_of(PyObject *storage);
void gradc_drop_lock(storage_lock *lock);
/* All locks of a Function, in the order of their addresses; waits without the GIL; -1 with an exception. */
int gradc_lock_all(Function *self);
void gradc_unlock_all(Function *self);
void gradc_locks_start(void);           /* once for the process */

/* An input that is the state of a generator over PCG64; those of others have a greater number. */
enum { PCG64_STATE = 1 };

/* state.c -------------------------------------------------------------------------------------------------- */

/* The words of a state, if it is one whose memory is known (1; else 0, without an exception). */
int gradc_words_of(PyObject *generator, uint64_t *words);
/* Put words into a generator that nobody else holds and that is like another: seeded with the same; 1 if done. */
int gradc_put_words(PyObject *generator, PyObject *like, const uint64_t *words);
PyObject *gradc_learn_states(PyObject *module, PyObject *args);
extern const char gradc_learn_states_doc[];

/* arguments.c -------------------------------------------------------------------------------------------- */

/* In this order; -1 with an exception. */
int gradc_match(const Function *self, work *w, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
int gradc_take(const Function *self, work *w, Py_ssize_t i, PyObject *value);
int gradc_take_stored(const Function *self, work *w, Py_ssize_t i, PyObject *storage);
int gradc_take_given(const Function *self, work *w);
int gradc_take_containers(const Function *self, work *w);

/* results.c ---------------------------------------------------------------------------------------------- */

PyObject *gradc_new_output(const Function *self, Py_ssize_t j, const int64_t *shape);
/* The array of output j, by w->shapes, in w->results; those of all outputs whose sizes prepare tells; -1 with an
 * exception. */
int gradc_take_output(Function *self, work *w, Py_ssize_t j);
int gradc_new_outputs(Function *self, work *w);
int gradc_shrink_outputs(const Function *self, work *w);
int gradc_make_generators(const Function *self, work *w);
int gradc_containers_intact(const Function *self);
PyObject *gradc_packed(const Function *self, PyObject **results);
void gradc_commit(Function *self, work *w);
void gradc_drop_recent(Function *self);

/* late.c ------------------------------------------------------------------------------------------------- */

/* The functions behind frame->room and frame->output. */
void *gradc_room(gradc_frame *frame, int number, int64_t bytes);
void *gradc_late_output(gradc_frame *frame, int number, const int64_t *shape);
void gradc_free_rooms(running *now);

/* callback.c --------------------------------------------------------------------------------------------- */

/* The function behind frame->callback; a failure leaves an exception. */
int gradc_call_back(gradc_frame *frame, int number, const void *const *inputs, const int64_t *numbers,
                    void *const *outputs);
int gradc_set_calls(Function *self, PyObject *specs);
void gradc_drop_spares(Function *self);
void gradc_drop_calls(Function *self);

/* call.c ------------------------------------------------------------------------------------------------- */

extern const char gradc_cleared[];

void gradc_set_frame(const Function *self, work *w, gradc_frame *frame);
/* The unit's entry, without the GIL unless it is brief; timed if the Function is. */
int gradc_run_entry(Function *self, work *w, gradc_frame *frame);
void gradc_raise_check(const Function *self, const gradc_frame *frame, int rc, const char *during);
PyObject *gradc_function_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames);
PyObject *gradc_timed_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames);
/* `call` with its time added to the Function's. */
PyObject *gradc_timed(Function *of, vectorcallfunc call, PyObject *callable, PyObject *const *args, size_t nargsf,
                      PyObject *kwnames);

/* bound.c ------------------------------------------------------------------------------------------------ */

PyObject *gradc_function_bind(Function *f, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
extern const char gradc_bind_doc[];

/* small things of every call ------------------------------------------------------------------------------- */

/* Sizes of inputs, then of outputs: neighbours in the tables. */
static inline size_t bytes_of_sizes(const Function *self)
{
    return (size_t)(self->n_sizes + self->n_shapes) * sizeof(int64_t);
}

/* Is this array ours alone, as it was made, and of the shape that is needed? */
static inline int is_reusable(PyObject *old, PyArray_Descr *descr, int ndim, const int64_t *shape)
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

#endif
