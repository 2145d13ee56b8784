"""Errors raised where no variable is at hand name the user's line, too."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import GradcError
from gradc.gradient import DisconnectedType
from gradc.ir.types import TensorType

SHARED = gradc.shared(np.zeros(3))
STORED = gradc.function([gradc.In(at.dvector("x"), value=np.zeros(3))], [], on_unused_input="ignore")


def set_stored() -> None:
    STORED["x"] = np.zeros((2, 2))


RAISES: list[tuple[str, Callable[[], object]]] = [
    ("dtype", lambda: at.zeros(3, dtype="float12")),
    ("integer", lambda: at.constant(2 ** 70)),
    ("static size", lambda: TensorType("float64", ("n",))),             # type: ignore[arg-type]
    ("static size below 0", lambda: TensorType("float64", (-1,))),
    ("arguments of TensorType", lambda: TensorType("float64")),
    ("rank", lambda: TensorType("float64", (None,) * 65)),
    ("no tensor", lambda: DisconnectedType().ndim),
    ("rank of a constant", lambda: at.constant(np.zeros((2, 2)), ndim=1)),
    ("ragged", lambda: at.constant([[1, 2], [3]])),
    ("no constant", lambda: at.get_scalar_constant_value(at.dscalar("n") + 1)),
    ("shared", lambda: SHARED.set_value(np.zeros((2, 2)))),
    ("stored", set_stored),
    ("default", lambda: gradc.function([gradc.In(at.dvector("x"), value="a")], [], on_unused_input="ignore")),
    ("update", lambda: gradc.scan(lambda x: (x, {SHARED: "a"}), sequences=[at.dvector("v")])),
]


@pytest.mark.parametrize("raises", [r for _, r in RAISES], ids=[name for name, _ in RAISES])
def test_the_users_line_is_named(raises: Callable[[], object]) -> None:
    with pytest.raises((GradcError, AttributeError)) as caught:
        raises()
    assert re.search(r"test_places\.py:\d+\)", str(caught.value)), str(caught.value)
