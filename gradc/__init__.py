"""gradc: a compiler for differentiable array expressions, with Aesara's public API.

    import gradc
    import gradc.tensor as at
    x = at.dmatrix("x")
    f = gradc.function([x], gradc.grad((x ** 2).sum(), x))

Names only; the rooms are `gradc.tensor` (what expressions are made of), `gradc.gradient`, `gradc.graph`.
"""

from gradc.config import config

__version__ = "0.1.0"

try:                                    # until the tensor layer is complete
    from gradc import tensor
    from gradc.compile.function import In, Out, function
except Exception as error:
    print("gradc is incomplete:", repr(error))
