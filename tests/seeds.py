"""What runs with all tests, and what at night (`make nightly`): seeds of random campaigns, and long lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def seeds(first: int, nightly: int, end: int) -> list[Any]:
    """first .. end - 1; those from `nightly` on are for the night."""
    return [*range(first, nightly), *[pytest.param(k, marks=pytest.mark.nightly) for k in range(nightly, end)]]


def sampled(values: Iterable[Any], every: int) -> list[Any]:
    """The values; all but every so many of them, the first included, are for the night."""
    return [v if k % every == 0 else pytest.param(v, marks=pytest.mark.nightly) for k, v in enumerate(values)]


def first_by_day(values: Sequence[Any], count: int) -> list[Any]:
    """The values; all but the first `count` are for the night."""
    return [*values[:count], *[pytest.param(v, marks=pytest.mark.nightly) for v in values[count:]]]
