"""Functions of gradc in JAX: XLA calls their kernels itself, under jit, grad and vmap, without Python on the way.

    from gradc.interop.jax import as_jax_function
    loss = as_jax_function(gradc.function([x], expression))
    jax.jit(jax.value_and_grad(loss))(point)

A function becomes a handler of XLA's foreign function interface (`xla/ffi/api/c_api.h`, which jaxlib brings): C that
reads addresses and sizes from XLA's buffers and runs the kernel, once for each element of a batch.  Derivatives are
gradc's, compiled when JAX first asks for them.  CPUs only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

import gradc
from gradc.compile.lowlevel import pointer_of_all
from gradc.errors import BadArgumentError, TypeMismatchError, at, shown, user_line
from gradc.interop.derived import Derived

_HANDLER = r'''
/* A handler of XLA for each compiled function, with the headers of jaxlib @version@. */
#include "gradc_lowlevel.h"
#include "xla/ffi/api/c_api.h"

enum { INPUTS = @inputs@, OUTPUTS = @outputs@, BUFFERS = INPUTS + OUTPUTS };
static const int ranks[BUFFERS] = {@ranks@}, item_bytes[BUFFERS] = {@bytes@};
static const gradc_pointer *pointers[GRADC_POINTERS];
static int used;

/* Where element b of the batch begins; the batch's axes are in front, of size 1 where all elements share a buffer. */
static char *element(const XLA_FFI_Buffer *buffer, int k, const int64_t *batch, int64_t batch_axes, int64_t b)
{
    int64_t stride = item_bytes[k], offset = 0;
    for (int64_t d = batch_axes + ranks[k] - 1; d >= batch_axes; --d)
        stride *= buffer->dims[d];
    for (int64_t d = batch_axes - 1; d >= 0; --d) {
        if (buffer->dims[d] != 1)
            offset += b % batch[d] * stride;
        stride *= buffer->dims[d];
        b /= batch[d];
    }
    return (char *)buffer->data + offset;
}

static XLA_FFI_Error *failed(const XLA_FFI_CallFrame *frame, int status)
{
    const char *message =
        status == GRADC_CHECK_FAILED ? "gradc: a check failed; error() of the function says which and where"
        : status == GRADC_OTHER_SIZES ? "gradc: a buffer has another size than its type; see error() of the function"
        : status == GRADC_DEAD ? "gradc: the function is dead: keep what as_jax_function returned"
        : "gradc: no memory";
    XLA_FFI_Error_Create_Args args = {.struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE, .message = message,
        .errc = status == GRADC_OUT_OF_MEMORY ? XLA_FFI_Error_Code_RESOURCE_EXHAUSTED
                                              : XLA_FFI_Error_Code_INVALID_ARGUMENT};
    return frame->api->XLA_FFI_Error_Create(&args);
}

static XLA_FFI_Error *handle(const gradc_pointer *const *at, XLA_FFI_CallFrame *frame)
{
    XLA_FFI_Extension_Base *extension = frame->extension_start;
    if (extension && extension->type == XLA_FFI_Extension_Metadata) {       /* which version we were compiled for */
        XLA_FFI_Metadata *metadata = ((XLA_FFI_Metadata_Extension *)extension)->metadata;
        metadata->api_version.major_version = XLA_FFI_API_MAJOR;
        metadata->api_version.minor_version = XLA_FFI_API_MINOR;
        return NULL;
    }
    const XLA_FFI_Buffer *buffers[BUFFERS];
    for (int k = 0; k < BUFFERS; ++k)
        buffers[k] = k < INPUTS ? frame->args.args[k] : frame->rets.rets[k - INPUTS];
    const int64_t *batch = buffers[INPUTS]->dims, batch_axes = buffers[INPUTS]->rank - ranks[INPUTS];
    int64_t sizes[@sizes@ + 1], *next = sizes, elements = 1;
    for (int k = 0; k < BUFFERS; ++k)
        for (int d = 0; d < ranks[k]; ++d)
            *next++ = buffers[k]->dims[batch_axes + d];
    for (int64_t d = 0; d < batch_axes; ++d)
        elements *= batch[d];

    for (int64_t b = 0; b < elements; ++b) {
        void *data[BUFFERS];
        for (int k = 0; k < BUFFERS; ++k)
            data[k] = element(buffers[k], k, batch, batch_axes, b);
        const int status = gradc_call_pointer(at, (const void *const *)data, sizes, data + INPUTS);
        if (status)
            return failed(frame, status);
    }
    return NULL;
}

#define FUNCTION(k) static XLA_FFI_Error *function_##k(XLA_FFI_CallFrame *frame) { return handle(&pointers[k], frame); }
GRADC_EACH_POINTER(FUNCTION)

#define NAME(k) function_##k,
static XLA_FFI_Handler *const functions[GRADC_POINTERS] = {
    GRADC_EACH_POINTER(NAME)
};

int gradc_prepare(gradc_frame *frame)
{
    *(gradc_pointer_table *)frame->known = (gradc_pointer_table){(const void *)functions, pointers, &used};
    return 0;
}

int gradc_entry(gradc_frame *frame)
{
    return gradc_prepare(frame);
}
'''
# What compiled code of JAX may call for as long as the process lives.
_KEPT: list[object] = []


class JaxFunction:
    """A function of gradc that JAX calls; made by `as_jax_function`."""

    def __init__(self, derived: Derived) -> None:
        self._derived = derived
        self._pointer = pointer_of_all(derived.function, _unit(derived))
        _KEPT.append(self._pointer)
        self._target = f"gradc_{self._pointer.address:x}"
        handler = ctypes.CFUNCTYPE(None)(self._pointer.address)
        jax.ffi.register_ffi_target(self._target, jax.ffi.pycapsule(handler), platform="cpu")
        self._run = jax.custom_vjp(self._call)
        self._run.defvjp(lambda *arguments: (self._run(*arguments), arguments), self._pullback)

    def __call__(self, *arguments: Any) -> Any:
        """The results for arrays of JAX, tracers, or what `jax.numpy.asarray` takes; arranged as gradc's function does.

        Raises: TypeMismatchError for dtypes that do not fit, ShapeError for shapes; what a kernel's check says comes as
        JAX's own error, and `error()` has gradc's exception.
        """
        inputs = self._derived.inputs
        if len(arguments) != len(inputs):
            raise BadArgumentError(f"{self._derived} takes {len(inputs)} argument(s), got {len(arguments)}"
                                   f"{at(user_line())}")
        taken = [self._taken(k, a) for k, a in enumerate(arguments)]
        return self._derived.arranged(self._run(*taken))

    def error(self) -> Exception | None:
        """What gradc's function would have raised in the first call that failed since this was last asked, or None."""
        found: Exception | None = self._pointer.error()
        return found

    def __repr__(self) -> str:
        return f"<gradc {self._derived} for JAX>"

    def _taken(self, k: int, value: Any) -> Any:
        v = self._derived.inputs[k]
        array = value if isinstance(value, jax.Array) else jnp.asarray(value)
        if array.dtype != v.type.dtype:
            narrow = jnp.zeros((), v.type.dtype).dtype != v.type.dtype
            if narrow or not np.can_cast(array.dtype, v.type.dtype, "safe"):
                wide = " (JAX has 64 bits with jax_enable_x64 only)" if narrow else ""
                raise TypeMismatchError(f"input {shown(v.name or str(k))} of {self._derived} is {v.type.short()}, got "
                                        f"an array of {array.dtype}{wide}{at(user_line())}")
            array = array.astype(v.type.dtype)
        if array.ndim != v.type.ndim:
            raise BadArgumentError(f"input {shown(v.name or str(k))} of {self._derived} is {v.type.short()}, got an "
                                   f"array of shape {array.shape}{at(user_line())}")
        return array

    def _call(self, *arguments: Any) -> list[Any]:
        sizes = self._derived.sizes([a.shape for a in arguments])
        types = [jax.ShapeDtypeStruct(s, v.type.dtype) for s, v in zip(sizes, self._derived.outputs)]
        made: list[Any] = jax.ffi.ffi_call(self._target, types, vmap_method="expand_dims")(*arguments)
        return made

    def _pullback(self, arguments: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
        derived = self._derived
        pull = _function_of(derived.pullback(derived.smooth))
        slopes = pull._run(*arguments, *[cotangents[k] for k in derived.smooth]) if derived.real else []
        made = dict(zip(derived.real, slopes))
        return tuple([made[k] if k in made else np.zeros(a.shape, jax.dtypes.float0) for k, a in enumerate(arguments)])


def as_jax_function(function: gradc.Function[Any]) -> JaxFunction:
    """A compiled function of gradc as a function of JAX: for jit, grad, value_and_grad, jacrev (of any order) and vmap.

    Shapes: what the inputs' types allow; those of results must follow from shapes, not from values.
    Dtypes: gradc's; float64 needs `jax.config.update("jax_enable_x64", True)`.
    A batch is one call of the kernel for each element.
    Derivatives: in reverse mode (`jax.custom_vjp`), by all inputs of real floats; forward mode (jvp, jacfwd) is refused
        by JAX.  Of complex inputs there are none.
    Shared variables have the values of now.  What JAX compiled may call the kernel at any time: it is never freed.
    Raises: GraphError for functions with updates or without results; BadArgumentError for those that run Python.
    """
    return _function_of(Derived(function, "as_jax_function"))


def _function_of(derived: Derived) -> JaxFunction:
    if derived.bridged is None:
        derived.bridged = JaxFunction(derived)
    return derived.bridged


def _unit(derived: Derived) -> str:
    """The C text of the handlers."""
    types = [v.type for v in (*derived.inputs, *derived.outputs)]
    fill = {"inputs": len(derived.inputs), "outputs": len(derived.outputs), "sizes": sum(t.ndim for t in types),
            "ranks": ", ".join([str(t.ndim) for t in types]),
            "bytes": ", ".join([str(np.dtype(t.dtype).itemsize) for t in types])}
    text = _HANDLER.lstrip().replace("@version@", jaxlib.__version__)       # part of the key in the cache
    for name, value in fill.items():
        text = text.replace(f"@{name}@", str(value))
    return text.replace('"xla/', f'"{jax.ffi.include_dir()}/xla/')
