/* state.c: states of random generators between Python and kernels: numpy.random.Generators over PCG64, and words.
 *
 * The public way, the attribute `state`, takes microseconds; so the words are read and written where NumPy's PCG64 has
 * them in memory, once gradc_learn_states has seen that they are there.  Until then, and for all else, `convert` and
 * `generator` of the Function do it in Python (gradc/compile/states.py).
 */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

/* What the state of a bitgen_t points to (numpy/random/src/pcg64/pcg64.h). */
typedef struct pcg64 {
    uint64_t *words;                    /* state and increment */
    int has_uint32;
    uint32_t uinteger;
} pcg64;

static PyObject *generator_type, *pcg64_type;           /* NULL: nothing is known of memory */
static PyObject *bit_generator, *capsule, *seed_seq;    /* names of attributes */

/* The PCG64 of a Generator, a new reference; NULL, without an exception, if it has none or nothing is known. */
static PyObject *bits_of(PyObject *generator)
{
    if ((PyObject *)Py_TYPE(generator) != generator_type)
        return NULL;
    PyObject *bits = PyObject_GetAttr(generator, bit_generator);
    if (!bits)
        PyErr_Clear();
    else if ((PyObject *)Py_TYPE(bits) != pcg64_type)
        Py_CLEAR(bits);
    return bits;
}

/* Where a PCG64 has its state; NULL, without an exception, if it does not say. */
static pcg64 *memory_of(PyObject *bits)
{
    PyObject *held = PyObject_GetAttr(bits, capsule);
    bitgen_t *found = held ? PyCapsule_GetPointer(held, "BitGenerator") : NULL;
    Py_XDECREF(held);                   /* the PCG64 has it, too */
    PyErr_Clear();
    return found ? found->state : NULL;
}

static void read_words(const pcg64 *from, uint64_t *words)
{
    words[0] = GRADC_PCG64;
    memcpy(words + 1, from->words, 4 * sizeof *words);
    words[5] = from->has_uint32 != 0;
    words[6] = from->uinteger;
}

int gradc_words_of(PyObject *generator, uint64_t *words)
{
    PyObject *bits = bits_of(generator);
    const pcg64 *from = bits ? memory_of(bits) : NULL;
    if (from)
        read_words(from, words);
    Py_XDECREF(bits);
    return from != NULL;
}

int gradc_put_words(PyObject *generator, PyObject *like, const uint64_t *words)
{
    if (Py_REFCNT(generator) != 1 || words[0] != GRADC_PCG64)
        return 0;
    int done = 0;
    PyObject *bits = bits_of(generator), *others = bits ? bits_of(like) : NULL;
    if (others && Py_REFCNT(bits) == 2) {               /* the generator's, and ours */
        PyObject *seed = PyObject_GetAttr(bits, seed_seq), *wanted = PyObject_GetAttr(others, seed_seq);
        pcg64 *to = seed && seed == wanted ? memory_of(bits) : NULL;
        if (to) {
            memcpy(to->words, words + 1, 4 * sizeof *words);
            to->has_uint32 = (int)words[5];
            to->uinteger = (uint32_t)words[6];
            done = 1;
        }
        Py_XDECREF(seed);
        Py_XDECREF(wanted);
        PyErr_Clear();
    }
    Py_XDECREF(others);
    Py_XDECREF(bits);
    return done;
}

const char gradc_learn_states_doc[] =
"learn_states(generator, words) -> bool\n\n"
"Look whether the generator, a numpy.random.Generator over PCG64, has these words (an array of uint64) as its state\n"
"where they are expected in memory.  If so, states are read and written there from now on.";

PyObject *gradc_learn_states(PyObject *module, PyObject *args)
{
    PyObject *generator, *given;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO!:learn_states", &generator, &PyArray_Type, &given))
        return NULL;
    PyArrayObject *expected = (PyArrayObject *)given;
    if (PyArray_TYPE(expected) != NPY_UINT64 || PyArray_SIZE(expected) != GRADC_PCG64_WORDS || !is_plain(expected)) {
        PyErr_SetString(PyExc_ValueError, "the words of a state of PCG64 are an array of seven uint64");
        return NULL;
    }
    if (!bit_generator && (!(bit_generator = PyUnicode_InternFromString("bit_generator"))
                           || !(capsule = PyUnicode_InternFromString("capsule"))
                           || !(seed_seq = PyUnicode_InternFromString("seed_seq"))))
        return NULL;
    PyObject *bits = PyObject_GetAttr(generator, bit_generator);
    if (!bits)
        return NULL;
    const pcg64 *from = memory_of(bits);
    uint64_t words[GRADC_PCG64_WORDS];
    if (from)
        read_words(from, words);
    const int equal = from && !memcmp(words, PyArray_DATA(expected), sizeof words);
    if (equal) {
        Py_XSETREF(generator_type, Py_NewRef(Py_TYPE(generator)));
        Py_XSETREF(pcg64_type, Py_NewRef(Py_TYPE(bits)));
    }
    Py_DECREF(bits);
    return PyBool_FromLong(equal);
}
