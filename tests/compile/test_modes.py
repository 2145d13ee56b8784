"""Modes by name, object and configuration; what happens without a compiler or a C form."""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile.mode import MODES, Mode, get_default_mode, get_mode
from gradc.errors import GraphError


@pytest.mark.parametrize("name", sorted(MODES))
def test_every_named_mode_computes(name: str) -> None:
    x = at.dvector("x")
    assert np.allclose(gradc.function([x], at.log(1 + at.exp(x)), mode=name)([0.0]), np.log(2))


def test_modes_are_values() -> None:
    assert get_mode("FAST_RUN") == Mode() == Mode("cvm")
    assert get_mode(Mode("py")).linker == "interpret"
    assert get_default_mode().linker == "c"
    assert Mode("c", None).optimizer is None
    assert Mode().excluding("a", "b").including("a").excluded == ("b",)
    assert "without b" in str(Mode().excluding("b"))
    with pytest.raises(GraphError, match="linker"):
        Mode("fortran")


def test_the_configured_mode_is_the_default() -> None:
    x = at.dscalar("x")
    with gradc.config.change_flags(mode="interpret"):
        f = gradc.function([x], x + 1)
    assert f.info["mode"] == "interpret" and f(1) == 2.0


def test_complex_numbers_run_in_c() -> None:
    z = at.zvector("z")
    f = gradc.function([z], z * z)
    assert np.allclose(f([1j]), [-1])
    assert f.info["mode"] == "c"
