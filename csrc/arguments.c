/* arguments.c: from Python arguments to addresses and sizes.
 *
 * Exact arrays and plain numbers are taken here as they are; the rest is for `convert`, in Python.
 */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

#include <string.h>

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
    uint64_t words[GRADC_PCG64_WORDS];
    npy_intp size = GRADC_PCG64_WORDS;
    PyObject *made = gradc_words_of(generator, words) ? PyArray_SimpleNew(1, &size, NPY_UINT64) : NULL;
    if (made)
        memcpy(PyArray_DATA((PyArrayObject *)made), words, sizeof words);
    return made;
}

/* Everything that needs a copy or `convert`; the new array is kept in `held`. */
static int take_slowly(const Function *self, work *w, Py_ssize_t i, PyObject *value)
{
    const input *in = &self->inputs[i];
    PyObject *array = in->state == PCG64_STATE ? words_array(value) : NULL;
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

int gradc_take_given(const Function *self, work *w)
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
