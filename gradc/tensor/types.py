"""What the functions of this layer take, by name: for annotations, which editors and type checkers read.

What users pass is more than Python's types can say; what does not fit is refused where it comes in
(`as_tensor_variable`, `sizes`, `normalize_axes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from gradc.ir.graph import Constant, Variable

List: TypeAlias = "list[Any] | tuple[Any, ...]"         # of variables, of sizes: what is in it is checked there
Array: TypeAlias = "np.ndarray | np.generic"
Number: TypeAlias = "bool | int | float | complex | np.generic"

# A variable, or what makes a constant; lists and tuples may hold variables.  A str is none of these.
TensorLike: TypeAlias = "Variable | Array | Number | List"

SizeLike: TypeAlias = "int | np.integer | Variable"
ShapeLike: TypeAlias = "SizeLike | List | np.ndarray"

Axis: TypeAlias = "int | np.integer | Constant"
Axes: TypeAlias = "Axis | Sequence[Axis] | None"
