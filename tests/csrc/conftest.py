"""Units that several tests of csrc use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.csrc import units


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("units")


@pytest.fixture
def double(folder: Path) -> Any:
    return units.function(units.load(units.DOUBLE, folder), [units.argument("x")], [("float64", 0)], result="one")


@pytest.fixture
def add(folder: Path) -> Any:
    """add(x, a) -> [x + a, sum(x)]; check 1: lengths differ, check 2: x[i] < 0."""
    return units.function(units.load(units.ADD, folder),
                          [units.argument("x", shape=(-1,)), units.argument("a", shape=(-1,))],
                          [("float64", 1), ("float64", 0)], name="add", fail=units.failure)
