"""The names of `aesara.tensor.slinalg` and `scipy.linalg`: those of `gradc.tensor.linalg`."""

from gradc.tensor.linalg import *
from gradc.tensor.linalg import __all__ as __all__
