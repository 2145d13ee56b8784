/* tables.c: the tables of a Function and of a call. */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

#include <string.h>

/* A table of `n` zeroed items, of at least one; NULL with MemoryError. */
void *gradc_table_of(Py_ssize_t n, size_t item)
{
    void *made = PyMem_Calloc((size_t)(n > 0 ? n : 1), item);
    if (!made)
        PyErr_NoMemory();
    return made;
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
    w->known = w->shapes + self->n_shapes;
    memset(w->held, 0, (size_t)(self->n_inputs + self->n_outputs) * sizeof(PyObject *));
}

Py_ssize_t gradc_bytes_of_work(const Function *self)
{
    Py_ssize_t pointers = 2 * self->n_inputs + 2 * self->n_outputs + self->n_arguments;
    return self->n_inputs * (Py_ssize_t)sizeof(slot) + pointers * (Py_ssize_t)sizeof(void *)
        + (Py_ssize_t)bytes_of_sizes(self) + self->n_known * (Py_ssize_t)sizeof(int64_t);
}

void gradc_release(const Function *self, work *w)
{
    for (Py_ssize_t i = 0; i < self->n_inputs + self->n_outputs; ++i)       /* held and results are neighbours */
        Py_CLEAR(w->held[i]);
}
