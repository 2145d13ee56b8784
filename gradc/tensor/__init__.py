"""The namespace of tensors: everything users write, flat, with the names of `aesara.tensor`.

The modules say in their `__all__` what users find here (to type checkers, `import x as x` says the same); old names
answer with a DeprecationWarning.  `grad` and the other names of `gradc.gradient` that users expect here, too, are put
in by `gradc/__init__.py`, since this layer knows no gradients.
"""

import types as _types
import typing as _typing
import warnings as _warnings

from gradc.ir.types import TensorType as TensorType
from gradc.tensor import elemwise as _elemwise
from gradc.tensor import fft as fft
from gradc.tensor import linalg as linalg
from gradc.tensor import nlinalg as nlinalg
from gradc.tensor import nnet as nnet
from gradc.tensor import random as random
from gradc.tensor import signal as signal
from gradc.tensor import slinalg as slinalg
from gradc.tensor import special as special
from gradc.tensor import variable as _variable  # before `shape` below, which hides the module of that name
from gradc.tensor.bessel import *
from gradc.tensor.contract import *
from gradc.tensor.convert import *
from gradc.tensor.creation import *
from gradc.tensor.diagonals import *
from gradc.tensor.einstein import *
from gradc.tensor.elemwise import *
from gradc.tensor.entropies import *
from gradc.tensor.extra import *
from gradc.tensor.filters import *
from gradc.tensor.float_parts import *
from gradc.tensor.gamma_functions import *
from gradc.tensor.grids import *
from gradc.tensor.histograms import *
from gradc.tensor.index import *
from gradc.tensor.inputs import *
from gradc.tensor.integrals import *
from gradc.tensor.interpolation import *
from gradc.tensor.joining import *
from gradc.tensor.masks import *
from gradc.tensor.moves import *
from gradc.tensor.normal_functions import *
from gradc.tensor.order_statistics import *
from gradc.tensor.padding import *
from gradc.tensor.positions import *
from gradc.tensor.products import *
from gradc.tensor.reduce import *
from gradc.tensor.repeats import *
from gradc.tensor.selection import *
from gradc.tensor.sets import *
from gradc.tensor.shape import *
from gradc.tensor.sharedvar import *
from gradc.tensor.sorting import *
from gradc.tensor.special import log_softmax as log_softmax
from gradc.tensor.special import logsumexp as logsumexp
from gradc.tensor.special import softmax as softmax
from gradc.tensor.statistics import *
from gradc.tensor.trigonometry import *
from gradc.tensor.typed_inputs import *
from gradc.tensor.variable import *
from gradc.tensor.windows import *

if _typing.TYPE_CHECKING:
    from gradc.gradient import Lop as Lop
    from gradc.gradient import Rop as Rop
    from gradc.gradient import consider_constant as consider_constant
    from gradc.gradient import disconnected_grad as disconnected_grad
    from gradc.gradient import grad as grad
    from gradc.gradient import grad_clip as grad_clip
    from gradc.gradient import grad_scale as grad_scale
    from gradc.gradient import hessian as hessian
    from gradc.gradient import jacobian as jacobian
    from gradc.gradient import zero_grad as zero_grad
else:
    # Type checkers take the names from the imports, and would take an `__all__` that is computed for an empty one.
    __all__ = [name for name, value in globals().items()
               if name[0] != "_" and (not isinstance(value, _types.ModuleType)
                                      or value in (fft, linalg, nlinalg, nnet, random, signal, slinalg, special))]

    def __getattr__(name: str) -> object:
        new = _elemwise.DEPRECATED.get(name)
        if new is None:
            raise AttributeError(f"module 'gradc.tensor' has no attribute {name!r}")
        _warnings.warn(f"gradc.tensor.{name} is an old name; use gradc.tensor.{new}", DeprecationWarning, stacklevel=2)
        return getattr(_elemwise, new)
