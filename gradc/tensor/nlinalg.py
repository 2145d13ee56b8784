"""The names of `aesara.tensor.nlinalg` and `numpy.linalg`: those of `gradc.tensor.linalg`, and some more."""

from gradc.tensor import linalg
from gradc.tensor.diagonals import diag as diag
from gradc.tensor.diagonals import trace as trace
from gradc.tensor.linalg import *
from gradc.tensor.linalg import inv as matrix_inverse

__all__ = ["diag", "matrix_inverse", "trace"]
__all__ += linalg.__all__
