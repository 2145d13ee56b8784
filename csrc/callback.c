/* callback.c: what a unit calls back: Ops that users write in Python.
 *
 * The unit runs without the GIL, on the thread that called the Function; here the GIL is taken, the Op gets copies of its
 * arguments (it may change and keep them; the unit's memory is used again), and its results are copied into the memory
 * planned for them.  Arrays that held copies are used again if nobody has kept them.  What the Op may do wrong is found
 * out by `call` (gradc/ir/callback.py), in Python.  An exception stays set while the unit returns.  An Op that is
 * repeatable is not run again for arguments that are those of the last call.
 */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

#include <string.h>

/* An array for a copy: that of the last call, which no other call has then, or a new one. */
static PyObject *array_for(user_array *in, const int64_t *sizes)
{
    PyObject *array = in->spare;
    in->spare = NULL;
    if (array && is_reusable(array, in->descr, in->ndim, sizes))
        return array;
    Py_XDECREF(array);
    Py_INCREF(in->descr);
    return PyArray_NewFromDescr(&PyArray_Type, in->descr, in->ndim, (npy_intp *)sizes, NULL, NULL, 0, NULL);
}

/* Copies of the arguments, as a list; `sizes` is moved past theirs. */
static PyObject *copies(user_call *c, const void *const *inputs, const int64_t **sizes)
{
    PyObject *list = PyList_New(c->n_inputs);
    for (Py_ssize_t i = 0; list && i < c->n_inputs; ++i) {
        user_array *in = &c->arrays[i];
        PyObject *array = array_for(in, *sizes);
        if (!array) {
            Py_CLEAR(list);
            break;
        }
        memcpy(PyArray_DATA((PyArrayObject *)array), inputs[i], (size_t)PyArray_NBYTES((PyArrayObject *)array));
        PyList_SET_ITEM(list, i, array);
        *sizes += in->ndim;
    }
    return list;
}

/* Arrays that only the list has are there for the next call. */
static void keep_spares(user_call *c, PyObject *list)
{
    if (Py_REFCNT(list) != 1)
        return;
    for (Py_ssize_t i = 0; i < c->n_inputs && i < PyList_GET_SIZE(list); ++i) {
        PyObject *array = PyList_GET_ITEM(list, i);
        if (PyArray_CheckExact(array) && Py_REFCNT(array) == 1)
            Py_XSETREF(c->arrays[i].spare, Py_NewRef(array));
    }
}

/* Are the sizes of a result those that it tells?  Then there is one number for it, -1 less the number of its room. */
static int tells(const user_array *out, const int64_t *numbers)
{
    return out->ndim && *numbers < 0;
}

/* The shapes of the results, as a tuple of tuples, with None where only the result tells. */
static PyObject *shapes_of(const user_call *c, const int64_t *numbers)
{
    PyObject *shapes = PyTuple_New(c->n_outputs);
    for (Py_ssize_t j = 0; shapes && j < c->n_outputs; ++j) {
        const user_array *out = &c->arrays[c->n_inputs + j];
        int own = tells(out, numbers);
        PyObject *shape = own ? Py_NewRef(Py_None) : gradc_integers(numbers, out->ndim);
        if (!shape)
            Py_CLEAR(shapes);
        else
            PyTuple_SET_ITEM(shapes, j, shape);
        numbers += own ? 1 : out->ndim;
    }
    return shapes;
}

/* Is it a plain array of the dtype and shape (NULL: any) that the unit has memory for? */
static int is_result(PyObject *value, const user_array *out, const int64_t *sizes)
{
    PyArrayObject *a = (PyArrayObject *)value;
    if (!PyArray_Check(value) || !PyArray_EquivTypenums(PyArray_TYPE(a), out->descr->type_num)
        || PyArray_NDIM(a) != out->ndim || !is_plain(a))
        return 0;
    for (int d = 0; sizes && d < out->ndim; ++d)
        if (PyArray_DIM(a, d) != sizes[d])
            return 0;
    return 1;
}

/* Its sizes go to `to`; returns the room for its elements, NULL without memory. */
static void *room_for(gradc_frame *frame, int number, PyArrayObject *a, int64_t *to)
{
    for (int d = 0; d < PyArray_NDIM(a); ++d)
        to[d] = PyArray_DIM(a, d);
    void *place = gradc_room(frame, number, PyArray_NBYTES(a));
    if (!place)
        PyErr_NoMemory();
    return place;
}

static int take_results(gradc_frame *frame, const Function *self, const user_call *c, PyObject *results,
                        const int64_t *numbers, void *const *outputs)
{
    for (Py_ssize_t j = 0; j < c->n_outputs; ++j) {
        const user_array *out = &c->arrays[c->n_inputs + j];
        PyObject *value = PyList_Check(results) && j < PyList_GET_SIZE(results) ? PyList_GET_ITEM(results, j) : NULL;
        int own = tells(out, numbers);
        if (!value || !is_result(value, out, own ? NULL : numbers)) {
            PyErr_Format(gradc_ExecutionError, "function %U: result %zd of a call is not the array that was promised",
                         self->title, j);
            return -1;
        }
        PyArrayObject *a = (PyArrayObject *)value;
        void *place = own ? room_for(frame, (int)(-1 - *numbers), a, outputs[j]) : outputs[j];
        if (!place)
            return -1;
        memcpy(place, PyArray_DATA(a), (size_t)PyArray_NBYTES(a));
        numbers += own ? 1 : out->ndim;
    }
    return 0;
}

/* Are the arguments those of the last call?  Then `sizes` is moved past theirs. */
static int is_known(const user_call *c, const void *const *inputs, const int64_t **sizes)
{
    const int64_t *next = *sizes;
    if (!c->results)
        return 0;
    for (Py_ssize_t i = 0; i < c->n_inputs; ++i) {
        PyArrayObject *a = (PyArrayObject *)PyList_GET_ITEM(c->given, i);
        for (int d = 0; d < c->arrays[i].ndim; ++d)
            if (PyArray_DIM(a, d) != *next++)
                return 0;
        if (memcmp(PyArray_DATA(a), inputs[i], (size_t)PyArray_NBYTES(a)))
            return 0;
    }
    *sizes = next;
    return 1;
}

/* Arguments and results are kept for the next call; the Op may have changed the copies that it was given. */
static int keep_call(user_call *c, const void *const *inputs, const int64_t *sizes, PyObject *results)
{
    PyObject *given = copies(c, inputs, &sizes);
    PyObject *kept = given ? PySequence_List(results) : NULL;
    for (Py_ssize_t k = 0; kept && k < PyList_GET_SIZE(kept); ++k) {       /* the Op may use its arrays again */
        PyObject *copy = PyArray_NewCopy((PyArrayObject *)PyList_GET_ITEM(kept, k), NPY_CORDER);
        if (!copy)
            Py_CLEAR(kept);
        else
            PyList_SetItem(kept, k, copy);
    }
    if (!kept) {
        Py_XDECREF(given);
        return -1;
    }
    Py_XSETREF(c->given, given);
    Py_XSETREF(c->results, kept);
    return 0;
}

static int call(Function *self, gradc_frame *frame, int number, const void *const *inputs, const int64_t *numbers,
                void *const *outputs)
{
    user_call *c = &self->calls[number];
    if (is_known(c, inputs, &numbers)) {
        PyObject *known = Py_NewRef(c->results);
        int taken = take_results(frame, self, c, known, numbers, outputs);
        Py_DECREF(known);
        return taken;
    }
    const int64_t *sizes = numbers;
    PyObject *given = copies(c, inputs, &numbers);
    PyObject *shapes = given ? shapes_of(c, numbers) : NULL;
    PyObject *all = shapes ? gradc_integers(frame->sizes, self->n_sizes) : NULL;
    PyObject *results = all ? PyObject_CallFunction(self->call, "iOOO", number, given, shapes, all) : NULL;
    int rc = results ? take_results(frame, self, c, results, numbers, outputs) : -1;
    if (c->repeatable && !rc)
        rc = keep_call(c, inputs, sizes, results);
    Py_XDECREF(results);
    Py_XDECREF(all);
    Py_XDECREF(shapes);
    if (given)
        keep_spares(c, given);
    Py_XDECREF(given);
    return rc;
}

int gradc_call_back(gradc_frame *frame, int number, const void *const *inputs, const int64_t *numbers,
                    void *const *outputs)
{
    running *now = frame->host;
    PyEval_RestoreThread(now->state);
    int rc = call(now->function, frame, number, inputs, numbers, outputs);
    now->state = PyEval_SaveThread();
    return rc ? GRADC_CALL_FAILED : 0;
}

/* ---- making ------------------------------------------------------------------------------------------------- */

static int is_tuple(PyObject *spec, const char *what)
{
    if (!PyTuple_Check(spec))
        PyErr_Format(PyExc_TypeError, "%s, got %R", what, spec);
    return PyTuple_Check(spec);
}

/* One (dtype, rank). */
static int set_array(user_array *array, PyObject *spec)
{
    PyObject *dtype;
    if (!is_tuple(spec, "an array is (dtype, rank)") || !PyArg_ParseTuple(spec, "Oi", &dtype, &array->ndim)
        || !PyArray_DescrConverter(dtype, &array->descr))
        return -1;
    if (array->ndim < 0 || array->ndim > MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "an array of a call has rank %d; at most %d is possible", array->ndim, MAX_RANK);
        return -1;
    }
    return 0;
}

/* One (arguments, results) or (arguments, results, is it repeatable). */
static int set_call(user_call *c, PyObject *spec)
{
    PyObject *groups[2];
    if (!is_tuple(spec, "a call is (list of arguments, list of results, is it repeatable?)")
        || !PyArg_ParseTuple(spec, "O!O!|p", &PyList_Type, &groups[0], &PyList_Type, &groups[1], &c->repeatable))
        return -1;
    c->n_inputs = PyList_GET_SIZE(groups[0]);
    c->n_outputs = PyList_GET_SIZE(groups[1]);
    if (!(c->arrays = gradc_table_of(c->n_inputs + c->n_outputs, sizeof(user_array))))
        return -1;
    user_array *next = c->arrays;
    for (int k = 0; k < 2; ++k)
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(groups[k]); ++i)
            if (set_array(next++, PyList_GET_ITEM(groups[k], i)))
                return -1;
    return 0;
}

int gradc_set_calls(Function *self, PyObject *specs)
{
    self->n_calls = PyTuple_GET_SIZE(specs);
    if (!(self->calls = gradc_table_of(self->n_calls, sizeof(user_call))))
        return -1;
    for (Py_ssize_t k = 0; k < self->n_calls; ++k)
        if (set_call(&self->calls[k], PyTuple_GET_ITEM(specs, k)))
            return -1;
    if (self->n_calls && !self->call) {
        PyErr_SetString(PyExc_TypeError, "a Function with calls needs `call`");
        return -1;
    }
    return 0;
}

void gradc_drop_spares(Function *self)
{
    for (Py_ssize_t k = 0; self->calls && k < self->n_calls; ++k)
        for (Py_ssize_t i = 0; self->calls[k].arrays && i < self->calls[k].n_inputs; ++i)
            Py_CLEAR(self->calls[k].arrays[i].spare);
}

void gradc_drop_calls(Function *self)
{
    gradc_drop_spares(self);
    for (Py_ssize_t k = 0; self->calls && k < self->n_calls; ++k) {
        user_call *c = &self->calls[k];
        for (Py_ssize_t i = 0; c->arrays && i < c->n_inputs + c->n_outputs; ++i)
            Py_XDECREF(c->arrays[i].descr);
        PyMem_Free(c->arrays);
        Py_CLEAR(c->given);
        Py_CLEAR(c->results);
    }
    PyMem_Free(self->calls);
}
