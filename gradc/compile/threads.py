"""How many threads a compiled function may run on.  Results do not depend on it."""

from __future__ import annotations

from gradc.errors import ToolchainNotFoundError
from gradc.runtime.toolchain import dispatch


def set_num_threads(n: int) -> None:
    """Let compiled functions use up to `n` threads (at first: GRADC_NUM_THREADS, OMP_NUM_THREADS, or all CPUs that
    this process may use).  NumPy's BLAS has threads of its own, which this leaves alone.

    Raises: ValueError unless 1 <= n <= 1024; ToolchainNotFoundError if gradc was installed without a C compiler.
    """
    if dispatch is None:
        raise ToolchainNotFoundError("gradc was installed without a C compiler, so that all functions run in the "
                                     "interpreter, on one thread; install a compiler, then gradc again")
    dispatch.set_num_threads(n)


def get_num_threads() -> int:
    """How many threads compiled functions may use."""
    return 1 if dispatch is None else dispatch.get_num_threads()
