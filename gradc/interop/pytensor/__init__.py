"""PyTensor on gradc: importing this module registers the linker "gradc" and the mode "GRADC".

    import gradc.interop.pytensor
    f = pytensor.function([x], y, mode="GRADC")
    pm.sample(compile_kwargs={"mode": "GRADC"})
"""

from gradc.interop.pytensor import linear_ops, linker, random_ops, scan_ops, tensor_ops  # noqa: F401  rows register themselves
from gradc.interop.pytensor.bridge import as_pytensor_op, from_pytensor
from gradc.interop.pytensor.convert import UnknownOpWarning, to_gradc
from gradc.interop.pytensor.linker import GRADC, GradcLinker

linker.register()

__all__ = ["GRADC", "GradcLinker", "UnknownOpWarning", "as_pytensor_op", "from_pytensor", "to_gradc"]
