/* lowlevel.c: Pointer, a Function behind an address in C: called without Python, from any thread.
 *
 * What Python knows is put into a table when the Pointer is made: sizes, shared variables, constants.  A call copies
 * that table to its stack, adds the arguments and runs the unit; scratch memory is the thread's.  What failed first is
 * kept for `error`.
 */
#define NO_IMPORT_ARRAY
#include "dispatch.h"
#include "gradc_lowlevel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_ON_STACK = 4096, SCRATCH_ON_STACK = 4096 };

typedef struct {
    PyObject_HEAD
    gradc_pointer pointer;
    Function *function;
    char *block;                        /* the tables of a call, as gradc_lay_out has them, without the arguments */
    work w;                             /* inside of it                                           */
    int64_t *fixed;                     /* all sizes, of inputs and then of outputs; -1: not known here */
    Py_ssize_t *inputs, *outputs;       /* numbers of those that are given                        */
    Py_ssize_t *at;                     /* where the sizes that are given stand in `fixed`        */
    Py_ssize_t n_inputs, n_outputs, n_at;
    int finite;                         /* a result that is nan or infinite is a failure          */
    const gradc_pointer **entry;        /* ours in the unit's table                               */
    void *address;
    pthread_mutex_t mutex;              /* of what follows: the first failure                     */
    int failed, rc;
    const char *during;
    int64_t error[4], *sizes;
} Pointer;

static int failure(const Pointer *self, int failed, int rc, const gradc_frame *frame, const char *during)
{
    Pointer *kept = (Pointer *)self;
    pthread_mutex_lock(&kept->mutex);
    if (!kept->failed) {
        kept->failed = failed;
        kept->rc = rc;
        kept->during = during;
        memcpy(kept->error, frame->error, sizeof kept->error);
        memcpy(kept->sizes, frame->sizes, (size_t)self->function->n_sizes * sizeof(int64_t));
    }
    pthread_mutex_unlock(&kept->mutex);
    return failed;
}

static int check_failed(const Pointer *self, int rc, const gradc_frame *frame, const char *during)
{
    return failure(self, rc == GRADC_NO_MEMORY ? GRADC_OUT_OF_MEMORY : GRADC_CHECK_FAILED, rc, frame, during);
}

static int is_finite(const Function *f, const work *w)
{
    for (Py_ssize_t j = 0; j < f->n_results; ++j) {
        const output *out = &f->outputs[j];
        int64_t n = 1;
        for (int d = 0; d < out->ndim; ++d)
            n *= w->shapes[out->first + d];
        const int type = out->descr->type_num;
        if (type == NPY_DOUBLE || type == NPY_CDOUBLE) {
            const double *values = w->out_data[j];
            for (int64_t k = 0; k < n << (type == NPY_CDOUBLE); ++k)
                if (!isfinite(values[k]))
                    return 0;
        } else if (type == NPY_FLOAT || type == NPY_CFLOAT) {
            const float *values = w->out_data[j];
            for (int64_t k = 0; k < n << (type == NPY_CFLOAT); ++k)
                if (!isfinite(values[k]))
                    return 0;
        }
    }
    return 1;
}

static int compute(const Pointer *self, work *w, const int64_t *expected)
{
    Function *f = self->function;
    gradc_frame frame;
    gradc_set_frame(f, w, &frame);
    int rc = f->prepare(&frame);
    if (rc)
        return check_failed(self, rc, &frame, "prepare");
    for (Py_ssize_t d = 0; d < f->n_shapes; ++d)
        if (expected[d] >= 0 && expected[d] != w->shapes[d])
            return failure(self, GRADC_OTHER_SIZES, 0, &frame, NULL);

    _Alignas(64) char small[SCRATCH_ON_STACK];
    frame.arena = small;
    if (frame.arena_bytes < 0 || frame.arena_bytes > SCRATCH_ON_STACK) {
        frame.arena = gradc_get_arena(frame.arena_bytes);
        if (!frame.arena)
            return check_failed(self, GRADC_NO_MEMORY, &frame, "prepare");
    }
    char *arena = frame.arena;
    running now = {f, w, NULL, NULL, 0};
    frame.host = &now;
    rc = f->entry(&frame);
    if (now.rooms)
        gradc_free_rooms(&now);
    if (arena != small)
        gradc_put_arena(arena);
    if (rc)
        return check_failed(self, rc, &frame, "entry");
    return self->finite && !is_finite(f, w) ? failure(self, GRADC_NOT_FINITE, 0, &frame, NULL) : 0;
}

static int call_pointer(const gradc_pointer *pointer, const void *const *inputs, const int64_t *sizes,
                        void *const *outputs)
{
    const Pointer *self = (const Pointer *)((const char *)pointer - offsetof(Pointer, pointer));
    Function *f = self->function;
    if (!f->entry)
        return GRADC_DEAD;
    _Alignas(16) char stack[TABLE_ON_STACK];
    const size_t bytes = (size_t)f->work_bytes, more = (size_t)f->n_shapes * sizeof(int64_t);
    char *block = stack;
    if (bytes + more > TABLE_ON_STACK && !(block = malloc(bytes + more)))
        return GRADC_OUT_OF_MEMORY;
    memcpy(block, self->block, bytes);
    work w;
    gradc_lay_out(f, block, &w);
    int64_t *expected = (int64_t *)(block + bytes);
    memcpy(expected, self->fixed + f->n_sizes, more);
    for (Py_ssize_t k = 0; k < self->n_inputs; ++k)
        w.data[self->inputs[k]] = inputs[k];
    for (Py_ssize_t k = 0; k < self->n_outputs; ++k)
        w.out_data[self->outputs[k]] = outputs[k];
    int status = 0;
    for (Py_ssize_t k = 0; k < self->n_at; ++k) {
        const Py_ssize_t at = self->at[k];
        const int64_t known = self->fixed[at];
        *(at < f->n_sizes ? &w.sizes[at] : &expected[at - f->n_sizes]) = sizes[k];
        if (sizes[k] < 0 || (known >= 0 && known != sizes[k]))
            status = GRADC_OTHER_SIZES;
    }
    if (status) {
        const gradc_frame frame = {.sizes = w.sizes};
        failure(self, status, 0, &frame, NULL);
    } else {
        status = compute(self, &w, expected);
    }
    if (block != stack)
        free(block);
    return status;
}

/* What a call does not give: values of inputs, each (number, value), shared variables, and defaults. */
static int take_values(Pointer *self, PyObject *values)
{
    Function *f = self->function;
    work *w = &self->w;
    for (Py_ssize_t k = 0; k < f->n_stored; ++k)
        if (gradc_take_stored(f, w, f->stored[k], f->inputs[f->stored[k]].storage))
            return -1;
    for (Py_ssize_t k = 0; k < f->n_arguments; ++k) {
        PyObject *preset = f->inputs[f->arguments[k]].preset;
        if (preset && gradc_take_stored(f, w, f->arguments[k], preset))
            return -1;
    }
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(values); ++k) {
        Py_ssize_t i;
        PyObject *value;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(values, k), "nO;a value is (number, value)", &i, &value))
            return -1;
        if (i < 0 || i >= f->n_inputs) {
            PyErr_Format(PyExc_ValueError, "there is no input %zd", i);
            return -1;
        }
        if (gradc_take(f, w, i, value))
            return -1;
    }
    return 0;
}

static Py_ssize_t *positions(PyObject *numbers, Py_ssize_t below, Py_ssize_t *n)
{
    *n = PyTuple_GET_SIZE(numbers);
    Py_ssize_t *made = gradc_table_of(*n, sizeof(Py_ssize_t));
    for (Py_ssize_t k = 0; made && k < *n; ++k) {
        made[k] = PyLong_AsSsize_t(PyTuple_GET_ITEM(numbers, k));
        if (made[k] < 0 || made[k] >= below) {
            if (!PyErr_Occurred())
                PyErr_Format(PyExc_ValueError, "position %zd is not below %zd", made[k], below);
            PyMem_Free(made);
            return NULL;
        }
    }
    return made;
}

/* The next function of a unit becomes ours; OverflowError if all are in use. */
static int take_function(Pointer *self, PyObject *prepare)
{
    int (*table_of)(gradc_frame *);
    *(void **)&table_of = PyLong_AsVoidPtr(prepare);
    if (PyErr_Occurred())
        return -1;
    gradc_pointer_table table = {NULL, NULL, NULL};
    gradc_frame frame = {.known = &table};
    table_of(&frame);
    if (*table.used >= GRADC_POINTERS) {
        PyErr_SetString(PyExc_OverflowError, "all functions of this unit are in use");
        return -1;
    }
    const int k = (*table.used)++;
    self->address = ((void *const *)table.functions)[k];
    self->entry = &table.pointers[k];
    __atomic_store_n(self->entry, &self->pointer, __ATOMIC_RELEASE);
    return 0;
}

static int check_function(const Function *f)
{
    const char *why = f->n_updates ? "has updates" : f->late ? "has results whose sizes depend on computed data"
        : f->generator ? "has states of random generators among its results"
        : f->n_calls ? "calls Ops that are written in Python" : NULL;
    if (why)
        PyErr_Format(gradc_BadArgumentError, "function %U %s and can't be called without Python", f->title, why);
    return why ? -1 : 0;
}

static PyObject *pointer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"function", "prepare", "inputs", "outputs", "sizes", "at", "values", "finite",
                            NULL};
    PyObject *function, *prepare, *inputs, *outputs, *sizes, *at, *values;
    int finite;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!O!O!O!O!O!p:Pointer", names, gradc_FunctionType, &function,
                                     &PyLong_Type, &prepare, &PyTuple_Type, &inputs, &PyTuple_Type, &outputs,
                                     &PyTuple_Type, &sizes, &PyTuple_Type, &at, &PyTuple_Type, &values, &finite)
        || check_function((Function *)function))
        return NULL;
    Pointer *self = (Pointer *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    pthread_mutex_init(&self->mutex, NULL);
    Function *f = self->function = (Function *)Py_NewRef(function);
    const Py_ssize_t n = f->n_sizes + f->n_shapes;
    self->pointer.call = call_pointer;
    self->finite = finite;
    if (PyTuple_GET_SIZE(sizes) != n) {
        PyErr_Format(PyExc_ValueError, "expected %zd sizes, got %zd", n, PyTuple_GET_SIZE(sizes));
        goto failed;
    }
    if (!(self->block = gradc_table_of(f->work_bytes, 1)))
        goto failed;
    gradc_lay_out(f, self->block, &self->w);
    if (!(self->fixed = gradc_table_of(n, sizeof(int64_t))) || !(self->sizes = gradc_table_of(n, sizeof(int64_t)))
        || !(self->inputs = positions(inputs, f->n_inputs, &self->n_inputs))
        || !(self->outputs = positions(outputs, f->n_outputs, &self->n_outputs))
        || !(self->at = positions(at, n, &self->n_at)) || take_values(self, values))
        goto failed;
    for (Py_ssize_t k = 0; k < n; ++k)
        self->fixed[k] = PyLong_AsLongLong(PyTuple_GET_ITEM(sizes, k));
    for (Py_ssize_t k = 0; k < self->n_inputs; ++k) {
        const input *in = &f->inputs[self->inputs[k]];
        for (int d = 0; d < in->ndim; ++d)
            self->w.sizes[in->first + d] = self->fixed[in->first + d];
    }
    if (PyErr_Occurred() || take_function(self, prepare))
        goto failed;
    return (PyObject *)self;
failed:
    Py_DECREF(self);
    return NULL;
}

static int pointer_traverse(Pointer *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->function);
    return 0;
}

/* All cycles through a pointer go through its Function, whose tp_clear breaks them. */
static void pointer_dealloc(Pointer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->entry)
        __atomic_store_n(self->entry, NULL, __ATOMIC_RELEASE);
    if (self->block)
        gradc_release(self->function, &self->w);
    Py_XDECREF(self->function);
    PyMem_Free(self->block);
    PyMem_Free(self->fixed);
    PyMem_Free(self->sizes);
    PyMem_Free(self->inputs);
    PyMem_Free(self->outputs);
    PyMem_Free(self->at);
    pthread_mutex_destroy(&self->mutex);
    type->tp_free(self);
    Py_DECREF(type);
}

/* The exception that is set, as an object. */
static PyObject *raised(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

static PyObject *pointer_error(Pointer *self, PyObject *unused)
{
    (void)unused;
    const Function *f = self->function;
    int64_t *sizes = gradc_table_of(f->n_sizes, sizeof(int64_t));
    if (!sizes)
        return NULL;
    gradc_frame frame = {.sizes = sizes};
    pthread_mutex_lock(&self->mutex);
    const int failed = self->failed, rc = self->rc;
    const char *during = self->during;
    memcpy(frame.error, self->error, sizeof frame.error);
    memcpy(sizes, self->sizes, (size_t)f->n_sizes * sizeof(int64_t));
    self->failed = 0;
    pthread_mutex_unlock(&self->mutex);
    if (failed == GRADC_NOT_FINITE)
        PyErr_Format(gradc_ExecutionError, "function %U, called by its address: a result is nan or infinite", f->title);
    else if (failed == GRADC_OTHER_SIZES)
        PyErr_Format(gradc_ShapeError, "function %U, called by its address: a size that was given is not the size of "
                     "the array, or is negative", f->title);
    else if (failed)
        gradc_raise_check(f, &frame, rc, during);
    PyMem_Free(sizes);
    if (!failed)
        Py_RETURN_NONE;
    return raised();
}

static void drop_owner(PyObject *capsule)
{
    Py_XDECREF((PyObject *)PyCapsule_GetContext(capsule));
}

/* (signature, owner) -> capsule of the address, which keeps its owner alive; the name is part of the owner. */
static PyObject *pointer_capsule(Pointer *self, PyObject *args)
{
    PyObject *signature, *owner;
    if (!PyArg_ParseTuple(args, "O!O:capsule", &PyBytes_Type, &signature, &owner))
        return NULL;
    PyObject *capsule = PyCapsule_New(self->address, PyBytes_AS_STRING(signature), drop_owner);
    if (capsule && PyCapsule_SetContext(capsule, owner))
        Py_CLEAR(capsule);
    else if (capsule)
        Py_INCREF(owner);
    return capsule;
}

static PyObject *pointer_address(Pointer *self, void *unused)
{
    (void)unused;
    return PyLong_FromVoidPtr(self->address);
}

/* ---- type --------------------------------------------------------------------------------------------------- */

static PyMethodDef pointer_methods[] = {
    {"error", (PyCFunction)pointer_error, METH_NOARGS,
     "The exception of the first call that failed since this was last asked, or None."},
    {"capsule", (PyCFunction)pointer_capsule, METH_VARARGS,
     "capsule(signature, owner): a PyCapsule of the address, named with bytes that `owner` keeps."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef pointer_getset[] = {
    {"address", (getter)pointer_address, NULL, "the address of the C function", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(pointer_doc,
"Pointer(function, prepare, inputs, outputs, sizes, at, values, finite)\n\n"
"A Function behind an address in C.  prepare: the address of gradc_prepare of a unit as gradc_lowlevel.h says.\n"
"inputs, outputs: numbers of those that a call gives; sizes: all sizes, of inputs and of outputs, -1 where they are\n"
"not known; at: which of them a call gives; values: (number, value) of inputs that it does not give;\n"
"finite: results that are nan or infinite make a call fail.");

static PyType_Slot pointer_slots[] = {
    {Py_tp_doc, (void *)pointer_doc},
    {Py_tp_new, pointer_new},
    {Py_tp_dealloc, pointer_dealloc},
    {Py_tp_traverse, pointer_traverse},
    {Py_tp_methods, pointer_methods},
    {Py_tp_getset, pointer_getset},
    {0, NULL},
};

PyType_Spec gradc_pointer_spec = {
    .name = "gradc.runtime._dispatch.Pointer",
    .basicsize = sizeof(Pointer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pointer_slots,
};
