"""Facade: the names of `aesara.gradient`."""

from gradc.autodiff.blocks import consider_constant, disconnected_grad, grad_clip, grad_scale, zero_grad
from gradc.autodiff.forward import Rop
from gradc.autodiff.reverse import Lop, grad
from gradc.errors import DisconnectedInputError, NullTypeGradError
from gradc.ir.types import DisconnectedType, NullType

__all__ = ["DisconnectedInputError", "DisconnectedType", "Lop", "NullType", "NullTypeGradError", "Rop",
           "consider_constant", "disconnected_grad", "grad", "grad_clip", "grad_scale", "zero_grad"]
