/* function.c: making and freeing a Function, and its type. */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

#include <stdlib.h>

static int function_traverse(Function *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->dict);
    Py_VISIT(self->keys);
    Py_VISIT(self->constant_arrays);
    Py_VISIT(self->convert);
    Py_VISIT(self->fail);
    Py_VISIT(self->generator);
    Py_VISIT(self->call);
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
    Py_CLEAR(self->generator);
    Py_CLEAR(self->call);
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
            gradc_drop_lock(self->updates[k].lock);
        Py_XDECREF(self->updates[k].spare);
        Py_XDECREF(self->updates[k].storage);
    }
    for (Py_ssize_t i = 0; self->inputs && i < self->n_inputs; ++i) {
        Py_XDECREF(self->inputs[i].name);
        Py_XDECREF(self->inputs[i].storage);
        Py_XDECREF(self->inputs[i].descr);
    }
    gradc_drop_recent(self);
    gradc_drop_calls(self);
    for (Py_ssize_t j = 0; self->outputs && j < self->n_outputs; ++j)
        Py_XDECREF(self->outputs[j].descr);
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

/* (name, dtype, shape, storage, default[, strict[, state]]) */
static int set_input(Function *self, Py_ssize_t i, PyObject *spec, int64_t *shape)
{
    input *in = &self->inputs[i];
    PyObject *name, *dtype, *sizes, *storage, *preset;
    if (!PyTuple_Check(spec) || !PyArg_ParseTuple(spec, "OOO!OO|pi;an input is (name, dtype, shape, storage, "
                                                  "default[, strict[, state]])",
                                                  &name, &dtype, &PyTuple_Type, &sizes, &storage, &preset, &in->strict,
                                                  &in->state))
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
    if (!PyTypeNum_ISNUMBER(in->type) && in->type != NPY_BOOL && in->type != NPY_HALF) {
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
    if (!(self->inputs = gradc_table_of(self->n_inputs, sizeof(input)))
        || !(self->arguments = gradc_table_of(self->n_inputs, sizeof(Py_ssize_t)))
        || !(self->stored = gradc_table_of(self->n_inputs, sizeof(Py_ssize_t)))
        || !(self->static_sizes = gradc_table_of(rank, sizeof(int64_t))))
        return -1;
    for (Py_ssize_t i = 0; i < self->n_inputs; ++i)
        if (set_input(self, i, PyTuple_GET_ITEM(specs, i), self->static_sizes + self->n_sizes))
            return -1;
    return 0;
}

static int set_outputs(Function *self, PyObject *specs)
{
    self->n_outputs = PyTuple_GET_SIZE(specs);
    if (!(self->outputs = gradc_table_of(self->n_outputs, sizeof(output))))
        return -1;
    for (Py_ssize_t j = 0; j < self->n_outputs; ++j) {
        output *out = &self->outputs[j];
        PyObject *dtype, *spec = PyTuple_GET_ITEM(specs, j);
        if (!PyTuple_Check(spec) || !PyArg_ParseTuple(spec, "Oi|pp;an output is (dtype, rank[, borrow[, state]])",
                                                         &dtype, &out->ndim, &out->borrow, &out->state)
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
    if (!(self->updates = gradc_table_of(n, sizeof(update))) || !(self->locks = gradc_table_of(n,
                                                                                               sizeof(storage_lock *))))
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
        if (!(u->lock = gradc_lock_of(storage))) {
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
    if (!self->constant_arrays || !(self->constants = gradc_table_of(self->n_constants, sizeof(void *))))
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
    if (self->n_results < 0 || self->n_results > self->n_outputs || (self->kind == RESULT_ONE
                                                                     && self->n_results != 1)) {
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
                            "updates", "convert", "fail", "generator", "keep", "deterministic", "timed", "late",
                            "brief", "calls", "call", "known", NULL};
    PyObject *name = NULL, *prepare = NULL, *entry = NULL, *inputs = NULL, *outputs = NULL, *constants = NULL;
    PyObject *result = NULL, *keys = NULL, *updates = NULL, *convert = NULL, *fail = NULL, *generator = NULL;
    PyObject *keep = NULL, *calls = NULL, *call = NULL;
    Py_ssize_t n_results = -1, n_known = 0;
    int deterministic = 0, timed = 0, late = 0, brief = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$UO!O!OOOnUOOOOOOppppOOn:Function", names, &name, &PyLong_Type,
                                     &prepare, &PyLong_Type, &entry, &inputs, &outputs, &constants, &n_results, &result,
                                     &keys, &updates, &convert, &fail, &generator, &keep, &deterministic, &timed, &late,
                                     &brief, &calls, &call, &n_known))
        return NULL;
    if (!name || !prepare || !entry || !inputs || !outputs || !result) {
        PyErr_SetString(PyExc_TypeError, "Function needs name, prepare, entry, inputs, outputs, n_results and result");
        return NULL;
    }
    Function *self = (Function *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->vectorcall = timed ? gradc_timed_call : gradc_function_call;
    self->timed = timed;
    self->late = late;
    self->brief = brief;
    self->title = Py_NewRef(name);
    self->n_results = n_results;
    self->n_known = n_known;
    self->blas = deterministic ? &gradc_blas_own : &gradc_blas_chosen;
    set_optional(&self->convert, convert);
    set_optional(&self->fail, fail);
    set_optional(&self->generator, generator);
    set_optional(&self->call, call);
    set_optional(&self->keep, keep);
    *(void **)&self->prepare = PyLong_AsVoidPtr(prepare);
    *(void **)&self->entry = PyLong_AsVoidPtr(entry);
    if (!PyErr_Occurred() && (!self->prepare || !self->entry))
        PyErr_SetString(PyExc_ValueError, "prepare and entry must be addresses");
    if (!PyErr_Occurred() && n_known < 0)
        PyErr_SetString(PyExc_ValueError, "known must not be negative");
    if (PyErr_Occurred() || set_tuple(self, inputs, set_inputs) || set_tuple(self, outputs, set_outputs)
        || set_result(self, result, keys) || set_tuple(self, updates, set_updates)
        || set_tuple(self, constants, set_constants) || set_tuple(self, calls, gradc_set_calls)) {
        Py_DECREF(self);
        return NULL;
    }
    self->work_bytes = gradc_bytes_of_work(self);
    return (PyObject *)self;
}

static PyObject *function_drop_recent(Function *self, PyObject *unused)
{
    (void)unused;
    gradc_drop_recent(self);
    gradc_drop_spares(self);
    Py_RETURN_NONE;
}

static PyObject *function_tally(Function *self, void *unused)
{
    (void)unused;
    if (!self->timed)
        Py_RETURN_NONE;
    return Py_BuildValue("Ldd", (long long)self->tally.calls, 1e-9 * (double)self->tally.total,
                         1e-9 * (double)self->tally.inside);
}

static PyObject *function_repr(Function *self)
{
    return PyUnicode_FromFormat("<gradc function %U>", self->title);
}

/* ---- type --------------------------------------------------------------------------------------------------- */

static PyMethodDef function_methods[] = {
    {"bind", (PyCFunction)(void (*)(void))gradc_function_bind, METH_FASTCALL | METH_KEYWORDS, gradc_bind_doc},
    {"drop_recent", (PyCFunction)function_drop_recent, METH_NOARGS, "Give up arrays that are kept for reuse."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef function_members[] = {
    {"arena_bytes", T_LONGLONG, offsetof(Function, arena_bytes), READONLY,
     "Bytes of scratch memory that the last call used."},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Function, vectorcall), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Function, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Function, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef function_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"tally", (getter)function_tally, NULL, "(calls, seconds in all, seconds in the unit), or None if not timed", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(function_doc,
"Function(*, name, prepare, entry, inputs, outputs, constants=(), n_results, result, keys=None, updates=(),\n"
"         convert=None, fail=None, generator=None, keep=None, deterministic=False, timed=False, late=False,\n"
"         brief=False, calls=(), call=None, known=0)\n\n"
"A compiled function.  prepare, entry: addresses of the unit's functions; keep: what keeps them loaded.\n"
"inputs:  (name or None, dtype, shape with -1 for unknown sizes, container of a shared variable or None, container of\n"
"         a default or None[, strict[, state]]); a container is a list whose item 0 is the value\n"
"outputs: (dtype, rank[, borrow[, state]]); the first n_results are the user's, as result ('one', 'list', 'dict' with\n"
"         keys, 'none'); borrow: two results are kept, and reused once the user has dropped them\n"
"updates: (output number, container): assigned after a call that succeeded, all or none\n"
"convert(position, value) -> array for all but exact arrays and plain numbers\n"
"fail(check, four integers, all sizes, 'prepare' or 'entry') -> the exception to raise\n"
"generator(output number, words, a state that was given or None) -> what stands for an output that is a state\n"
"deterministic: gemm by gradc's own loops; timed: count calls and their time, see `tally`;\n"
"late: the sizes of some outputs are known only in entry or, no larger than prepare says, after it;\n"
"brief: entry takes less time than giving up the GIL does, and keeps it; it calls nothing of the frame;\n"
"calls: users' Ops that the unit calls, each ([(dtype, rank) of arguments], [(dtype, rank) of results]);\n"
"call(number, arguments, shapes of the results, all sizes) -> list of arrays of exactly these dtypes and shapes\n"
"known: how many int64_t prepare leaves for entry");

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
PyType_Spec gradc_function_spec = {
    .name = "gradc.runtime._dispatch.Function",
    .basicsize = sizeof(Function),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = function_slots,
};
