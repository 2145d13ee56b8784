"""`vectorize`: rows one by one are the vectorised function, for every public function, loops, branches and draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import GraphError, ShapeError, TypeMismatchError
from gradc.gradient import grad
from tests.cases import CASES
from tests.cases_base import Case, compute
from tests.control.test_jacobian_fuzz import Numeric, Symbolic, grown
from tests.seeds import seeds

ROWS = 3
M = np.arange(6.0).reshape(2, 3) / 4 - 0.3
SAME_SIZE = "the size of a result would differ from row to row"


def run(inputs: list[Any], outputs: Any, *values: Any, mode: Any = None) -> Any:
    return gradc.function(inputs, outputs, mode=mode, on_unused_input="ignore")(*values)


def both(inputs: list[Any], outputs: Any, *values: Any) -> Any:
    """The results in C, after a comparison with the interpreter's."""
    got = run(inputs, outputs, *values)
    for a, b in zip(*[v if isinstance(v, list) else [v] for v in (got, run(inputs, outputs, *values,
                                                                           mode=gradc.Mode("interpret", None)))]):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)
    return got


def with_rows(variable: Any) -> Any:
    return at.TensorType(variable.dtype, (None, *variable.type.shape))(variable.name)


def sizes_follow_data(case: Case, sample: list[np.ndarray], mapped: list[bool]) -> bool:
    """Does NumPy make results of other sizes where what has rows has one value only, or all different ones?"""
    shapes = {tuple([np.shape(r) for r in case.expected([make(v) if flag else v for v, flag in zip(sample, mapped)])])
              for make in (np.zeros_like, lambda v: np.arange(v.size, dtype=v.dtype).reshape(v.shape))}
    return len(shapes) > 1


@pytest.mark.parametrize("case", CASES, ids=[c.id for c in CASES])
def test_every_public_function(case: Case) -> None:
    """All arguments have rows, or all but integers where these are sizes."""
    samples = [case.sample(seed) for seed in range(ROWS)]
    for mapped in ([True] * len(case.args), [a.dtype.startswith("float") for a in case.args]):
        if not any(mapped):
            return
        variables = [with_rows(v) if flag else v for v, flag in zip(case.variables(), mapped)]
        try:
            made = gradc.vectorize(case.build, [0 if flag else None for flag in mapped])(*variables)
        except GraphError as refused:
            assert SAME_SIZE in str(refused) and (all(mapped) or sizes_follow_data(case, samples[0], mapped))
            continue
        outputs = list(made) if isinstance(made, (list, tuple)) else [made]
        given = [np.stack(v) if flag else v[0] for *v, flag in zip(*samples, mapped)]
        rows = [[v[k] if flag else v for v, flag in zip(given, mapped)] for k in range(ROWS)]
        want = [np.stack(v) for v in zip(*[[np.asarray(r) for r in case.expected(row)] for row in rows])]
        for variable, got, rowwise in zip(outputs, compute(variables, outputs, given), want):
            assert got.dtype == variable.dtype and got.shape == rowwise.shape
            np.testing.assert_allclose(got, rowwise, rtol=case.rtol, atol=1e-13)
        return


@pytest.mark.parametrize("seed", seeds(0, 15, 400))
def test_random_functions(seed: int) -> None:
    """Of vectors, with loops and branches, and their gradients."""
    recipe, n = grown(seed)
    x = at.matrix("x", dtype="float64") if seed % 2 else at.TensorType("float64", (None, n))("x")
    point = np.random.default_rng(seed).normal(size=(ROWS, n)) * 0.7
    made = gradc.vectorize(lambda v: recipe.run(Symbolic(), v))(x)
    got = run([x], made, point, mode="c" if seed % 5 == 0 else gradc.Mode("interpret", None))
    want = np.stack([recipe.run(Numeric(), v) for v in point])
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)
    if seed % 5 == 1:
        v = at.dvector("v")
        slope = grad(at.sin(recipe.run(Symbolic(), v)).sum(), v)
        one = gradc.function([v], slope, mode=gradc.Mode("interpret", None))
        rows = gradc.vectorize_graph(slope, {v: x})
        np.testing.assert_allclose(run([x], rows, point), [one(p) for p in point], rtol=1e-9, atol=1e-11)


X, W = at.dmatrix("x"), at.dvector("w")


def test_axes_are_chosen_for_each_argument_and_result() -> None:
    made = gradc.vectorize(lambda r, w, c: [r * w + c, r.sum(), w.sum()], in_axes=(1, None, -1), out_axes=(-1, 0, None))
    c = at.dmatrix("c")
    outs = both([X, W, c], made(X, W, c), M, [1.0, 2.0], np.ones((2, 3)))
    np.testing.assert_allclose(outs[0][:, 1], M[:, 1] * [1, 2] + 1.0)


def test_in_axes_of_one_argument_and_results_as_they_were() -> None:
    columns = gradc.vectorize(lambda c: (c.sum(), c[::-1]), in_axes=1, out_axes=(0, 1))(X)
    assert isinstance(columns, tuple)
    sums, turned = both([X], list(columns), M)
    np.testing.assert_array_equal(sums, M.sum(axis=0))
    np.testing.assert_array_equal(turned, M[::-1])


def test_what_depends_on_no_row_is_repeated_or_left() -> None:
    w = at.TensorType("float64", (3,))("w")
    repeated = both([X, w], gradc.vectorize(lambda r: 2 * w)(X), M, np.ones(3))
    np.testing.assert_array_equal(repeated, np.full((2, 3), 2.0))
    once = gradc.vectorize_graph([2 * w, X.sum()], {X: at.dtensor3("xs")})
    assert once[0].type.shape == (3,) and once[1].type.ndim == 1


def test_static_sizes_are_kept() -> None:
    x = at.TensorType("float64", (5, 3))("x")
    assert gradc.vectorize(lambda r: at.exp(r) * 2)(x).type.shape == (5, 3)


@pytest.mark.parametrize("reverse", [False, True])
def test_loops(reverse: bool) -> None:
    def smooth(r: Any, w: Any) -> Any:
        hs, _ = gradc.scan(lambda x, h, w: at.tanh(h * w + x), sequences=r, outputs_info=at.zeros(()),
                           non_sequences=w, go_backwards=reverse)
        return hs

    rows = both([X, W], gradc.vectorize(smooth)(X, W), M, [0.5, -2.0])
    for k, w in enumerate((0.5, -2.0)):
        h = 0.0
        for x, got in zip(M[k, ::-1] if reverse else M[k], rows[k]):
            h = np.tanh(h * w + x)
            np.testing.assert_allclose(got, h, rtol=1e-14)
    slope = grad(gradc.vectorize(smooth)(X, W).sum(), W)
    e = 1e-6
    f = gradc.function([X, W], gradc.vectorize(smooth)(X, W).sum())
    np.testing.assert_allclose(run([X, W], slope, M, [0.5, -2.0])[1],
                               (f(M, [0.5, -2.0 + e]) - f(M, [0.5, -2.0 - e])) / (2 * e), rtol=1e-6)


def test_a_loop_that_ends_after_other_steps_in_each_row() -> None:
    def doubled(start: Any) -> Any:
        hs, _ = gradc.scan(lambda h: (2 * h, gradc.scan.utils.until(2 * h > 40)), outputs_info=start, n_steps=20)
        return hs[-1]

    np.testing.assert_array_equal(both([W], gradc.vectorize(doubled)(W), [1.5, 30.0, 11.0]), [48.0, 60.0, 44.0])


def test_branches_of_each_row_are_lazy() -> None:
    def root(r: Any) -> Any:
        return gradc.ifelse(r.sum() > 0, at.sqrt(r.sum()), -r[0])

    np.testing.assert_allclose(both([X], gradc.vectorize(root)(X), M), [-M[0, 0], np.sqrt(M[1].sum())])
    safe = gradc.vectorize(lambda r: gradc.ifelse(r[0] > 0, r[5], r[1]))(X)    # r[5] is out of bounds
    np.testing.assert_array_equal(both([X], safe, -np.ones((2, 3))), [-1.0, -1.0])


def test_an_index_of_each_row() -> None:
    i = at.lvector("i")
    np.testing.assert_array_equal(both([X, i], gradc.vectorize(lambda r, k: r[k])(X, i), M, [2, 0]), [M[0, 2], M[1, 0]])
    put = gradc.vectorize(lambda r, k: at.inc_subtensor(r[k], 5.0), (None, 0))(W, i)
    np.testing.assert_array_equal(both([W, i], put, [1.0, 2.0], [-1, 0]), [[1.0, 7.0], [6.0, 2.0]])


def test_users_ops() -> None:
    @gradc.as_op(itypes=[at.dvector], otypes=[at.dvector])
    def sorted_rows(x: np.ndarray) -> np.ndarray:
        assert x.ndim == 1
        return np.sort(x)

    np.testing.assert_array_equal(run([X], gradc.vectorize(lambda r: sorted_rows(-r))(X), M), np.sort(-M, axis=1))


def test_a_graph_as_an_op_keeps_its_derivative() -> None:
    r = at.dvector()
    square = gradc.OpFromGraph([r], [r ** 2], grad_overrides=lambda inputs, gs: [10 * gs[0]])
    rows = gradc.vectorize(square)(X)
    np.testing.assert_allclose(run([X], rows, M), M ** 2)
    np.testing.assert_array_equal(run([X], grad(rows.sum(), X), M), np.full((2, 3), 10.0))


def test_gradients_of_each_row() -> None:
    slopes = gradc.vectorize(lambda r, w: grad((at.exp(r) * w).sum(), [r, w]))(X, W)
    got = both([X, W], slopes, M, [2.0, 3.0])
    np.testing.assert_allclose(got[0], np.exp(M) * [[2.0], [3.0]])
    np.testing.assert_allclose(got[1], np.exp(M).sum(axis=1))


def test_one_in_the_other() -> None:
    table = gradc.vectorize(lambda a: gradc.vectorize(lambda b: a * b + a)(W))(W)
    np.testing.assert_allclose(both([W], table, [1.0, 2.0, 3.0]), np.outer([1, 2, 3], [1, 2, 3]) + [[1], [2], [3]])


def test_draws_of_the_rows_are_those_of_calls_in_turn() -> None:
    stream, other = at.random.RandomStream(3), at.random.RandomStream(3)
    f = gradc.function([X], gradc.vectorize(lambda r: stream.normal(r, 2.0) + stream.uniform(size=3))(X))
    one = gradc.function([W], other.normal(W, 2.0) + other.uniform(size=3))
    twice = np.concatenate([f(M), f(M)])
    normal = np.random.default_rng(np.random.SeedSequence(3).spawn(1)[0])
    want = M.ravel() + 2 * normal.standard_normal(6)
    same = twice[:2] - want.reshape(2, 3)
    np.testing.assert_allclose(same[0], same[1], atol=1e-14)        # what depends on no row is drawn once
    np.testing.assert_allclose(same[0], one(M[0]) - want[:3], atol=1e-14)
    assert not np.isclose(twice[:2], twice[2:]).any()
    assert len(stream.updates()) == 2
    stream.seed(3)
    np.testing.assert_array_equal(f(M), twice[:2])


def test_draws_of_a_graph_come_from_a_copy_of_its_generator() -> None:
    stream = at.random.RandomStream(5)
    draws = stream.poisson(at.exp(W))
    one, rows = gradc.function([W], draws), gradc.function([X], gradc.vectorize_graph(draws, {W: X}))
    got = rows(M)
    np.testing.assert_array_equal(got, [one(M[0]), one(M[1])])
    np.testing.assert_array_equal(rows(M), [one(M[0]), one(M[1])])


def test_more_axes_are_lined_up_from_the_right() -> None:
    xs, ws = at.dtensor3("xs"), at.dvector("ws")
    x, w = at.dscalar("x"), at.dscalar("w")
    made = gradc.vectorize_graph([at.exp(x) * w, w + 1], {x: xs, w: ws})
    a, b = np.arange(12.0).reshape(2, 2, 3) / 10, np.array([1.0, 2.0, 3.0])
    got = both([xs, ws], made, a, b)
    np.testing.assert_allclose(got[0], np.exp(a) * b)
    np.testing.assert_array_equal(got[1], b + 1)


def test_a_variable_in_the_middle_can_be_replaced() -> None:
    y = at.exp(W)
    np.testing.assert_allclose(run([X], gradc.vectorize_graph(y.sum(), {y: X}), M), M.sum(axis=1))


OWN = at.random.RandomVariable("own", {"r": None}, draw=lambda rng, r, *, size: rng.permutation(r), ndims_params=(1,),
                               ndim_supp=1)
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "sizes": (lambda: gradc.vectorize(lambda i: at.arange(i))(at.lvector()), GraphError, "arange: the size of a result "
              r"would differ from row to row \(.*test_vectorize.py:\d+\); let all rows have one size"),
    "range": (lambda: gradc.vectorize(lambda r, i: r[:i])(X, at.lvector()), GraphError, "the size of a result"),
    "steps": (lambda: gradc.vectorize(lambda n: gradc.scan(lambda h: h + 1, outputs_info=at.zeros(()), n_steps=n)[0])(
        at.lvector()), GraphError, "size of a result would differ"),
    "states": (lambda: gradc.vectorize(lambda r: OWN(r))(X), GraphError, "own.* draws in Python"),
    "axis": (lambda: gradc.vectorize(at.exp, 2)(X), ShapeError, r"argument 0, x, has no axis 2: it is f64"),
    "out": (lambda: gradc.vectorize(at.exp, 0, 2)(X), ShapeError, "out_axes puts the new axis of result 0 at 2"),
    "none": (lambda: gradc.vectorize(at.exp, None)(X), TypeMismatchError, "leaves no argument with rows"),
    "count": (lambda: gradc.vectorize(at.add, (0, 0, 0))(X, X), TypeMismatchError, "there are 2, got"),
    "kind": (lambda: gradc.vectorize(at.exp, "rows")(X), TypeMismatchError, "in_axes is an int, None"),
    "whole": (lambda: gradc.vectorize(at.exp, 0, None)(X), GraphError, "but it depends on them; give it an axis"),
    "pair": (lambda: gradc.vectorize(lambda r: gradc.scan(lambda v: v, r))(X), TypeMismatchError,
             "of a scan return the outputs"),
    "function": (lambda: gradc.vectorize(X), TypeMismatchError, "takes a function"),
    "numbers": (lambda: gradc.vectorize(at.add)(at.constant(np.ones(3)), at.constant(np.ones(2))), ShapeError,
                "has 3 rows, .* has 2"),
    "dtype": (lambda: gradc.vectorize_graph(X + 1, {X: at.ftensor3("y")}), TypeMismatchError, "y is f32"),
    "rank": (lambda: gradc.vectorize_graph(X + 1, {X: W}), TypeMismatchError, "as many dimensions or more"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()


def test_different_numbers_of_rows_at_a_call() -> None:
    f = gradc.function([X, W], gradc.vectorize(lambda r, w: [r.sum(), 2 * w])(X, W))
    with pytest.raises(ShapeError, match="the arguments have different numbers of rows"):
        f(M, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("fn", [lambda r, w: 2 * r, lambda r, w: 2 * w, lambda r, w: at.ones((2,))])
def test_rows_of_arguments_that_are_not_used_are_counted(fn: Callable[..., Any]) -> None:
    f = gradc.function([X, W], gradc.vectorize(fn)(X, W), on_unused_input="ignore")
    assert len(f(M, [1.0, 2.0])) == 2
    with pytest.raises(ShapeError, match="the arguments have different numbers of rows"):
        f(M, [1.0, 2.0, 3.0])


def test_replacements_that_nothing_depends_on_change_nothing() -> None:
    x, y = at.dvectors("x", "y")
    same = gradc.vectorize_graph(2 * x, {y: X})
    np.testing.assert_array_equal(gradc.function([x], same)([1.0, 2.0]), [2.0, 4.0])
