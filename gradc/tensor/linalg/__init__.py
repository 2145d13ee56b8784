"""Linear algebra of matrices: the functions of `numpy.linalg` and `scipy.linalg`, on variables.

Leading axes are a batch, and broadcast (where of static size 1).  Arguments are float32 or float64, integers become
floatX.  Where a routine fails, LinAlgError tells the index of the matrix in the batch.
`gradc.tensor.slinalg` and `gradc.tensor.nlinalg` have the same functions.
"""

from gradc.tensor.linalg import functions, general, spectra, systems
from gradc.tensor.linalg.functions import *
from gradc.tensor.linalg.general import *
from gradc.tensor.linalg.spectra import *
from gradc.tensor.linalg.systems import *

__all__: list[str] = []
__all__ += systems.__all__
__all__ += spectra.__all__
__all__ += functions.__all__
__all__ += general.__all__

NUMPY = systems.NUMPY | spectra.NUMPY | functions.NUMPY | general.NUMPY       # rows of `tensor.numpy_api`
