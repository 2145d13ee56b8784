"""Facade: the names of `aesara.gradient`."""

from gradc import control as _control  # noqa: F401  (derivatives of loops and branches)
from gradc.autodiff.blocks import consider_constant, disconnected_grad, grad_clip, grad_scale, zero_grad
from gradc.autodiff.forward import Rop, hessian_vector_product
from gradc.autodiff.reverse import Lop, grad, subgraph_grad
from gradc.autodiff.rules.user import grad_not_implemented, grad_undefined
from gradc.compile.verify import numeric_grad, verify_grad
from gradc.control.jacobian import hessian, jacobian
from gradc.errors import DisconnectedInputError, GradientError, NullTypeGradError
from gradc.ir.types import DisconnectedType, NullType

__all__ = ["DisconnectedInputError", "DisconnectedType", "GradientError", "Lop", "NullType", "NullTypeGradError", "Rop",
           "consider_constant", "disconnected_grad", "grad", "grad_clip", "grad_not_implemented", "grad_scale",
           "grad_undefined", "hessian", "hessian_vector_product", "jacobian", "numeric_grad", "subgraph_grad",
           "verify_grad", "zero_grad"]
