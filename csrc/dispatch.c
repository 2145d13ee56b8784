/* dispatch.c: the extension gradc.runtime._dispatch: its module, the Python names of the pool, the BLAS table and the
 * CPU table.
 *
 * The types are in function.c, bound.c and lowlevel.c, the way from a Python call into a generated unit is in call.c.
 * Not in C: conversion of unusual arguments (`convert`) and the texts of failed checks (`fail`).  The types belong to the
 * main interpreter (NumPy supports no other).
 */
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

PyObject *gradc_BadArgumentError, *gradc_ExecutionError, *gradc_ShapeError;
PyTypeObject *gradc_FunctionType, *gradc_BoundCallType;

PyDoc_STRVAR(set_num_threads_doc,
"set_num_threads(n)\n\nThreads that a section may run on, the calling one included; 1 to 1024.  Results do not depend\n"
"on it.  The threads of NumPy's BLAS are not touched.");

static PyObject *set_num_threads(PyObject *module, PyObject *argument)
{
    (void)module;
    int overflow = 0;
    PyObject *index = PyNumber_Index(argument);
    long n = index ? PyLong_AsLongAndOverflow(index, &overflow) : 0;
    Py_XDECREF(index);
    if (!index)
        return NULL;
    if (overflow || n < 1 || n > GRADC_MAX_THREADS) {
        PyErr_Format(PyExc_ValueError, "the number of threads must be 1 to %d, got %R", GRADC_MAX_THREADS, argument);
        return NULL;
    }
    gradc_pool_set_threads((int)n);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(get_num_threads_doc,
"get_num_threads() -> int\n\nThreads that a section may run on: set_num_threads, else GRADC_NUM_THREADS, else\n"
"OMP_NUM_THREADS, else the CPUs this process may use; 1 in a forked child.");

static PyObject *get_num_threads(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromLong(gradc_pool_threads());
}

PyDoc_STRVAR(cpu_features_doc,
"cpu_features() -> list[str]\n\nInstruction sets that this CPU and operating system offer, named as gcc's -m flags.");

static PyObject *cpu_features(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    const char *names[64];
    size_t n = gradc_cpu_features(names, 64);
    PyObject *made = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; made && i < n; ++i) {
        PyObject *name = PyUnicode_FromString(names[i]);
        if (!name)
            Py_CLEAR(made);
        else
            PyList_SET_ITEM(made, (Py_ssize_t)i, name);
    }
    return made;
}

PyDoc_STRVAR(blas_info_doc,
"blas_info() -> dict\n\nWhere gemm comes from: provider (numpy, scipy, system, fallback), path, version, symbol, "
    "threads\n"
"(0: the library does not say).");

static PyObject *blas_info(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gradc_blas_description d;
    gradc_blas_describe(&d);
    PyObject *path = PyUnicode_DecodeFSDefault(d.path);
    if (!path)
        return NULL;
    return Py_BuildValue("{s:s,s:N,s:s,s:s,s:i}", "provider", d.provider, "path", path, "version", d.version, "symbol",
                         d.symbol, "threads", d.threads);
}

PyDoc_STRVAR(blas_set_doc,
"blas_set(kind, path=None)\n\nTake gemm from: auto, numpy, scipy, system, fallback; from the library at `path`, if "
    "given.\n"
"Raises: ValueError if there is no such library here; the choice made before stays.");

static PyObject *blas_set(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"kind", "path", NULL};
    static const char *const kinds[] = {"auto", "numpy", "scipy", "system", "fallback"};
    const char *kind, *known = NULL;
    PyObject *given = NULL, *path = NULL;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:blas_set", names, &kind, &given))
        return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
        if (!strcmp(kind, kinds[i]))
            known = kinds[i];
    if (!known) {
        PyErr_Format(PyExc_ValueError, "kind must be auto, numpy, scipy, system or fallback, got %s", kind);
        return NULL;
    }
    if (given && given != Py_None && !PyUnicode_FSConverter(given, &path))
        return NULL;
    int rc = gradc_blas_choose(known, path ? PyBytes_AS_STRING(path) : NULL);
    if (rc)
        PyErr_Format(PyExc_ValueError, "no BLAS with cblas_dgemm and cblas_sgemm found: kind %s, path %R", kind,
                     given ? given : Py_None);
    Py_XDECREF(path);
    if (rc)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"set_num_threads", set_num_threads, METH_O, set_num_threads_doc},
    {"get_num_threads", get_num_threads, METH_NOARGS, get_num_threads_doc},
    {"cpu_features", cpu_features, METH_NOARGS, cpu_features_doc},
    {"blas_info", blas_info, METH_NOARGS, blas_info_doc},
    {"blas_set", (PyCFunction)(void (*)(void))blas_set, METH_VARARGS | METH_KEYWORDS, blas_set_doc},
    {"learn_states", gradc_learn_states, METH_VARARGS, gradc_learn_states_doc},
    {NULL, NULL, 0, NULL},
};

static PyObject *error_class(PyObject *errors, const char *name)
{
    return errors ? PyObject_GetAttrString(errors, name) : NULL;
}

/* NumPy's sorts that use vectors: of elements of 4 and 8 bytes, on CPUs with AVX2.  They need neither the GIL nor an
 * array. */
static void start_sorting(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    static const int types[GRADC_TYPES] = {
        [gradc_TYPE_I32] = NPY_INT32, [gradc_TYPE_I64] = NPY_INT64, [gradc_TYPE_U32] = NPY_UINT32,
        [gradc_TYPE_U64] = NPY_UINT64, [gradc_TYPE_F32] = NPY_FLOAT32, [gradc_TYPE_F64] = NPY_FLOAT64};
    for (int k = 0; __builtin_cpu_supports("avx2") && k < GRADC_TYPES; ++k)
        if (types[k]) {
            PyArray_Descr *dtype = PyArray_DescrFromType(types[k]);
            gradc_sorters[k] = PyDataType_GetArrFuncs(dtype)->sort[NPY_QUICKSORT];
            Py_DECREF(dtype);
        }
#endif
}

/* What is set once for the process. */
static int start_once(void)
{
    static int done;
    if (done)
        return 0;
    gradc_locks_start();
    if (gradc_arena_start()) {
        PyErr_SetString(PyExc_ImportError, "gradc: no thread-local storage left");
        return -1;
    }
    gradc_blas_start((const void *)(uintptr_t)PyArray_NewFromDescr);
    start_sorting();
    const char *bad = gradc_pool_start();
    done = 1;
    if (bad)
        return PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "%s must be a positive integer, got '%s'; gradc uses %d "
                                "thread(s)",
                                bad, getenv(bad), gradc_pool_threads());
    return 0;
}

static int module_exec(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "gradc runs in the main interpreter only, as NumPy does");
        return -1;
    }
    import_array1(-1);
    PyObject *errors = PyImport_ImportModule("gradc.errors");
    Py_XSETREF(gradc_BadArgumentError, error_class(errors, "BadArgumentError"));
    Py_XSETREF(gradc_ExecutionError, error_class(errors, "ExecutionError"));
    Py_XSETREF(gradc_ShapeError, error_class(errors, "ShapeError"));
    Py_XDECREF(errors);
    if (!gradc_BadArgumentError || !gradc_ExecutionError || !gradc_ShapeError || start_once())
        return -1;
    if (PyModule_AddIntConstant(module, "draws_random_numbers", gradc_draw != NULL)
        || PyModule_AddStringConstant(module, "sources", GRADC_SOURCES))
        return -1;
    PyObject *function = PyType_FromModuleAndSpec(module, &gradc_function_spec, NULL);
    PyObject *bound = PyType_FromModuleAndSpec(module, &gradc_bound_spec, NULL);
    PyObject *pointer = PyType_FromModuleAndSpec(module, &gradc_pointer_spec, NULL);
    Py_XSETREF(gradc_FunctionType, (PyTypeObject *)function);
    Py_XSETREF(gradc_BoundCallType, (PyTypeObject *)bound);
    int rc = !function || !bound || !pointer || PyModule_AddType(module, gradc_FunctionType)
        || PyModule_AddType(module, gradc_BoundCallType) || PyModule_AddType(module, (PyTypeObject *)pointer);
    Py_XDECREF(pointer);
    return rc ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_dispatch",
    .m_doc = "Compiled functions of gradc: arguments, calls, threads, BLAS.",
    .m_size = 0,
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__dispatch(void)
{
    return PyModuleDef_Init(&module_def);
}
