"""One row per public tensor function: how to build it, what NumPy says, which arguments to sample.

Drivers: value against NumPy through the interpreter (`tests/tensor/test_cases.py`); interpreter against C,
gradients by complex step, second order and edge shapes take the same rows.  A new public function needs a
row here; `test_every_public_function_has_a_case` says which is missing.  A scalar function that is not
exact needs its value in mpmath, too (`EXACT`): bounds of errors are tested against it and its derivatives.
The rows are in files by theme, tests/cases_*.py.
"""

from __future__ import annotations

from tests.cases_base import Case
from tests.cases_elemwise import BINARY, UNARY
from tests.cases_fft import SIGNALS, TRANSFORMS
from tests.cases_index import EXTRA, INDEXING, MOVED, SELECTION
from tests.cases_linalg import PRODUCTS
from tests.cases_matrices import LINALG
from tests.cases_nnet import NNET
from tests.cases_reductions import REDUCTIONS
from tests.cases_shapes import CREATION, SHAPES
from tests.cases_sort import ORDER
from tests.cases_special import SPECIAL

CASES: list[Case] = [*UNARY, *BINARY, *REDUCTIONS, *ORDER, *SHAPES, *CREATION, *INDEXING, *SELECTION, *MOVED, *PRODUCTS,
                     *EXTRA, *NNET, *LINALG, *SPECIAL, *TRANSFORMS, *SIGNALS]

# Public names that are no functions of tensors, or are tested on their own.
NO_CASE: frozenset[str] = frozenset(
    {
        "TensorType",
        "TensorVariable",
        "TensorConstant",
        "SharedVariable",
        "TensorSharedVariable",
        "shared",
        "fft",
        "linalg",
        "nlinalg",
        "nnet",
        "random",
        "signal",
        "slinalg",
        "special",
        "tensor",
        "get_scalar_constant_value",
        "get_vector_length",
        "mgrid",
        "ogrid",
    }
)
