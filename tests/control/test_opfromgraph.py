"""OpFromGraph: values, derivatives of its graph, replaced derivatives, what it refuses."""

import copy
import pickle

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile.builders import OpFromGraph
from gradc.errors import DisconnectedInputError, GradientError, GraphError, MissingInputError, NullTypeGradError
from gradc.gradient import DisconnectedType, NullType, grad, grad_undefined, jacobian

V = np.array([0.5, -1.5, 2.0])


def squares(**options):
    """(x**2 + y, x * y)."""
    x, y = at.dvectors("x", "y")
    return OpFromGraph([x, y], [x ** 2 + y, x * y], **options)


def run(inputs, output, *values):
    native = gradc.function(inputs, output, on_unused_input="ignore")
    assert native.info["mode"] == "c"
    plain = gradc.function(inputs, output, mode="interpret", on_unused_input="ignore")
    np.testing.assert_allclose(native(*values), plain(*values), rtol=1e-14)
    return native(*values)


@pytest.mark.parametrize("inline", [False, True])
def test_values_and_gradients_are_those_of_the_graph(inline):
    a, b = at.dvectors("a", "b")
    first, second = squares(inline=inline)(a, at.sin(a) * b)
    inner = np.sin(V) * (V + 1)
    np.testing.assert_allclose(run([a, b], first + second, V, V + 1), V ** 2 + inner + V * inner)
    g = grad((first * second).sum(), a)     # the second input depends on the first
    by_hand = grad(((a ** 2 + at.sin(a) * b) * (a * at.sin(a) * b)).sum(), a)
    np.testing.assert_allclose(run([a, b], g, V, V + 1), run([a, b], by_hand, V, V + 1), rtol=1e-13)
    gradc.verify_grad(lambda a, b: grad((squares()(a, a * b)[0] * squares()(a, b)[1]).sum(), a), [V, V + 1])


def test_forward_mode():
    a, b, t = at.dvectors("a", "b", "t")
    first, second = squares()(a, b)
    np.testing.assert_allclose(run([a, b, t], gradc.Rop(first * second, a, t), V, V + 1, V),
                               V * (2 * V * V * (V + 1) + (V ** 2 + V + 1) * (V + 1)))
    scalar = at.dscalar("s")
    cube = OpFromGraph([scalar], [scalar ** 3])
    assert run([scalar], grad(grad(cube(scalar), scalar), scalar), 2.0) == 12.0


def test_shared_variables_are_implicit():
    x = at.dvector("x")
    w = gradc.shared(2.0, "w")
    op = OpFromGraph([x], [x * w])
    y = op(x)
    f = gradc.function([x], [y, grad(y.sum(), w)], updates={w: w + 1})
    value, slope = f(V)
    np.testing.assert_array_equal(value, 2 * V)
    assert slope == V.sum()
    np.testing.assert_array_equal(f(V)[0], 3 * V)
    with pytest.raises(GraphError, match="uses the shared variable w"):
        OpFromGraph([x], [x * w], strict=True)


def test_connection():
    a, b = at.dvectors("a", "b")
    x, y = at.dvectors("x", "y")
    op = OpFromGraph([x, y], [x * 2, y * 3])
    with pytest.raises(DisconnectedInputError):
        grad(op(a, b)[0].sum(), b)
    free = OpFromGraph([x], [x * 2], connection_pattern=[[False]])
    with pytest.raises(DisconnectedInputError):
        grad(free(a).sum(), a)


@pytest.mark.parametrize("options", [
    {"lop_overrides": lambda inputs, outputs, gs: [10 * inputs[1] * gs[0] + outputs[1] * gs[1], gs[0]]},
    {"grad_overrides": lambda inputs, gs: [10 * inputs[1] * gs[0] + inputs[0] * inputs[1] * gs[1], gs[0]]},
    {"lop_overrides": [lambda inputs, outputs, gs: 10 * inputs[1] * gs[0] + outputs[1] * gs[1], "default"]}],
    ids=["lop", "grad", "list"])
def test_overridden_gradients(options):
    a, b, t = at.dvectors("a", "b", "t")
    first, second = squares(**options)(a, b)
    g = grad(first.sum() + 3 * second.sum(), a)
    expected = 10 * (V + 1) + 3 * V * (V + 1)
    np.testing.assert_allclose(run([a, b], g, V, V + 1), expected)
    # forward mode follows
    np.testing.assert_allclose(run([a, b, t], gradc.Rop(first + 3 * second, a, t), V, V + 1, V), expected * V)


def test_overridden_by_another_graph():
    x, y, g = at.dscalars("x", "y", "g")
    op = OpFromGraph([x], [at.exp(x)], lop_overrides=OpFromGraph([x, y, g], [y * g * 7]))
    assert run([x], grad(op(x), x), 0.5) == pytest.approx(7 * np.exp(0.5))
    assert run([x], grad(grad(op(x), x), x), 0.5) == pytest.approx(49 * np.exp(0.5))


def test_overridden_forward_mode():
    x, t = at.dscalars("x", "t")
    op = OpFromGraph([x], [x ** 2], rop_overrides=lambda inputs, ts: [5 * ts[0]])
    assert run([x, t], gradc.Rop(op(x), x, t), 3.0, 2.0) == 10
    assert run([x], grad(op(x), x), 3.0) == 6
    one = OpFromGraph([x], [x ** 2, x], rop_overrides=[lambda inputs, ts: 5 * ts[0], "default"])
    assert run([x, t], gradc.Rop(one(x)[0] + one(x)[1], x, t), 3.0, 2.0) == 12


def test_gradients_declared_undefined_or_absent():
    x, y = at.dscalars("x", "y")
    op = OpFromGraph([x, y], [x * y], lop_overrides=[NullType("it jumps")(), DisconnectedType()()])
    with pytest.raises(NullTypeGradError, match="it jumps"):
        grad(op(x, y), x)
    with pytest.raises(DisconnectedInputError):
        grad(op(x, y), y)
    lazy = OpFromGraph([x], [x], lop_overrides=lambda i, o, g: [grad_undefined("jump", 0, i[0], "not here")])
    with pytest.raises(NullTypeGradError, match="not here"):
        grad(lazy(x), x)


def test_inside_loops_and_each_other():
    x, s = at.dscalars("x", "s")
    op = OpFromGraph([x], [x * at.tanh(x)], lop_overrides=lambda i, o, g: [2 * g[0]])
    outer = OpFromGraph([x], [op(x) + x])
    states, _ = gradc.scan(lambda h: outer(h), outputs_info=[s], n_steps=4)
    assert run([s], grad(states[-1], s), 0.3) == pytest.approx(3.0 ** 4)
    v = at.dvector("v")
    np.testing.assert_allclose(run([v], jacobian(squares()(v, v)[1], v), V), np.diag(2 * V), atol=1e-15)


def test_copies_and_pickles():
    x = at.dvector("x")
    op = OpFromGraph([x], [at.exp(x)], name="raise")
    assert str(op) == "raise{inline=False}"
    y = op(x * 2)
    again_x, again = pickle.loads(pickle.dumps([x, y]))
    again = copy.deepcopy(y)
    again_x = next(iter(gradc.graph.basic.explicit_graph_inputs([again])))
    np.testing.assert_allclose(run([again_x], grad(again.sum(), again_x), V), 2 * np.exp(2 * V))
    f = pickle.loads(pickle.dumps(gradc.function([x], y)))
    np.testing.assert_allclose(f(V), np.exp(2 * V))


def test_what_is_refused():
    x, y = at.dvectors("x", "y")
    with pytest.raises(MissingInputError, match=r"y of type .* is not among the inputs"):
        OpFromGraph([x], [x + y])
    with pytest.raises(TypeError, match="inputs are a list of variables"):
        OpFromGraph(x, [x])
    with pytest.raises(TypeError, match=r"outputs are variables, got 3\.0"):
        OpFromGraph([x], [3.0])
    with pytest.raises(TypeError, match="is a constant"):
        OpFromGraph([at.constant(1.0)], [x])
    with pytest.raises(TypeError, match=r"input 0 must be .* got a_matrix"):
        squares()(at.dmatrix("a_matrix"), x)
    with pytest.raises(TypeError, match="takes 2 input"):
        squares()(x)
    with pytest.raises(GradientError, match="exclude one another"):
        squares(lop_overrides=lambda *_: [], grad_overrides=lambda *_: [])
    with pytest.raises(GradientError, match="an override is"):
        squares(lop_overrides=3)
    with pytest.raises(GradientError, match="must return 2 variable"):
        grad(squares(lop_overrides=lambda i, o, g: [g[0]])(x, y)[0].sum(), x)
    with pytest.raises(GradientError, match="one per input, got 1"):
        grad(squares(lop_overrides=[lambda i, o, g: g[0]])(x, y)[0].sum(), x)
