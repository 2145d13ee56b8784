/* call.c: one call of a Function, from Python arguments to Python results.
 *
 * Addresses of the arguments are collected (arguments.c); prepare computes the output shapes; outputs are allocated
 * (results.c); entry computes, without the GIL unless it is brief.  All state of a call is on its stack, so that one Function may run in
 * many threads.  A Function with updates runs under the locks of the containers it writes (locks.c); new values are put
 * in place after the unit returned success, by steps that can't fail.
 */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

#include <string.h>
#include <time.h>

enum {
    WORK_ON_STACK = 2048,               /* bytes of a call's tables                       */
    ARENA_ON_STACK = 4096
};

const char gradc_cleared[] = "this function has been cleared by the garbage collector";

void gradc_set_frame(const Function *self, work *w, gradc_frame *frame)
{
    frame->inputs = w->data;
    frame->sizes = w->sizes;
    frame->outputs = w->out_data;
    frame->shapes = w->shapes;
    frame->known = w->known;
    frame->constants = self->constants;
    frame->arena = NULL;
    frame->arena_bytes = 0;
    memset(frame->error, 0, sizeof frame->error);
    frame->parallel = gradc_pool_run;
    frame->blas = self->blas;
    frame->routines = gradc_routines;
    frame->each = gradc_run_each;
    frame->callback = self->n_calls ? gradc_call_back : NULL;
    frame->room = gradc_room;
    frame->output = gradc_late_output;
    frame->host = NULL;
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

static int64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int gradc_run_entry(Function *self, work *w, gradc_frame *frame)
{
    running now = {self, w, self->brief ? NULL : PyEval_SaveThread(), NULL, 0};
    frame->host = &now;
    int64_t began = self->timed ? nanoseconds() : 0;
    int rc = self->entry(frame);
    int64_t spent = self->timed ? nanoseconds() - began : 0;
    if (now.rooms)
        gradc_free_rooms(&now);
    if (now.state)
        PyEval_RestoreThread(now.state);
    self->tally.inside += spent;
    return rc;
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
    if (gradc_new_outputs(self, w))
        return NULL;

    _Alignas(64) char small[ARENA_ON_STACK];
    frame.arena = small;
    self->arena_bytes = frame.arena_bytes;
    if (frame.arena_bytes < 0 || frame.arena_bytes > ARENA_ON_STACK) {
        frame.arena = gradc_get_arena(frame.arena_bytes);
        if (!frame.arena) {
            gradc_raise_check(self, &frame, GRADC_NO_MEMORY, "prepare");
            return NULL;
        }
    }
    char *arena = frame.arena;
    rc = gradc_run_entry(self, w, &frame);
    if (arena != small)
        gradc_put_arena(arena);
    if (rc) {
        gradc_raise_check(self, &frame, rc, "entry");
        return NULL;
    }
    if ((self->late && gradc_shrink_outputs(self, w)) || (self->generator && gradc_make_generators(self, w))
        || (self->n_updates && !gradc_containers_intact(self)))
        return NULL;
    PyObject *result = gradc_packed(self, w->results);
    if (result && self->n_updates)
        gradc_commit(self, w);
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
    if (!gradc_match(self, &w, args, PyVectorcall_NARGS(nargsf), kwnames) && !gradc_take_given(self, &w)) {
        if (!self->n_updates) {
            result = run(self, &w);
        } else if (!gradc_lock_all(self)) {
            result = run(self, &w);
            gradc_unlock_all(self);
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
