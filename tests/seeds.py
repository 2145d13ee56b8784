"""Seeds of random campaigns: some run with all tests, the others at night (`make nightly`)."""

from __future__ import annotations

from typing import Any

import pytest


def seeds(first: int, nightly: int, end: int) -> list[Any]:
    """first .. end - 1; those from `nightly` on are for the night."""
    return [*range(first, nightly), *[pytest.param(k, marks=pytest.mark.nightly) for k in range(nightly, end)]]
