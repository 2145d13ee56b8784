"""Facade: linear algebra under the name of `pytensor.tensor.linalg`; see `slinalg`."""

from gradc.tensor.slinalg import *  # noqa: F403
from gradc.tensor.slinalg import __all__

__all__ = list(__all__)
