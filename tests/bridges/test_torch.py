"""gradc's functions in PyTorch, against PyTorch's own and its checks of gradients."""

from __future__ import annotations

import pytest
import torch

import gradc
import gradc.tensor as at
from gradc.errors import BadArgumentError, GraphError, IndexOutOfBoundsError, ShapeError, TypeMismatchError
from gradc.interop.torch import as_torch_function

torch.manual_seed(5)
A, V = torch.randn(3, 4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)


def layer():
    a, x = at.dmatrix("a"), at.dvector("x")
    return gradc.function([a, x], [at.tanh(a @ x), (x ** 2).sum()], name="layer")


def exact(a, x):
    return [torch.tanh(a @ x), (x ** 2).sum()]


def cost(f):
    return lambda a, x: (f(a, x)[0] ** 2).sum() * f(a, x)[1]


def leaf(t):
    return t.clone().requires_grad_()


def test_values_and_derivatives():
    f = as_torch_function(layer())
    assert repr(f) == "<gradc function layer for PyTorch>"
    torch.testing.assert_close(f(A, V), exact(A, V))
    torch.testing.assert_close(f(A.T.contiguous().T, V), exact(A, V))
    slopes = []
    for g in (f, exact):
        a, x = leaf(A), leaf(V)
        cost(g)(a, x).backward()
        slopes.append((a.grad, x.grad))
    torch.testing.assert_close(*slopes)

    def both(a, x):
        return tuple(f(a, x))

    assert torch.autograd.gradcheck(both, (leaf(A), leaf(V)), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(both, (leaf(A), leaf(V)))


def test_transformations():
    f, rows = as_torch_function(layer()), torch.randn(5, 4, dtype=torch.float64)
    many = torch.randn(6, 3, 4, dtype=torch.float64)

    def transformed(g):
        return (torch.func.hessian(lambda x: cost(g)(A, x))(V),
                torch.func.jacrev(lambda x: g(A, x)[0])(V),
                torch.func.jacfwd(lambda x: g(A, x)[0])(V),
                torch.vmap(lambda a: torch.vmap(lambda x: g(a, x)[0])(rows))(many),
                torch.vmap(torch.func.grad(lambda x: cost(g)(A, x)))(rows))

    torch.testing.assert_close(transformed(f), transformed(exact))


def test_results_by_name_integers_and_dtypes():
    x, i = at.dvector("x"), at.lscalar("i")
    f = as_torch_function(gradc.function([x, i], {"y": x[i] * x, "n": i + 1}))
    v = leaf(V)
    made = f(v, 2)
    assert set(made) == {"y", "n"} and made["n"] == 3 and not made["n"].requires_grad
    made["y"].sum().backward()
    torch.testing.assert_close(v.grad, V[2] + V.sum() * torch.eye(4, dtype=torch.float64)[2])
    assert f(V.float(), 1)["y"].dtype == torch.float64


def test_what_does_not_fit():
    f, x, i = as_torch_function(layer()), at.dvector("x"), at.lscalar("i")
    part, shared = as_torch_function(gradc.function([x, i], x[i])), gradc.shared(0.0)
    for wrong, error, words in (
            (lambda: f(A), BadArgumentError, r"takes 2 argument\(s\), got 1"),
            (lambda: f(1j * A, V), TypeMismatchError, "input a of function layer is f64.*torch.complex128"),
            (lambda: f(A.to("meta"), V), TypeMismatchError, "on meta.*use .cpu"),
            (lambda: f(A, A), BadArgumentError, "expected 1 dimension"),
            (lambda: f(A, V[:2]), ShapeError, "sizes 4 and 2 differ"),
            (lambda: part(V, 9), IndexOutOfBoundsError, "index 9 is out of bounds"),
            (lambda: part(V, 1.5), TypeMismatchError, "input i of function f is i64.*, got a tensor of torch.float32"),
            (lambda: as_torch_function(3), BadArgumentError, "expects a function made by gradc.function, got 3"),
            (lambda: as_torch_function(gradc.function([], [])), GraphError, "no results"),
            (lambda: as_torch_function(gradc.function([x], x, updates=[(shared, shared + 1)])), GraphError, "updates")):
        with pytest.raises(error, match=words):
            wrong()
