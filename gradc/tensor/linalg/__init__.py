"""Linear algebra of matrices: the functions of `numpy.linalg` and `scipy.linalg`, on variables.

Leading axes are a batch, and broadcast (where of static size 1).  Arguments are float32 or float64, integers become
floatX.  Where a routine fails, LinAlgError tells the index of the matrix in the batch.
`gradc.tensor.slinalg` and `gradc.tensor.nlinalg` have the same functions.
"""

from gradc.tensor.linalg import spectra, systems
from gradc.tensor.linalg.spectra import eigh, eigvalsh, qr, svd, svdvals
from gradc.tensor.linalg.systems import (
    cho_factor,
    cho_solve,
    cholesky,
    det,
    inv,
    lu,
    lu_factor,
    lu_solve,
    slogdet,
    solve,
    solve_lower_triangular,
    solve_triangular,
    solve_upper_triangular,
)

__all__ = [
    "cho_factor", "cho_solve", "cholesky", "det", "eigh", "eigvalsh", "inv", "lu", "lu_factor", "lu_solve", "qr",
    "slogdet", "solve", "solve_lower_triangular", "solve_triangular", "solve_upper_triangular", "svd", "svdvals",
]

NUMPY = systems.NUMPY | spectra.NUMPY       # rows of `tensor.numpy_api`
