"""Products: errors with the line, orders of einsum, dtypes that differ, products of a matrix with itself."""

import re

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import ShapeError, TypeMismatchError
from gradc.gradient import grad
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.ir.interp import evaluate
from gradc.passes.phases import optimize

RNG = np.random.default_rng(3)
X, Y, V, S = at.dmatrix("x"), at.dmatrix("y"), at.dvector("v"), at.dscalar("s")
A23, B43 = at.matrix("a", shape=(2, 3)), at.matrix("b", shape=(4, 3))

WRONG = {
    "sizes": (lambda: at.einsum("ij,jk->ik", A23, B43), ShapeError, "size 3 in a, which is f64[2,3], and 4 in b"),
    "sizes of lists": (lambda: at.einsum(A23, [0, 1], B43, [1, 2]), ShapeError, "label 1 has size 3 in a"),
    "sizes of ellipses": (lambda: at.einsum("...,...", A23, B43), ShapeError, "label of an axis of '...' has size 2"),
    "diagonal": (lambda: at.einsum("ii", A23), ShapeError, "two of its axes have the label 'i': sizes 2 and 3 differ"),
    "unknown": (lambda: at.einsum("ij->ik", X), ShapeError, "label 'k' of the result of 'ij->ik' is in no operand"),
    "unknown in lists": (lambda: at.einsum(X, [0, 1], [2]), ShapeError, "label 2 of the result"),
    "twice": (lambda: at.einsum("ij->iij", X), ShapeError, "label 'i' stands twice in the result"),
    "operands": (lambda: at.einsum("ij,jk", X), ShapeError, "has labels of 2 operand(s), got 1"),
    "more operands": (lambda: at.einsum("ij", X, Y), ShapeError, "has labels of 1 operand(s), got 2"),
    "few labels": (lambda: at.einsum("i", X), ShapeError, "'i' has 1 label(s) for x, which is f64[?,?]"),
    "many labels": (lambda: at.einsum("ijk...", X), ShapeError, "has 3 label(s) for x"),
    "ellipsis twice": (lambda: at.einsum("...i...", X), ShapeError, "'...' stands twice among the labels of x"),
    "ellipsis twice in the result": (lambda: at.einsum("i...->......", X), ShapeError, "twice in the result"),
    "ellipsis summed": (lambda: at.einsum("i...->i", X), ShapeError, "is not in the result of 'i...->i'"),
    "letter": (lambda: at.einsum("i?", X), ShapeError, "labels are letters, and '...' stands for other axes; got '?'"),
    "two arrows": (lambda: at.einsum("ij->i->j", X), ShapeError, "got '-' in 'ij->i->j'"),
    "no labels": (lambda: at.einsum(X), TypeMismatchError, "the first argument is a text such as"),
    "label of lists": (lambda: at.einsum(X, [0, 52]), TypeMismatchError, "integers from 0 to 51 and Ellipsis"),
    "no list": (lambda: at.einsum(X, [0, 1], V), TypeMismatchError, "is in no operand|integers from 0 to 51"),
    "optimize": (lambda: at.einsum("ij,j", X, V, optimize="best"), TypeMismatchError, "optimize is True, False"),
    "step of a path": (lambda: at.einsum("ij,j", X, V, optimize=["einsum_path", (0, 2)]), ShapeError, "not so many"),
    "short path": (lambda: at.einsum("ij,j", X, V, optimize=["einsum_path"]), ShapeError, "leaves 2 operands"),
    "matvec": (lambda: at.matvec(V, V), ShapeError, "matvec takes a matrix here, or a batch of such; v is f64[?]"),
    "vecmat": (lambda: at.vecmat(S, X), ShapeError, "vecmat takes a vector here"),
    "vecdot": (lambda: at.vecdot(V, S), ShapeError, "vecdot takes a vector here, or a batch of such; s is f64[]"),
    "matmul": (lambda: at.matmul(X, S), ShapeError, "matmul takes no scalars, s is one"),
    "tensordot": (lambda: at.tensordot(X, Y, 3), ShapeError, "can't sum over 3 axes"),
    "tensordot of sizes": (lambda: at.tensordot(A23, B43, 1), ShapeError, "sizes 3 and 4 differ"),
    "tensordot lists": (lambda: at.tensordot(X, Y, [[0], [0, 1]]), ShapeError, "equally many axes of both"),
    "batched_tensordot": (lambda: at.batched_tensordot(X, Y, [[0], [0]]), ShapeError, "can't be summed over"),
    "batched_dot": (lambda: at.batched_dot(S, X), ShapeError, "s is a scalar"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_with_the_line(name):
    run, kind, words = WRONG[name]
    if not any(c in words for c in r"\|"):
        words = re.escape(words)
    with pytest.raises(kind, match=words) as caught:
        run()
    assert f"({__file__}:{run.__code__.co_firstlineno}" in str(caught.value)


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_sizes_that_only_the_call_knows(mode):
    f = gradc.function([X], at.einsum("ii->i", X), mode=mode)
    np.testing.assert_array_equal(f(np.arange(9.0).reshape(3, 3)), [0, 4, 8])
    with pytest.raises(ShapeError, match="two of its axes have the label 'i': sizes 2 and 3 differ"):
        f(np.ones((2, 3)))
    f = gradc.function([X, V], at.einsum("ij,j->i", X, V), mode=mode)
    with pytest.raises(ShapeError, match="sizes 3 and 2 differ"):
        f(np.ones((2, 3)), np.ones(2))


def products(y):
    """The sizes of the results of the products that make y."""
    found, work = [], [y]
    while work:
        v = work.pop()
        if v.owner is not None:
            found += [v.type.shape] if type(v.owner.op) is ops.Contract else []
            work += v.owner.inputs
    return found


def test_the_order_of_products_follows_the_sizes():
    """As numpy.einsum_path finds it; a size that one operand tells holds for all that have the label."""
    tall, wide, v = at.matrix("tall", shape=(500, 3)), at.matrix("wide", shape=(3, 500)), at.dvector("v")
    assert products(at.einsum("ij,jk,kl->il", tall, wide, tall))[1] == (3, 3)
    assert products(at.einsum("ij,jk,k->i", X, wide, v)) == [(None,), (3,)]
    assert products(at.einsum("ij,jk,kl->il", tall, wide, tall, optimize=False))[1] == (500, 500)
    stated = at.einsum("ij,jk,k->i", X, wide, v, optimize=["einsum_path", (0, 1), (0, 1)])
    assert products(stated) == [(None,), (None, 500)]


def test_labels_of_one_operand_are_summed_before_products():
    a, b = at.tensor3("a"), at.matrix("b")
    y = at.einsum("ijk,jl->i", a, b)
    assert [len(s) for s in products(y)] == [1]
    sums = [v.owner.op for v in y.owner.inputs if v.owner is not None]
    assert [op.axes for op in sums if type(op) is ops.Reduce] == [(2,), (1,)]


def test_many_operands_and_axes():
    """Beyond what NumPy's arrays could hold if each size that is not known were 64."""
    x = at.tensor("x", dtype="float64", shape=(None,) * 14)
    letters = "abcdefghijklmn"
    y = at.einsum(f"{letters},{letters},{letters[::-1]}->{letters[:2]}", x, x, x)
    value = RNG.normal(size=(2,) * 14)
    want = np.einsum(f"{letters},{letters}->{letters[:2]}", value ** 2, value.transpose())
    np.testing.assert_allclose(y.eval({x: value}), want, rtol=1e-12)


@pytest.mark.parametrize("left, right", [("float64", "float32"), ("float32", "float64"), ("int32", "float64"),
                                         ("float64", "bool"), ("int64", "float32"), ("int8", "int64")])
def test_products_of_two_dtypes(left, right):
    """In C as of operands that are cast; derivatives in the dtype of what they are by."""
    x, y = at.matrix("x", dtype=left), at.matrix("y", dtype=right)
    a, b = [RNG.integers(0, 90, (40, 40)).astype(dtype) for dtype in (left, right)]
    f = gradc.function([x, y], at.dot(x, y))
    assert f(a, b).dtype == np.result_type(left, right)
    np.testing.assert_array_equal(f(a, b), a.astype("float64") @ b.astype("float64"))     # of integers: exact
    floats = [v for v in (x, y) if v.dtype.startswith("float")]
    gradients = gradc.function([x, y], grad((at.dot(x, y) ** 2).sum() / 2, floats), on_unused_input="ignore") \
        if floats else lambda a, b: []
    product = a.astype("float64") @ b
    for v, g in zip(floats, gradients(a, b)):
        np.testing.assert_allclose(g, product @ b.T if v is x else a.T @ product, rtol=1e-6)
        assert g.dtype == v.dtype
    if "float" in left + right:
        assert "gemm" in f.info["routines"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(63, 70), (64, 64), (97, 130), (200, 3), (64, 0)])
def test_products_of_a_matrix_with_itself(dtype, shape):
    """Half of it is computed where it is large: symmetric to the last bit."""
    x = at.matrix("x", dtype=dtype)
    f = gradc.function([x], [x @ x.T, x.T @ x, x[:, ::2] @ x[:, ::2].T, x[2:] @ x[2:].T, x[2:] @ x[:-2].T])
    a = RNG.normal(size=shape).astype(dtype)
    wide = a.astype("float64")
    wants = [wide @ wide.T, wide.T @ wide, wide[:, ::2] @ wide[:, ::2].T, wide[2:] @ wide[2:].T, wide[2:] @ wide[:-2].T]
    for k, (made, want) in enumerate(zip(f(a), wants)):
        np.testing.assert_allclose(made, want, atol=1e-12 if dtype == "float64" else 1e-4)
        large = len(made) >= 64 and len(made) * (wide.size // len(made)) >= 64 * 64
        assert not large or k not in (0, 1, 3) or (made == made.T).all()


def test_a_batch_of_matrices_with_themselves():
    t = at.dtensor3("t")
    a = RNG.normal(size=(3, 70, 80))
    f = gradc.function([t], at.einsum("bij,bkj->bik", t, t))
    np.testing.assert_allclose(f(a), a @ a.transpose(0, 2, 1), atol=1e-12)


CHAINS = {
    "from the left": ([(400, 3), (3, 400), (400, 5)], lambda a, b, c: a @ b @ c, [(3, 5), (400, 5)]),
    "from the right": ([(5, 400), (400, 3), (3, 400)], lambda a, b, c: a @ (b @ c), [(5, 3), (5, 400)]),
    "in the middle": ([(90, 70), (70, 2), (2, 80), (80, 60)], lambda a, b, c, d: a @ b @ c @ d,
                      [(90, 2), (2, 60), (90, 60)]),
    "transposed": ([(3, 400), (3, 400), (5, 400)], lambda a, b, c: (a.T @ b @ c.T).T, [(3, 5), (400, 5)]),
    "inner transposed": ([(400, 3), (3, 400), (400, 5)], lambda a, b, c: (b.T @ a.T).T @ c, [(3, 5), (400, 5)]),
    "with a vector": ([(None, None), (None, None), (None,)], lambda a, b, v: a @ b @ v, [(None,), (None,)]),
    "of a vector": ([(None,), (None, None), (None, None)], lambda v, a, b: v @ (a @ b), [(None,), (None,)]),
    "sizes not known": ([(None, None), (None, None), (None, 400)], lambda a, b, c: a @ b @ c, None),
    "good as it is": ([(3, 4), (4, 5), (5, 6)], lambda a, b, c: a @ b @ c, [(3, 5), (3, 6)]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_products(name):
    shapes, build, wants = CHAINS[name]
    given = [at.tensor("abcd"[k], dtype="float64", shape=shape) for k, shape in enumerate(shapes)]
    program = optimize(to_program(given, [build(*given)]), checked=True)
    made = [eqn.out.type.shape for eqn in program.eqns if type(eqn.op) is ops.Contract]
    assert wants is None or sorted(made, key=str) == sorted(wants, key=str)
    values = [RNG.normal(size=[30 if s is None else s for s in shape]) for shape in shapes]
    np.testing.assert_allclose(evaluate(program, values)[0], build(*values), rtol=1e-9, atol=1e-9)


def test_a_product_that_has_another_use_stays():
    a, b, c = [at.tensor(name, dtype="float64", shape=shape) for name, shape in
               (("a", (400, 3)), ("b", (3, 400)), ("c", (400, 5)))]
    product = a @ b
    program = optimize(to_program([a, b, c], [product @ c, product]), checked=True)
    assert sorted(eqn.out.type.shape for eqn in program.eqns if type(eqn.op) is ops.Contract) == [(400, 5), (400, 400)]
