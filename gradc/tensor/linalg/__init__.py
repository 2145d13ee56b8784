"""Linear algebra of matrices: the functions of `numpy.linalg` and `scipy.linalg`, on variables.

Leading axes are a batch, and broadcast (where of static size 1).  Arguments are floats or complex numbers, integers
become floatX; `eig`, `logm`, `schur`, `solve_discrete_are` and `sqrtm` take real numbers.  Where a routine fails,
LinAlgError tells the index of the matrix in the batch.
`gradc.tensor.slinalg` and `gradc.tensor.nlinalg` have the same functions.
"""

from gradc.tensor.contract import matmul as matmul
from gradc.tensor.contract import outer as outer
from gradc.tensor.contract import tensordot as tensordot
from gradc.tensor.contract import vecdot as vecdot
from gradc.tensor.linalg import functions, general, spectra, systems
from gradc.tensor.linalg.functions import *
from gradc.tensor.linalg.general import *
from gradc.tensor.linalg.spectra import *
from gradc.tensor.linalg.systems import *
from gradc.tensor.products import block_diag as block_diag
from gradc.tensor.products import cross as cross
from gradc.tensor.products import kron as kron
from gradc.tensor.shape import matrix_transpose as matrix_transpose

__all__ = ["block_diag", "cross", "kron", "matmul", "matrix_transpose", "outer", "tensordot", "vecdot"]
__all__ += systems.__all__
__all__ += spectra.__all__
__all__ += functions.__all__
__all__ += general.__all__

NUMPY = systems.NUMPY | spectra.NUMPY | functions.NUMPY | general.NUMPY       # rows of `tensor.numpy_api`
