"""PyTensor's functions in mode "GRADC" against PyTensor's own Python: values, gradients, draws, errors."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytensor = pytest.importorskip("pytensor", reason="`make test-pytensor` has it")

import pytensor.tensor as pt  # noqa: E402
from pytensor.graph.basic import Apply  # noqa: E402
from pytensor.graph.op import Op  # noqa: E402
from pytensor.ifelse import ifelse  # noqa: E402
from pytensor.raise_op import CheckAndRaise  # noqa: E402
from pytensor.scan.utils import until  # noqa: E402

import gradc  # noqa: E402
import gradc.interop.pytensor as interop  # noqa: E402
from gradc.interop.pytensor import remember  # noqa: E402

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
V = RNG.normal(size=5)
POSITIVE = RNG.gamma(2.0, size=(4, 4)) + 4 * np.eye(4)
SYMMETRIC = POSITIVE @ POSITIVE.T


def both(inputs: list[Any], outputs: list[Any], values: list[Any]) -> tuple[list[Any], list[Any]]:
    """The outputs by gradc, and by the Python of PyTensor's Ops."""
    ours = pytensor.function(inputs, outputs, mode="GRADC", on_unused_input="ignore")
    theirs = pytensor.function(inputs, outputs, mode="FAST_COMPILE", on_unused_input="ignore")
    return ours(*values), theirs(*values)


def check(build: Callable[..., Any], *values: np.ndarray, gradient: bool = True, rtol: float = 1e-10) -> None:
    """Value, and the gradient of its squares, of an expression of arrays."""
    inputs = [pt.tensor(dtype=v.dtype, shape=(None,) * v.ndim) for v in values]
    made = build(*inputs)
    outputs = list(made) if isinstance(made, (list, tuple)) else [made]
    if gradient:
        cost = sum(pt.sum(o ** 2) for o in outputs if o.dtype.startswith("float"))
        outputs += pytensor.grad(cost, [v for v in inputs if v.dtype.startswith("float")], disconnected_inputs="ignore")
    for ours, theirs, out in zip(*both(inputs, outputs, list(values)), outputs):
        assert ours.dtype == out.dtype
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-12)


EXPRESSIONS: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "elementwise": (lambda x, y: pt.tanh(x) * pt.exp(-y ** 2) + pt.log1p(x ** 2) / pt.sqrt(1 + y ** 2), (X, Y)),
    "broadcast": (lambda x, v: x[:, :, None] + v, (X, V)),
    "integers": (lambda k: (k // 3, k % 3, k & 5, ~k, pt.cast(k, "float32") / 2), (np.arange(-5, 6),)),
    "bool": (lambda x: (pt.all(x > -9, axis=0), pt.any(x > 1), pt.switch(pt.isnan(x), 0, x)), (X,)),
    "reductions": (lambda x: (x.sum(axis=0), x.prod(axis=1), x.max(axis=1), x.min(), x.mean(), x.var(axis=0)), (X,)),
    "argmax": (lambda x: (pt.argmax(x), pt.argmax(x, axis=1)), (X,)),
    "cumulative": (lambda x: (pt.cumsum(x, axis=0), pt.cumprod(x, axis=1)), (X,)),
    "softmax": (lambda x: (pt.special.softmax(x, axis=1), pt.special.log_softmax(x, axis=0), pt.logsumexp(x)), (X,)),
    "special": (lambda x: (pt.gammaln(pt.exp(x)), pt.digamma(pt.exp(x)), pt.erf(x), pt.erfcx(x), pt.sigmoid(x)), (X,)),
    "dot": (lambda x, y: (pt.dot(x.T, y), x @ y.T, pt.dot(x[0], y[1])), (X, Y)),
    "shapes": (lambda x: (x.reshape((2, -1)), x.flatten(), x.T, x.dimshuffle(1, "x", 0), x.shape,
                          x.ravel()[::2]), (X,)),
    "joining": (lambda x, y: (pt.concatenate([x, y]), pt.stack([x, y], axis=2),
                              pt.split(x, splits_size=[1, 3], n_splits=2)[1]), (X, Y)),
    "slices": (lambda x: (x[1:], x[::-2, 1], x[-1], x[..., None, 0]), (X,)),
    "gathers": (lambda x, k: (x[k], x[k, [0, 1, 2, 0]], x[:, [2, 0]], x[k][:, None]), (X, np.array([0, 3, 3, -1]))),
    "masks": (lambda x: (x[x > 0].sum(), pt.nonzero(x > 0)[0].sum()), (X,)),
    "set": (lambda x, y: (pt.set_subtensor(x[1:3], y[:2]), pt.inc_subtensor(x[[0, 0, 2]], y[:3]),
                          pt.set_subtensor(x[[1, 0], [2, 2]], y[0, :2])), (X, Y)),
    "alloc": (lambda x: (pt.zeros((x.shape[0], 2)) + x[:, 0, None], pt.eye(3) * x[:3], pt.arange(x.shape[0]) * x[:, 0],
                         pt.diag(x[0]), pt.repeat(x, 2, axis=0)), (X,)),
    "sorting": (lambda x: (pt.sort(x, axis=0), pt.argsort(x, axis=1), pt.searchsorted(pt.sort(x[0]), x[1])), (X,)),
    "cholesky": (lambda a: (pt.linalg.cholesky(a), pt.linalg.slogdet(a)[1], pt.linalg.inv(a)), (SYMMETRIC,)),
    "solve": (lambda a, x: (pt.linalg.solve(a, x), pt.linalg.solve_triangular(pt.tril(a), x[:, 0], lower=True)),
              (POSITIVE, X)),
    "batched": (lambda a: (pt.linalg.cholesky(pt.stack([a, 2 * a])), pt.linalg.det(pt.stack([a, a + 1]))),
                (SYMMETRIC,)),
    "spectra": (lambda a: (pt.linalg.eigh(a)[0], pt.linalg.svd(a, compute_uv=False)), (SYMMETRIC,)),
    "factors": (lambda a, x: (pt.linalg.lu_solve(pt.linalg.lu_factor(a), x[:, 0]),), (POSITIVE[::-1], X)),
    "loops of scalars": (lambda k, x: (pt.gammainc(k, x), pt.gammaincc(k[0], x)),
                         (np.array([0.5, 1.5, 7.0]), np.array([0.7, 12.0, 3.0]))),
    "ifelse": (lambda x: ifelse(pt.gt(x.sum(), 0), x * 2, x - 1), (X,)),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions(name: str) -> None:
    build, values = EXPRESSIONS[name]
    check(build, *values, gradient=name not in ("integers", "bool", "argmax"))


def _scan(*args: Any, **options: Any) -> Any:
    return pytensor.scan(*args, return_updates=False, **options)


START = pt.as_tensor(np.float64(0.5))
LOOPS: dict[str, Callable[..., Any]] = {
    "one state": lambda v: _scan(lambda t, h: pt.tanh(h + t), sequences=[v], outputs_info=[START]),
    "rows without state": lambda v: _scan(lambda t: t ** 2, sequences=[v]),
    "two taps": lambda v: _scan(lambda a, b: 0.5 * a + pt.sin(b), outputs_info=[{"initial": v[:2], "taps": [-2, -1]}],
                                n_steps=6),
    "last row": lambda v: _scan(lambda t, h: h * t, sequences=[v], outputs_info=[START])[-1],
    "backwards": lambda v: _scan(lambda t, h: h + t ** 2, sequences=[v], outputs_info=[START], go_backwards=True),
    "taps of a sequence": lambda v: _scan(lambda a, b: a * b, sequences=[{"input": v, "taps": [0, 1]}]),
    "nested": lambda v: _scan(lambda t: _scan(lambda u, h: h + u * t, sequences=[v], outputs_info=[START])[-1],
                              sequences=[v]),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_and_their_gradients(name: str) -> None:
    check(LOOPS[name], V)


def test_a_hessian_through_a_loop() -> None:
    v = pt.dvector()
    cost = (LOOPS["two taps"](v) ** 2).sum()
    ours, theirs = both([v], [pytensor.gradient.hessian(cost, v)], [V])
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-10, atol=1e-13)


def test_a_loop_that_ends_by_a_condition() -> None:
    rows = _scan(lambda p: (p * 2, until(p * 2 > 50)), outputs_info=[pt.as_tensor(np.float64(1.0))], n_steps=100)
    got = pytensor.function([], [rows, rows[-1]], mode="GRADC")()
    np.testing.assert_array_equal(got[0], [2, 4, 8, 16, 32, 64])
    assert got[1] == 64


def test_draws_are_those_of_the_generator() -> None:
    state = pytensor.shared(np.random.default_rng(3))
    after, draws = pt.random.normal(1.0, 2.0, size=(3,), rng=state).owner.outputs
    after2, more = pt.random.halfcauchy(0.0, 1.0, size=(2,), rng=after).owner.outputs
    f = pytensor.function([], [draws, more], updates={state: after2}, mode="GRADC")
    right = np.random.default_rng(3)
    for _ in range(2):
        a, b = f()
        np.testing.assert_array_equal(a, right.normal(1.0, 2.0, size=3))
        np.testing.assert_array_equal(b, after2.owner.op.rng_fn(right, 0.0, 1.0, (2,)))


P = np.array([0.7, 1.5, 2.5])
DRAWS: dict[str, tuple[Any, ...]] = {
    "halfnormal": (0.5, P), "pareto": (P, 2.0), "cauchy": (0.1, P), "halfcauchy": (0.1, P), "invgamma": (P, 1.3),
    "wald": (P, 1.2), "truncexpon": (P, 0.3, 1.7), "t": (P + 1, 0.2, 1.4), "bernoulli": (P / 4,),
    "negative_binomial": (P * 2, 0.4), "betabinom": (np.array([5, 7, 9]), 1.2, 2.3), "gengamma": (P, 1.2, 0.8),
    "hypergeometric": (np.array([5, 6, 7]), 4, 3), "integers": (np.array([0, 1, 2]), 9), "dirichlet": (P,),
    "multinomial": (10, np.array([0.2, 0.3, 0.5])), "categorical": (np.array([0.2, 0.3, 0.5]),), "gumbel": (0.1, P),
    "gamma": (P, 1.3), "multivariate_normal": (P, np.eye(3) + 0.2)}
OF_VECTORS = ("dirichlet", "multinomial", "categorical", "multivariate_normal")


def test_distributions_draw_bit_by_bit() -> None:
    """Twice in a row, with a size and without: the numbers of PyTensor's own Python, and the generator after them."""
    rngs = [pytensor.shared(np.random.default_rng(k)) for k in range(2 * len(DRAWS))]
    outputs, updates = [], {}
    for k, (name, parameters) in enumerate(DRAWS.items()):
        for rng, size in zip(rngs[2 * k:], (None, (4,) if name in OF_VECTORS else (4, 3))):
            updates[rng], draws = getattr(pt.random, name)(*parameters, size=size, rng=rng).owner.outputs
            outputs.append(draws)
    found = []
    for mode in ("GRADC", "FAST_COMPILE"):
        for k, rng in enumerate(rngs):
            rng.set_value(np.random.default_rng(k))
        f = pytensor.function([], outputs, updates=updates, mode=mode)
        found.append([*f(), *f(), *[rng.get_value().random() for rng in rngs]])
    for ours, theirs in zip(*found):
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
        np.testing.assert_array_equal(ours, theirs)


def test_draws_in_a_loop_go_on_from_call_to_call() -> None:
    state = pytensor.shared(np.random.default_rng(1))

    def step(h: Any, r: Any) -> Any:
        after, draw = pt.random.normal(0, 1, rng=r).owner.outputs
        return h + draw, {r: after}

    rows, updates = pytensor.scan(step, outputs_info=[pt.as_tensor(np.float64(0.0))], non_sequences=[state], n_steps=5,
                                  return_updates=True)
    f = pytensor.function([], rows, updates=updates, mode="GRADC")
    right = np.random.default_rng(1)
    for _ in range(2):
        np.testing.assert_allclose(f(), np.cumsum(right.normal(size=5)), rtol=1e-14)


def test_shared_variables_and_updates() -> None:
    total, x = pytensor.shared(np.zeros(3)), pt.dvector()
    f = pytensor.function([x], total.sum(), updates=[(total, total + x)], mode="GRADC")
    assert f(np.ones(3)) == 0
    assert f(np.ones(3)) == 3
    np.testing.assert_array_equal(total.get_value(), 2 * np.ones(3))


def test_pickles_copies_and_threads() -> None:
    x = pt.dvector()
    f = pytensor.function([x], pt.cumsum(x) / 2, mode="GRADC")
    for g in (pickle.loads(pickle.dumps(f)), f.copy()):
        np.testing.assert_array_equal(g(np.arange(3.0)), [0, 0.5, 1.5])
    copies, results = [f.copy() for _ in range(4)], [[] for _ in range(4)]  # type: ignore[var-annotated]

    def run(k: int) -> None:
        results[k] = [copies[k](np.full(100, k + 1.0)).sum() for _ in range(50)]

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[(k + 1) * 5050 / 2] * 50 for k in range(4)]


def test_the_default_mode_may_be_gradc() -> None:
    x = pt.dscalar()
    with pytensor.config.change_flags(mode="GRADC"):
        f = pytensor.function([x], x ** 2)
    assert isinstance(f.maker.mode.linker, interop.GradcLinker)
    assert f(3.0) == 9.0


class Doubled(Op):
    """An Op that gradc has no row for."""

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [pt.as_tensor(x)], [pt.as_tensor(x).type()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = 2 * inputs[0]


class Tripled(Doubled):
    """Another one, for which a user adds a row."""


def test_an_unknown_op_runs_by_its_perform_and_is_told_once() -> None:
    x = pt.dvector()
    with pytest.warns(interop.UnknownOpWarning, match="Doubled"):
        f = pytensor.function([x], Doubled()(x) + 1, mode="GRADC")
    np.testing.assert_array_equal(f(np.arange(3.0)), [1, 3, 5])


def test_users_add_rows() -> None:
    interop.to_gradc.register(Tripled, lambda op, node, x: 3 * x)
    x = pt.dvector()
    np.testing.assert_array_equal(pytensor.function([x], Tripled()(x), mode="GRADC")(np.arange(3.0)), [0, 3, 6])


class TooSmall(ValueError):
    """A user's exception."""


def test_checks_raise_their_own_exception() -> None:
    x = pt.dscalar()
    f = pytensor.function([x], pt.log(CheckAndRaise(TooSmall, "x must be positive")(x, x > 0)), mode="GRADC")
    assert f(1.0) == 0.0
    with pytest.raises(TooSmall, match="x must be positive"):
        f(-1.0)


def test_errors_name_the_users_line() -> None:
    x, k = pt.dvector("x"), pt.lvector("k")
    picked = x[k]       # this line
    f = pytensor.function([x, k], picked * 2, mode="GRADC")
    with pytest.raises(gradc.errors.IndexOutOfBoundsError, match=r"index 7 is out of bounds[\s\S]*test_linker\.py"):
        f(np.zeros(3), np.array([7]))


def _rewritten(f: Any) -> bool:
    """Was the graph rewritten, or is it one node that is known?"""
    return not any(isinstance(node.op, remember.KernelOp) for node in f.maker.fgraph.apply_nodes)


def test_graphs_are_remembered() -> None:
    """A graph that was compiled before is not rewritten; what may change its meaning is part of its key."""
    def build(number: float = 2.5, name: str = "x", check: bool = False, **options: Any) -> Any:
        x = pt.dvector(name)
        total = pytensor.shared(np.zeros(3), name="total")
        y = CheckAndRaise(KeyError, "small")(x, pt.all(x > -9)) if check else x
        return pytensor.function([x], [pt.log(pt.exp(y) * number).sum(), y + total], updates={total: total + x},
                                 mode=pytensor.compile.get_mode("GRADC").including(*options.get("rewrites", ())))

    value, expected = np.array([1000.0, 0.0, -1.0]), 999 + 3 * np.log(2.5)
    first, again = build(), build()
    assert _rewritten(first) and not _rewritten(again)
    for f, times in ((first, 1), (again, 1), (again.copy(), 2), (again, 3), (pickle.loads(pickle.dumps(again)), 1)):
        got = f(value)                                                  # a copy shares the variable
        np.testing.assert_allclose(got[0], expected, rtol=1e-14)        # stable: log(exp(1000))
        np.testing.assert_array_equal(got[1], times * value)
    for changed in ({"number": 3.5}, {"name": "z"}, {"check": True}, {"rewrites": ("some_tag",)}):
        assert _rewritten(build(**changed)) and not _rewritten(build(**changed))
    with pytest.raises(KeyError, match="small"):
        build(check=True)(np.full(3, -10.0))
    only = build().copy(delete_updates=True)
    np.testing.assert_array_equal(only(value)[1], value)
    np.testing.assert_array_equal(only(value)[1], value)


def test_what_is_not_remembered() -> None:
    """Ops of users, whose meaning a name does not tell."""
    x = pt.dvector()
    for build in (lambda: Tripled()(x), lambda: CheckAndRaise(TooSmall, "small")(x, x[0] > 0)):
        for _ in range(2):
            assert _rewritten(pytensor.function([x], build(), mode="GRADC"))
