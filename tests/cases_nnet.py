"""Functions of neural networks."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.special as sp

import gradc.tensor as at
from gradc.tensor import nnet
from tests.cases_base import Arg, Case, M, ints


def _classes(p: np.ndarray, k: np.ndarray) -> np.ndarray:
    return -np.log(p[np.arange(len(k)), k])


NNET: list[Case] = [
    *[
        Case(
            name,
            partial(getattr(at, name), axis=a),
            partial(getattr(sp, name), axis=a),
            (Arg(domain="distinct"),),
            label=f"axis={a}",
        )
        for name in ("softmax", "log_softmax")
        for a in (-1, 0, None)
    ],
    Case("nnet.relu", nnet.relu, lambda x: np.maximum(x, 0), (Arg(domain="nonzero"),), "difference"),
    Case(
        "nnet.relu",
        lambda x: nnet.relu(x, 0.1),
        lambda x: np.where(x > 0, x, 0.1 * x),
        (Arg(domain="nonzero"),),
        "difference",
        label="leaky",
    ),
    Case(
        "nnet.elu",
        lambda x: nnet.elu(x, 1.5),
        lambda x: np.where(x > 0, x, 1.5 * np.expm1(np.minimum(x, 0))),
        (Arg(domain="nonzero"),),
        "difference",
    ),
    Case(
        "nnet.selu",
        nnet.selu,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
        (Arg(domain="nonzero"),),
        "difference",
    ),
    Case("nnet.softsign", nnet.softsign, lambda x: x / (1 + np.abs(x)), (Arg(domain="nonzero"),), "difference"),
    Case(
        "nnet.hard_sigmoid",
        nnet.hard_sigmoid,
        lambda x: np.clip(0.2 * x + 0.5, 0, 1),
        (Arg(domain="unit"),),
        "difference",
    ),
    Case(
        "nnet.categorical_crossentropy",
        nnet.categorical_crossentropy,
        _classes,
        (Arg((3, 4), "probabilities"), ints((3,), "small")),
        label="classes",
    ),
    Case(
        "nnet.crossentropy_categorical_1hot",
        nnet.crossentropy_categorical_1hot,
        _classes,
        (Arg((3, 4), "probabilities"), ints((3,), "small")),
    ),
    Case(
        "nnet.categorical_crossentropy",
        lambda x, k: nnet.categorical_crossentropy(at.softmax(x), k),
        lambda x, k: _classes(sp.softmax(x, axis=1), k),
        (Arg(domain="distinct"), ints((3,), "small")),
        label="softmax, classes",
    ),
    Case(
        "nnet.categorical_crossentropy",
        nnet.categorical_crossentropy,
        lambda p, t: -(t * np.log(p)).sum(-1),
        (Arg((3, 4), "probabilities"), Arg((3, 4), "probabilities")),
        label="probabilities",
    ),
    Case(
        "nnet.categorical_crossentropy",
        lambda x, t: nnet.categorical_crossentropy(at.softmax(x), t),
        lambda x, t: -(t * sp.log_softmax(x, axis=1)).sum(-1),
        (Arg(domain="distinct"), Arg((3, 4), "probabilities")),
        label="softmax, probabilities",
    ),
    Case(
        "nnet.binary_crossentropy",
        nnet.binary_crossentropy,
        lambda p, t: -(t * np.log(p) + (1 - t) * np.log1p(-p)),
        (Arg(domain="open01"), Arg(domain="open01")),
    ),
    Case(
        "nnet.binary_crossentropy",
        lambda x, t: nnet.binary_crossentropy(at.sigmoid(x), t),
        lambda x, t: np.logaddexp(0, x) - t * x,
        (M, Arg(domain="open01")),
        label="sigmoid",
    ),
    Case(
        "nnet.sigmoid_binary_crossentropy",
        nnet.sigmoid_binary_crossentropy,
        lambda x, t: np.logaddexp(0, x) - t * x,
        (M, Arg(domain="open01")),
    ),
]
