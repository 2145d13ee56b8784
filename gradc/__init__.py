"""gradc: a compiler for differentiable array expressions, with Aesara's public API.

    import gradc
    import gradc.tensor as at
    x = at.dmatrix("x")
    f = gradc.function([x], gradc.grad((x ** 2).sum(), x))

Names only; the rooms are `gradc.tensor` (what expressions are made of), `gradc.gradient`, `gradc.graph`.
"""

import typing as _typing

from gradc import compile, errors, gradient, graph, printing, sparse, tensor
from gradc.compile.builders import OpFromGraph
from gradc.compile.cfunction import CFunction
from gradc.compile.function import Function, In, Out, function
from gradc.compile.mode import Mode, get_default_mode, get_mode
from gradc.compile.ops import as_op, wrap_py
from gradc.compile.threads import get_num_threads, set_num_threads
from gradc.config import config
from gradc.control.vectorize import vectorize, vectorize_graph
from gradc.gradient import Lop, Rop, grad, subgraph_grad, verify_grad
from gradc.graph.basic import Apply, Constant, Variable, clone_replace, graph_replace
from gradc.graph.fg import FunctionGraph
from gradc.graph.op import Op
from gradc.ifelse import ifelse
from gradc.printing import debugprint, dprint, pp, pprint
from gradc.scan import basic as _basic
from gradc.scan import checkpoints as _checkpoints
from gradc.scan import utils as _utils
from gradc.scan import views as _views
from gradc.scan.checkpoints import scan_checkpoints
from gradc.scan.views import foldl, foldr, map, reduce
from gradc.tensor.convert import as_tensor as as_symbolic
from gradc.tensor.sharedvar import shared
from gradc.updates import OrderedUpdates

__version__ = "0.1.0"

__all__ = ["Apply", "CFunction", "Constant", "Function", "FunctionGraph", "In", "Lop", "Mode", "Op", "OpFromGraph",
           "OrderedUpdates", "Out", "Rop", "Variable", "as_op", "as_symbolic", "clone_replace", "compile", "config",
           "debugprint", "dprint", "errors", "foldl", "foldr", "function", "get_default_mode", "get_mode",
           "get_num_threads", "grad", "gradient", "graph", "graph_replace", "ifelse", "map", "pp", "pprint", "printing",
           "reduce", "scan", "scan_checkpoints", "set_num_threads", "shared", "sparse", "subgraph_grad", "tensor",
           "vectorize", "vectorize_graph", "verify_grad", "wrap_py"]

# `gradc.scan` and `gradc.ifelse` are functions; `gradc.scan.utils.until`, `import gradc.scan.basic as b` and
# `gradc.ifelse.ifelse` are in use as well
if _typing.TYPE_CHECKING:
    class _ScanUtils:
        until = staticmethod(_utils.until)

    class _Scan:
        __call__ = staticmethod(_basic.scan)
        utils = _ScanUtils()

    scan = _Scan()
else:
    from gradc.scan.basic import scan

    for _function, _names in ((scan, {"basic": _basic, "checkpoints": _checkpoints, "utils": _utils, "views": _views}),
                              (ifelse, {"ifelse": ifelse})):
        vars(_function).update(_names)

# users expect these names in the tensor namespace, too, and that layer knows no gradients
tensor.grad = grad
tensor.jacobian = gradient.jacobian
tensor.hessian = gradient.hessian
tensor.Lop = Lop
tensor.Rop = Rop
tensor.consider_constant = gradient.consider_constant
tensor.zero_grad = gradient.zero_grad
tensor.disconnected_grad = gradient.disconnected_grad
tensor.grad_clip = gradient.grad_clip
tensor.grad_scale = gradient.grad_scale
