"""Random expressions of square matrices and vectors that are joined, written into, read in parts, and given to loops,
branches, draws and users' Ops: where one value lies in the memory of another, and who still needs what was there.

Each is computed by a kernel and by the interpreter without passes; in a function of its own, and as a step of a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc import CFunction, Mode, as_op
from gradc.tensor.random import normal
from tests.seeds import seeds

PLAIN = Mode("interpret", optimizer=None)

IN_C = CFunction("halved", {"x": "float64[n, m]"}, {"y": "float64[n, m]", "total": "float64[m]"}, """
    for (int64_t j = 0; j < m; ++j)
        total[j] = 0;
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < m; ++j) {
            y[i * m + j] = 0.5 * x[(n - 1 - i) * m + j];
            total[j] += 0.1 * x[i * m + j];
        }""", numpy=lambda x: [0.5 * x[::-1], 0.1 * x.sum(axis=0)])


@as_op([at.dmatrix], [at.dmatrix, at.dvector], infer_shape=lambda fgraph, node, shapes: [shapes[0], (shapes[0][1],)])
def in_python(x: np.ndarray) -> list[np.ndarray]:
    made = [np.cos(x[::-1]), 0.3 * x.mean(axis=0)]
    x[...] = np.nan                         # its own copy
    return made


class Growth:
    """Matrices and vectors of one size n, and a state that draws begin with; mostly the last ones are used."""

    def __init__(self, random: np.random.Generator, matrices: list[Any], vectors: list[Any], n: Any,
                 state: Any) -> None:
        self.random = random
        self.matrices = matrices
        self.vectors = vectors
        self.n = n
        self.state = state

    def m(self) -> Any:
        first = max(0, len(self.matrices) - 5) if self.random.random() < 0.8 else 0
        return self.matrices[self.random.integers(first, len(self.matrices))]

    def v(self) -> Any:
        return self.vectors[self.random.integers(len(self.vectors))]

    def chance(self, p: float) -> bool:
        return bool(self.random.random() < p)

    def grow(self, steps: int) -> None:
        for _ in range(steps):
            self.matrices.append(self.pick(self.matrix_steps())())
            if self.chance(0.45):
                self.vectors.append(self.pick(self.vector_steps())())

    def pick(self, choices: list[Callable[[], Any]]) -> Callable[[], Any]:
        return choices[self.random.integers(len(choices))]

    def matrix_steps(self) -> list[Callable[[], Any]]:
        m, v = self.m, self.v
        return [
            self.joined, self.joined, self.joined, self.rows_of_a_loop, self.rows_of_a_loop, self.drawn,
            lambda: at.tanh(at.dot(m(), m())), lambda: at.dot(m(), m()) / 5, lambda: m().T, lambda: m()[::-1],
            lambda: at.set_subtensor(m()[int(self.random.integers(2))], v()),
            lambda: at.set_subtensor(m()[1:], m()[:-1]), lambda: at.inc_subtensor(m()[:, 1:], 0.5),
            lambda: m()[[1, 0, 1]][at.arange(self.n) % 3], lambda: m()[at.argmax(m(), axis=1)].set(v()),
            lambda: m()[:, at.argmin(m(), axis=0)].inc(m()), lambda: at.tanh(m()) * v(), lambda: m() * 2.0 + 1.0,
            lambda: at.cumsum(m(), axis=0) / 4, lambda: at.fft.irfft(at.fft.rfft(m()) * at.fft.rfft(v()), self.n) / 4,
            lambda: at.outer(v(), v()), lambda: m().reshape((-1,)).reshape((self.n, self.n)),
            lambda: in_python(m())[0], lambda: IN_C(m())[0],
            lambda: gradc.ifelse(v().sum() > 0, at.dot(m(), m()) / 3, in_python(m())[0]),
            lambda: at.inc_subtensor(m()[:at.argmax(v())], 0.5), self.factored, self.factored, self.vectorized,
        ]

    def vector_steps(self) -> list[Callable[[], Any]]:
        m, v = self.m, self.v
        return [lambda: m()[0], lambda: at.dot(m(), v()) / 4, lambda: in_python(m())[1], lambda: IN_C(m())[1],
                lambda: 0.2 * m().sum(axis=0), lambda: at.concatenate([v()[1:], v()[:1]])]

    def joined(self) -> Any:
        """A part of matrices that were joined, and perhaps written into; perhaps all of it is used elsewhere."""
        axis, count = int(self.random.integers(2)), int(self.random.integers(2, 4))
        whole = at.concatenate([self.m() for _ in range(count)], axis=axis)
        if self.chance(0.4):
            whole = at.inc_subtensor(whole[:, 0], self.v()) if axis else at.set_subtensor(whole[0], self.v())
        if self.chance(0.3):
            whole = at.concatenate([whole, self.m()], axis=axis)
        if self.chance(0.3):
            whole = at.set_subtensor(whole[:, 1:3] if axis else whole[1:3], 0.25)
        if self.chance(0.4):
            self.vectors.append(0.1 * whole.sum(axis=axis))
        first = int(self.random.integers(count)) * self.n
        part = slice(first, first + self.n)
        return whole[:, part] if axis else whole[part]

    def rows_of_a_loop(self) -> Any:
        def shifted(x: Any, h: Any) -> Any:
            return at.tanh(at.concatenate([h[1:], x[:1]]))

        def called(x: Any, h: Any, q: Any) -> Any:
            return at.tanh(q[0] * x + IN_C(q)[1] * h + 1.0)

        x, h, q = self.m(), self.v(), self.m()
        rows, _ = self.pick([
            lambda: gradc.scan(lambda x, h: at.tanh(x + h), sequences=x, outputs_info=h),
            lambda: gradc.scan(shifted, sequences=x, outputs_info=h),
            lambda: gradc.scan(lambda x, q: at.dot(q, x) / 5, sequences=x, non_sequences=q),
            lambda: gradc.scan(called, sequences=x, outputs_info=h, non_sequences=q)])()
        return rows

    def factored(self) -> Any:
        """Of a factorization, what the order of its pivots does not change; perhaps in a branch."""
        x, y, w = at.tanh(self.m()), self.m(), self.v()
        definite = at.dot(x, x.T) / 5 + at.eye(self.n)

        def by_ldl() -> Any:
            low, d, _ = at.linalg.ldl(x + x.T)
            return at.dot(at.dot(low, d), low.T) / 2

        def by_lu() -> Any:
            """Of a matrix with one column more than rows."""
            p, low, up = at.linalg.lu(at.concatenate([x, w[:, None]], axis=1))
            return at.dot(at.dot(p, low), up)[:, 1:]

        made = self.pick([lambda: at.linalg.cholesky(definite), lambda: at.linalg.solve(definite, y) / 2, by_ldl,
                          by_lu])()
        return gradc.ifelse(w[0] > 0, made, y) if self.chance(0.3) else made

    def vectorized(self) -> Any:
        """A function of rows and a matrix; a row is read where it is largest, written, and ends a loop."""
        def of_row(x: Any, q: Any) -> Any:
            last = gradc.scan(lambda a, h: at.tanh(a + h), sequences=q, outputs_info=x)[0][-1]
            return self.pick([lambda: at.inc_subtensor(x[at.argmax(x)], q[0, 0]), lambda: last,
                              lambda: gradc.ifelse(x.sum() > 0, at.dot(q, x) / 4, x),
                              lambda: at.linalg.solve(at.eye(self.n) + at.outer(at.tanh(x), at.tanh(x)), q[0])])()

        axis = int(self.random.integers(2))
        return gradc.vectorize(of_row, in_axes=(axis, None), out_axes=1 - axis)(self.m(), self.m())

    def drawn(self) -> Any:
        values = normal(self.m(), 0.1, rng=self.state)
        self.state = values.owner.outputs[0]
        return values


def agree(inputs: list[Any], outputs: list[Any], state: Any, updates: Any, values: list[np.ndarray]) -> None:
    results = []
    for mode in (None, PLAIN):
        f = gradc.function(inputs, outputs, updates=updates, on_unused_input="ignore", mode=mode)
        for _ in range(2):                  # the second call meets memory that was used
            state.set_value(np.random.default_rng(7))
            found = f(*values)
            results.append([*found, np.array(state.get_value().normal())])
    for other in results[1:]:
        for k, (a, b) in enumerate(zip(results[0], other)):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8, err_msg=f"output {k}")


def start(seed: int, sizes: tuple[int, int]) -> tuple[Any, int, list[Any], list[Any], Any]:
    random = np.random.default_rng(seed)
    n = sizes[random.random() < 0.25]
    static = n if random.random() < 0.4 else None
    matrices = [at.TensorType("float64", (static, static))(name) for name in "ab"]
    vectors = [at.TensorType("float64", (static,))(name) for name in "uv"]
    return random, n, matrices, vectors, gradc.shared(np.random.default_rng(7))


def given(random: np.random.Generator, n: int) -> list[np.ndarray]:
    return [0.7 * random.normal(size=shape) for shape in ((n, n), (n, n), n, n)]


SEEDS = seeds(0, 12, 32)


@pytest.mark.parametrize("seed", SEEDS)
def test_values_in_the_memory_of_others(seed: int) -> None:
    random, n, matrices, vectors, state = start(seed, (4, 20))
    inputs = [*matrices, *vectors]
    g = Growth(random, matrices, vectors, matrices[0].shape[0], state)
    g.grow(int(random.integers(6, 16)))
    made = [v for v in (*matrices, *vectors) if v not in inputs]
    outputs = [made[k] for k in random.choice(len(made), min(len(made), int(random.integers(1, 5))), replace=False)]
    outputs = [v.sum(axis=0) if v.type.ndim == 2 and g.chance(0.25) else v for v in outputs]
    agree(inputs, outputs, state, [(state, g.state)] if g.state is not state else [], given(random, n))


@pytest.mark.parametrize("seed", SEEDS)
def test_values_in_the_memory_of_others_in_a_step(seed: int) -> None:
    random, n, matrices, vectors, state = start(seed, (4, 9))

    def step(x: Any, h: Any, g: Any, q: Any) -> Any:
        inside = Growth(random, [h, q], [x, g], q.shape[0], state)
        inside.grow(int(random.integers(4, 10)))
        ms, vs = inside.matrices, inside.vectors
        after = [at.specify_shape(at.tanh(new), old.shape) for new, old in ((ms[-1], h), (vs[-1], g))]
        i, j = random.integers(1, 4, size=2)
        return [*after, ms[-i][1], vs[-1][2] + ms[-j][1, 2]], {} if inside.state is state else {state: inside.state}

    rows, updates = gradc.scan(step, sequences=matrices[1], outputs_info=[matrices[0], vectors[1], None, None],
                               non_sequences=matrices[1], go_backwards=bool(random.random() < 0.3))
    outputs = [rows[0][-1], rows[1][-1], *rows[2:]] if random.random() < 0.6 else rows
    chosen = [v for v in outputs if random.random() < 0.7] or outputs[:1]
    agree([*matrices, *vectors], chosen, state, list(updates.items()), given(random, n))
