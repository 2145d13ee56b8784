"""gradc: a compiler for differentiable array expressions, with Aesara's public API.

    import gradc
    import gradc.tensor as at
    x = at.dmatrix("x")
    f = gradc.function([x], gradc.grad((x ** 2).sum(), x))

Names only; the rooms are `gradc.tensor` (what expressions are made of), `gradc.gradient`, `gradc.graph`.
"""

from gradc.config import config

__version__ = "0.1.0"

try:                                    # until all parts are complete
    from gradc import compile, errors, gradient, graph, printing, tensor
    from gradc.compile.function import In, Out, function
    from gradc.compile.mode import Mode, get_default_mode, get_mode
    from gradc.errors import GradcError
    from gradc.gradient import Lop, Rop, grad
    from gradc.graph.basic import Apply, Constant, Variable, clone_replace, graph_replace
    from gradc.graph.fg import FunctionGraph
    from gradc.graph.op import Op
    from gradc.printing import debugprint, dprint, pp, pprint
    from gradc.tensor.sharedvar import shared

    tensor.grad = grad                  # the tensor layer knows no gradients; users expect these names there
    tensor.Lop = Lop
    tensor.Rop = Rop
    tensor.consider_constant = gradient.consider_constant
except Exception as error:
    print("gradc is incomplete:", repr(error))
