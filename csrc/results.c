/* results.c: the arrays that a call writes, and what becomes of them: results for the user, new values of shared
 * variables.
 */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

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

/* A result of which the last two are kept: 0-d, for making one costs more than the rest of a call, or borrowed. */
static inline PyObject *recent_output(Function *self, Py_ssize_t j, const int64_t *shape)
{
    output *out = &self->outputs[j];
    for (int k = 0; k < 2; ++k)
        if (out->recent[k] && is_reusable(out->recent[k], out->descr, out->ndim, shape))
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
}

static inline int take_output(Function *self, work *w, Py_ssize_t j)
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

int gradc_take_output(Function *self, work *w, Py_ssize_t j)
{
    return take_output(self, w, j);
}

int gradc_new_outputs(Function *self, work *w)
{
    for (Py_ssize_t k = 0; k < self->n_updates; ++k) {
        update *u = &self->updates[k];
        const output *out = &self->outputs[u->output];
        const int64_t *shape = w->shapes + out->first;
        if (u->spare && !out->state && is_reusable(u->spare, out->descr, out->ndim, shape)) {
            w->results[u->output] = u->spare;
            u->spare = NULL;
        }
    }
    for (Py_ssize_t j = 0; j < self->n_outputs; ++j)
        if (!(self->late && self->outputs[j].ndim && w->shapes[self->outputs[j].first] == GRADC_LATE)
            && take_output(self, w, j))
            return -1;
    return 0;
}

/* Outputs of which entry found that they have fewer elements than their memory; those come first in it. */
int gradc_shrink_outputs(const Function *self, work *w)
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
int gradc_make_generators(const Function *self, work *w)
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
void gradc_commit(Function *self, work *w)
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

int gradc_containers_intact(const Function *self)
{
    for (Py_ssize_t k = 0; k < self->n_updates; ++k)
        if (PyList_GET_SIZE(self->updates[k].storage) < 1) {
            PyErr_Format(gradc_ExecutionError, "function %U: the container of an updated variable holds no value",
                         self->title);
            return 0;
        }
    return 1;
}
