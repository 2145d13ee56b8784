"""Order of elements: extremes and their places, sorting, search."""

from __future__ import annotations

import numpy as np

import gradc.tensor as at
from tests.cases_base import Arg, Case
from tests.cases_reductions import reduction

ORDER: list[Case] = [
    *reduction("argmax", np.argmax, "distinct", "none", (None, 0, -1)),
    *reduction("argmin", np.argmin, "distinct", "none", (None, 0, -1)),
    Case("ptp", lambda x: at.ptp(x, axis=1), lambda x: np.ptp(x, axis=1), (Arg(domain="distinct"),), "difference"),
    Case(
        "max_and_argmax",
        lambda x: at.max_and_argmax(x, axis=1),
        lambda x: [x.max(1), x.argmax(1)],
        (Arg(domain="distinct"),),
        "none",
    ),
]
