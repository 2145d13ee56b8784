"""pp, debugprint and str: the strings of the reference pages, and claims of ours."""

import io

import pytest

import gradc
import gradc.tensor as at
from gradc.ir.convert import inline, to_program
from gradc.ir.graph import Op
from gradc.ir.types import TensorType
from gradc.printing import debugprint, dprint, min_informative_str, pp, pprint

X, Y = at.dscalar("x"), at.dscalar("y")
V, M = at.dvector("x"), at.dmatrix("M")


@pytest.mark.parametrize(
    "expression, text",
    [
        (lambda: X + Y * 2, "(x + (y * TensorConstant{2}))"),
        (lambda: -(X**2), "(-(x ** TensorConstant{2}))"),
        (lambda: at.exp(X) / (1 + at.exp(X)), "(exp(x) / (TensorConstant{1} + exp(x)))"),
        (lambda: M.dot(M), "(M \\dot M)"),
        (lambda: V.dot(V), "(x \\dot x)"),
        (lambda: M @ M, "(M \\dot M)"),
        (lambda: V[0], "x[0]"),
        (lambda: V[-1], "x[-1]"),
        (lambda: V[1:3], "x[int64:int64]"),
        (lambda: V[1:], "x[int64:]"),
        (lambda: V[::2], "x[::int64]"),
        (lambda: M[:, 0], "M[:, 0]"),
        (lambda: M[:, at.lscalar("k")], "M[:, k]"),
        (lambda: M.T, "M.T"),
        (lambda: V.sum(), "sum(x, axis=None)"),
        (lambda: M.sum(0), "sum(M, axis=(0,))"),
        (lambda: M.sum((0, 1)), "sum(M, axis=None)"),
        (lambda: M.max(axis=1), "max(M, axis=(1,))"),
        (lambda: M.argmax(axis=1), "argmax(M, axis=(1,))"),
        (lambda: V.cumsum(), "cumsum(x, axis=0)"),
        (lambda: V % 2, "mod(x, TensorConstant{2})"),
        (lambda: V // 2, "(x // TensorConstant{2})"),
        (lambda: abs(V), "|x|"),
        (lambda: at.fill(V, 0.0), "fill(x, TensorConstant{0.0})"),
        (lambda: V.mean(), "(sum(x, axis=None) / float64(Shape(x))[0])"),
        (lambda: M.mean(1), "(sum(M, axis=(1,)) / float64(Shape(M))[1])"),
        (lambda: at.square(V), "square(x)"),
        (lambda: at.inc_subtensor(V[0], 1), "inc_subtensor(x[0], TensorConstant{1.0})"),
        (lambda: at.set_subtensor(V[1:], 1), "set_subtensor(x[int64:], TensorConstant{1.0})"),
        (lambda: at.cast(X, "int32"), "int32(x)"),
        (lambda: V.shape, "Shape(x)"),
        (lambda: V.shape[0], "Shape(x)[0]"),
        (lambda: V[None, :] + M, "(x + M)"),
        (lambda: M.dimshuffle(1, "x", 0), "DimShuffle{1, x, 0}(M)"),
        (lambda: at.dmatrix() + 1, "(<TensorType(float64, (?, ?))> + TensorConstant{1})"),
        (lambda: at.constant([1, 2, 3]) + V, "(TensorConstant{[1 2 3]} + x)"),
        (lambda: at.constant([1.0, 1.0]) + V, "(TensorConstant{(2,) of 1.0} + x)"),
        (lambda: at.join(0, V, V), "join(0, x, x)"),
        (lambda: at.tensordot(M, M, [[1], [1]]), "einsum('ij,kj->ik', M, M)"),
        (lambda: at.switch(X > 0, 1, 0), "switch(gt(x, TensorConstant{0}), TensorConstant{1}, TensorConstant{0})"),
        (lambda: at.constant(2.0, name="two") * X, "(two * x)"),
        (lambda: X, "x"),
        (lambda: at.arange(at.lscalar("n")), "arange(n)"),
        (lambda: at.alloc(X, 2, 3), "Alloc(x, TensorConstant{2}, TensorConstant{3})"),
    ],
)
def test_pp(expression, text):
    assert pp(expression()) == pprint(expression()) == text


def test_pp_writes_named_results_out():
    y = X**2
    y.name = "y"
    assert pp(y + 1) == "((x ** TensorConstant{2}) + TensorConstant{1})"


def test_constants_of_compiled_graphs_are_bare():
    program = to_program([X], [X * 2.0 + at.constant([1.0, 2.0])])
    x = TensorType("float64", ())("x")
    assert pp(inline(program, [x], bare=True)[0]) == "((x * 2.0) + TensorConstant{[1. 2.]})"
    assert "TensorConstant{2.0}" in pp(inline(program, [x])[0])


def test_pp_refuses_what_is_no_variable():
    with pytest.raises(TypeError, match=r"f\.maker\.fgraph"):
        pp(3)


def test_str_of_variables():
    assert str(X) == repr(X) == "x"
    assert str(X**2) == "Elemwise{pow,no_inplace}.0"
    assert str(at.dmatrix()) == "<TensorType(float64, (?, ?))>"
    assert str(at.constant(2)) == "TensorConstant{2}" and str(at.constant(0.1)) == "TensorConstant{0.1}"
    assert str(at.constant(range(100))) == "TensorConstant{[ 0 1 2 3 .. 97 98 99]}"
    assert str(at.constant([[0.0] * 2000])) == "TensorConstant{(1, 2000) of 0.0}"
    assert str(at.shared(1.0)) == "<TensorType(float64, ())>" and str(at.shared(1.0, name="s")) == "s"


def test_debugprint_goes_on_from_another_call():
    y = X * 2
    ids: dict = {}
    done: dict = {}
    first = debugprint(y, file="str", used_ids=ids, done=done)
    assert first == "Elemwise{mul,no_inplace} [id A]\n |x [id B]\n |TensorConstant{2} [id C]\n"
    assert debugprint(y + X, file="str", used_ids=ids, done=done) == (
        "Elemwise{add,no_inplace} [id D]\n |Elemwise{mul,no_inplace} [id A]\n |x [id B]\n")
    assert debugprint(y, file="str", ids="int", print_op_info=True, print_destroy_map=True, print_view_map=True) == \
        debugprint(y, file="str", id_type="int")


def test_debugprint_lists_inputs():
    f = gradc.function([X], X + 1, mode="interpret")
    text = debugprint(f, file="str", print_fgraph_inputs=True)
    assert text.startswith("-x [id A]\nElemwise{add,no_inplace} [id B] 0\n")
    assert not debugprint((X + 1).owner, file="str", print_fgraph_inputs=True).startswith("-")


def test_debugprint_is_a_tree():
    a, b, d, e = at.matrices("a", "b", "d", "e")
    c = a + b
    c.name = "C"
    g = c + (d + e)
    assert (
        debugprint(g, file="str")
        == """\
Elemwise{add,no_inplace} [id A]
 |Elemwise{add,no_inplace} [id B] 'C'
 | |a [id C]
 | |b [id D]
 |Elemwise{add,no_inplace} [id E]
   |d [id F]
   |e [id G]
"""
    )
    assert debugprint(g, file="str", id_type="int").startswith("Elemwise{add,no_inplace} [id 0]\n |Elemwise{add,no_in")
    assert (
        debugprint(g, file="str", id_type="", stop_on_name=True)
        == """\
Elemwise{add,no_inplace}
 |Elemwise{add,no_inplace} 'C'
 |Elemwise{add,no_inplace}
   |d
   |e
"""
    )
    assert debugprint(g, file="str", id_type="", depth=2).count("\n") == 3
    assert (
        min_informative_str(g)
        == """\
A. Elemwise{add,no_inplace}
 B. C
 C. Elemwise{add,no_inplace}
  D. d
  E. e"""
    )


def test_debugprint_opens_shared_parts_once():
    y = X**2
    assert (
        debugprint(y * y, file="str", print_type=True)
        == """\
Elemwise{mul,no_inplace} [id A] <TensorType(float64, ())>
 |Elemwise{pow,no_inplace} [id B] <TensorType(float64, ())>
 | |x [id C] <TensorType(float64, ())>
 | |TensorConstant{2} [id D] <TensorType(int8, ())>
 |Elemwise{pow,no_inplace} [id B] <TensorType(float64, ())>
"""
    )


def test_debugprint_of_several_things(capsys):
    assert dprint([X + 1, Y], file="str").splitlines()[-1] == "y [id D]"
    buffer = io.StringIO()
    assert debugprint((X + 1).owner, file=buffer) is buffer and "Elemwise{add" in buffer.getvalue()
    debugprint(X)
    assert capsys.readouterr().out == "x [id A]\n"
    with pytest.raises(TypeError, match="debugprint takes"):
        debugprint("text")
    with pytest.raises(TypeError, match="id_type"):
        debugprint(X, id_type="hex", file="str")


@pytest.mark.parametrize(
    "expression, label",
    [
        (lambda: M.sum(0), "Sum{axis=[0], acc_dtype=float64}"),
        (lambda: M.max(), "Max"),
        (lambda: M.T, "InplaceDimShuffle{1,0}"),
        (lambda: M[None], "InplaceDimShuffle{x,0,1}"),
        (lambda: at.cast(X, "int8"), "Elemwise{Cast{int8}}"),
        (lambda: M.dot(M), "dot"),
        (lambda: M[0, 1:], "Subtensor{int64, int64::}"),
        (lambda: at.inc_subtensor(M[0], 1), "IncSubtensor{Inc;int64}"),
        (lambda: M.shape, "Shape"),
        (lambda: M.shape[1], "Shape_i{1}"),
        (lambda: M.flatten(), "Reshape{1}"),
        (lambda: at.zeros(3), "Alloc"),
        (lambda: at.arange(3), "ARange{dtype='int64'}"),
        (lambda: M.argmax(0), "Argmax{axis=0}"),
    ],
)
def test_labels_of_ops(expression, label):
    assert debugprint(expression(), file="str", id_type="").splitlines()[0] == label


class Twice(Op):
    __props__ = ()
    itypes = [TensorType("float64", ())]
    otypes = [TensorType("float64", ()), TensorType("float64", ())]


def test_user_ops_with_several_outputs():
    first, second = Twice()(X)
    assert pp(second) == "Twice.1(x)" and str(first) == "Twice.0"
    assert debugprint([first, second], file="str") == "Twice.0 [id A]\n |x [id B]\nTwice.1 [id A]\n"


def test_deep_graphs_print():
    y = X
    for _ in range(20_000):
        y = at.tanh(y)
    assert pp(y).startswith("tanh(tanh(") and pp(y).endswith(")" * 20_000)
    assert debugprint(y, file="str", depth=3).count("\n") == 3


def test_loops_show_their_bodies_below_the_tree():
    xs, w = at.dvector("xs"), at.dscalar("w")
    out, _ = gradc.scan(lambda x, h: w * h + x, sequences=xs, outputs_info=w, name="rnn")
    assert gradc.pp(out[-1]) == "scan{rnn}.1(Shape(xs)[0], xs, w, w)[-1]"
    text = gradc.dprint(gradc.ifelse(at.gt(w, 0), out[-1], w), file="str")
    assert text.startswith("if [id A]\n") and " | |scan{rnn}.1 [id F]\n" in text
    assert text.count("Inner graphs:") == 1 and "\nif [id A]" not in text
    assert text[text.index("Inner graphs:"):] == """Inner graphs:

scan{rnn} [id F]
 program (x: f64[], h: f64[], w: f64[]) ->
   v1: f64[] = mul(w, h)
   v2: f64[] = add(v1, x)
   return v2, v2
"""
