/* bound.c: BoundCall, a call of a Function whose memory is fixed: checked once, then run again and again. */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

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
    int changing;                       /* has arguments or shared variables that may tell other sizes now */
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
    self->arena = self->frame.arena_bytes < 0 ? NULL : gradc_get_block(self->arena_bytes);
    self->frame.arena = self->arena;
    if (self->arena)
        return 0;
    self->arena_bytes = 0;
    gradc_raise_check(self->function, &self->frame, GRADC_NO_MEMORY, "prepare");
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
        if (gradc_take_stored(f, w, i, in->storage))
            return -1;
    }
    int rc = f->prepare(&self->frame);
    if (rc) {
        gradc_raise_check(f, &self->frame, rc, "prepare");
        return -1;
    }
    if (memcmp(self->bound_sizes, w->sizes, bytes_of_sizes(f))) {
        PyErr_Format(gradc_ExecutionError, "bound call of function %U: a size has changed since it was bound; bind "
                     "again", f->title);
        return -1;
    }
    return grow_arena(self);
}

static PyObject *bound_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    BoundCall *self = (BoundCall *)callable;
    (void)args;
    if (PyVectorcall_NARGS(nargsf) || (kwnames && PyTuple_GET_SIZE(kwnames))) {
        PyErr_Format(gradc_BadArgumentError, "a bound call of function %U takes no arguments; they were given to "
                     "bind", self->function->title);
        return NULL;
    }
    if (!self->function->entry) {
        PyErr_SetString(gradc_ExecutionError, gradc_cleared);
        return NULL;
    }
    if (self->busy) {
        PyErr_Format(gradc_ExecutionError, "this bound call of function %U is running in another thread; bind one "
                     "for each thread", self->function->title);
        return NULL;
    }
    self->busy = 1;
    int rc = -1;
    if (!self->changing || !refresh(self)) {
        rc = gradc_run_entry(self->function, &self->w, &self->frame);
        if (rc)
            gradc_raise_check(self->function, &self->frame, rc, "entry");
    }
    self->busy = 0;
    if (rc)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *timed_bound_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return gradc_timed(((BoundCall *)callable)->function, bound_call, callable, args, nargsf, kwnames);
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
            PyErr_Format(gradc_BadArgumentError, "function %U can't be bound to the array of dtype %S and shape %S "
                         "given for input %zd: %s, and a copy would not follow it; expected a C-contiguous array of "
                         "dtype %S and rank %d", f->title, PyArray_DESCR(a), shape, i, why, in->descr, in->ndim);
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
    } else if (in->ndim == 1 && (PyTypeNum_ISINTEGER(in->type) || in->type == NPY_BOOL)) {
        self->changing = 1;             /* an element may be a size */
    }
    return 0;
}

static int bind_arguments(BoundCall *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    Function *f = self->function;
    work *w = &self->w;
    if (gradc_match(f, w, args, n, kwnames))
        return -1;
    for (Py_ssize_t k = 0; k < f->n_arguments; ++k) {
        Py_ssize_t i = f->arguments[k];
        PyObject *value = w->given[k];
        const int bound = value && PyArray_Check(value) && !f->inputs[i].state;
        if (value && (bound ? bind_array(self, i, value) : gradc_take(f, w, i, value)))
            return -1;
    }
    return gradc_take_containers(f, w);
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
    PyObject *wanted = gradc_integers(shape, out->ndim);
    PyObject *got = PyArray_Check(given) ? PyObject_GetAttrString(given, "shape") : Py_NewRef(Py_TYPE(given));
    if (wanted && got && PyArray_Check(given))
        PyErr_Format(gradc_BadArgumentError, "out for output %zd of function %U %s: expected a C-contiguous array of "
                     "dtype %S and shape %S, got dtype %S and shape %S", j, f->title, why, out->descr, wanted,
                     PyArray_DESCR(a), got);
    else if (wanted && got)
        PyErr_Format(gradc_BadArgumentError, "out for output %zd of function %U %s: expected a C-contiguous array of "
                     "dtype %S and shape %S, got %R", j, f->title, why, out->descr, wanted, got);
    Py_XDECREF(wanted);
    Py_XDECREF(got);
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
            PyErr_Format(gradc_BadArgumentError, "out of function %U must be a dict with the keys %R", f->title,
                         f->keys);
            return NULL;
        }
        PyObject *key, *value;
        for (Py_ssize_t at = 0; PyDict_Next(out, &at, &key, &value);) {
            int known = PySequence_Contains(f->keys, key);
            if (known < 0)
                return NULL;
            if (!known) {
                PyErr_Format(gradc_BadArgumentError, "out of function %U has the key %R; its keys are %R", f->title,
                             key, f->keys);
                return NULL;
            }
        }
        return Py_NewRef(out);
    }
    PyObject *items = PyArray_Check(out) ? NULL : PySequence_Fast(out, "");
    if (!items || PySequence_Fast_GET_SIZE(items) != f->n_results) {
        Py_CLEAR(items);
        PyErr_Clear();
        PyErr_Format(gradc_BadArgumentError, "out of function %U must be a list of %zd array(s)", f->title,
                     f->n_results);
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
            w->results[j] = gradc_new_output(f, j, shape);
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
                PyErr_Format(gradc_BadArgumentError, "out for output %zd of function %U overlaps input %zd; give it "
                             "memory of its own", j, f->title, i);
                return -1;
            }
        for (Py_ssize_t k = 0; k < j; ++k)
            if (overlap(self->w.results[j], self->w.results[k])) {
                PyErr_Format(gradc_BadArgumentError, "out for outputs %zd and %zd of function %U overlap", k, j,
                             f->title);
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
    gradc_set_frame(f, &self->w, &self->frame);
    int rc = f->prepare(&self->frame);
    if (rc) {
        gradc_raise_check(f, &self->frame, rc, "prepare");
        return -1;
    }
    if (bind_outputs(self, out) || check_overlap(self) || grow_arena(self))
        return -1;
    memcpy(self->bound_sizes, self->w.sizes, bytes_of_sizes(f));
    self->changing |= self->n_live || f->n_stored;

    PyObject **references = PyMem_Calloc((size_t)(f->n_outputs > 0 ? f->n_outputs : 1), sizeof(PyObject *));
    if (!references) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t j = 0; j < f->n_outputs; ++j)
        references[j] = Py_NewRef(self->w.results[j]);
    self->out = gradc_packed(f, references);
    for (Py_ssize_t j = 0; j < f->n_outputs; ++j)
        Py_XDECREF(references[j]);
    PyMem_Free(references);
    return self->out ? 0 : -1;
}

const char gradc_bind_doc[] =
"bind(*args, out=None, **named) -> BoundCall\n\n"
"A call with fixed memory: arguments, outputs and scratch are checked and kept once; `call()` then computes on the\n"
"same memory again and returns None.  `call.out` has the output arrays (those given as `out`, else new ones).\n"
"Arrays are bound, not copied: what is written into them is seen by the next call.\n"
"Raises: BadArgumentError for arrays that would have to be copied, for outputs that do not fit or overlap, and for\n"
"functions with updates, with outputs whose sizes depend on computed data, or with Ops written in Python.";

PyObject *gradc_function_bind(Function *f, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    if (!f->entry || f->n_updates) {
        PyErr_Format(gradc_BadArgumentError, "function %U has updates and can't be bound; call it", f->title);
        return NULL;
    }
    if (f->late) {
        PyErr_Format(gradc_BadArgumentError, "function %U has outputs whose sizes depend on computed data and can't be "
                     "bound; call it", f->title);
        return NULL;
    }
    if (f->generator) {
        PyErr_Format(gradc_BadArgumentError, "function %U has states of random generators among its results and can't "
                     "be bound; call it", f->title);
        return NULL;
    }
    if (f->n_calls) {
        PyErr_Format(gradc_BadArgumentError, "function %U calls Ops that are written in Python, which make new arrays, "
                     "and can't be bound; call it", f->title);
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
    BoundCall *self = (BoundCall *)gradc_BoundCallType->tp_alloc(gradc_BoundCallType, 0);
    if (self) {
        self->vectorcall = f->timed ? timed_bound_call : bound_call;
        self->function = (Function *)Py_NewRef((PyObject *)f);
        self->block = gradc_table_of(f->work_bytes, 1);
        self->bound_sizes = gradc_table_of(1, bytes_of_sizes(f) + 1);
        self->live = gradc_table_of(f->n_inputs, sizeof(Py_ssize_t));
        if (self->block)
            gradc_lay_out(f, self->block, &self->w);
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
        gradc_release(self->function, &self->w);
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

/* ---- type --------------------------------------------------------------------------------------------------- */

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

PyType_Spec gradc_bound_spec = {
    .name = "gradc.runtime._dispatch.BoundCall",
    .basicsize = sizeof(BoundCall),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE
        | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};
