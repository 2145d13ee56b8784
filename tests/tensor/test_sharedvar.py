"""Shared variables: types, copies and borrowing, checks of new values."""

import copy
import pickle

import numpy as np
import pytest

import gradc.tensor as at
from gradc.errors import BadArgumentError, ShapeError
from gradc.ir.types import Generic, TensorType


@pytest.mark.parametrize(
    "value, dtype, ndim",
    [
        (1, "int64", 0),
        (1.0, "float64", 0),
        (True, "bool", 0),
        (1j, "complex128", 0),
        (np.float32(2), "float32", 0),
        (np.ones((2, 1)), "float64", 2),
        (np.zeros(0, "int8"), "int8", 1),
    ],
)
def test_type_of_a_shared_variable(value, dtype, ndim):
    s = at.shared(value, name="s")
    assert isinstance(s, at.TensorSharedVariable) and isinstance(s, at.TensorVariable)
    assert s.type == TensorType(dtype, (None,) * ndim) and s.name == "s"
    np.testing.assert_array_equal(s.get_value(), value)
    stored = s.container.storage[0]
    assert len(s.container.storage) == 1 and isinstance(stored, np.ndarray) and stored.flags.c_contiguous


def test_static_shape_on_request():
    assert at.shared(np.ones((2, 1)), shape=(None, 1)).type.shape == (None, 1)
    assert at.shared(np.ones((2, 1)), broadcastable=(False, True)).type.shape == (None, 1)
    with pytest.raises(ShapeError):
        at.shared(np.ones((2, 3)), shape=(None, 1))


def test_other_objects_are_generic():
    for thing in ([1, 2], "text", {"a": 1}, np.array(["a"])):
        s = at.shared(thing)
        assert s.type == Generic() and not isinstance(s, at.TensorVariable)
        assert s.get_value() is not s.container.storage[0] or isinstance(thing, str)
    with pytest.raises(TypeError, match="takes a value"):
        at.shared(at.dscalar("x"))


def test_values_are_copied_unless_borrowed():
    data = np.ones(3)
    copied, borrowed = at.shared(data), at.shared(data, borrow=True)
    data[0] = 5
    assert copied.get_value()[0] == 1 and borrowed.get_value()[0] == 5
    copied.get_value()[1] = 7
    assert copied.get_value()[1] == 1
    assert copied.get_value(borrow=True) is copied.container.storage[0]
    new = np.zeros(2)
    copied.set_value(new)
    new[0] = 9
    assert copied.get_value().tolist() == [0, 0]
    copied.set_value(new, borrow=True)
    assert np.shares_memory(copied.get_value(borrow=True), new)
    copied.zero()
    assert copied.get_value().tolist() == [0, 0]


def test_not_contiguous_values():
    s = at.shared(np.ones((3, 4)).T, borrow=True)
    assert s.container.storage[0].flags.c_contiguous
    s.set_value(np.arange(12.0).reshape(3, 4)[::2, ::-1])
    assert s.container.storage[0].flags.c_contiguous and s.get_value()[0, 0] == 3
    s.set_value(np.ones((2, 2), dtype=">f8"))
    assert s.container.storage[0].dtype.isnative


def test_new_values_are_checked():
    s = at.shared(np.ones(3, "float32"), name="w")
    for bad in (np.ones((2, 2), "float32"), np.ones(3), "text", np.ones(3, complex)):
        with pytest.raises(BadArgumentError, match="shared variable w"):
            s.set_value(bad)
    assert s.get_value().tolist() == [1, 1, 1]
    s.set_value([1.5, 2.5])
    assert s.get_value().dtype == "float32"
    at.shared(np.ones(3, "float32"), allow_downcast=True).set_value(np.ones(2))
    with pytest.raises(BadArgumentError, match=r"cast it, or make the variable with shared\(..., allow_d.*=True\)$"):
        s.set_value(np.ones(3))
    with pytest.raises(BadArgumentError, match="strict"):
        at.shared(np.ones(3), strict=True).set_value(np.ones(3, "float32"))
    k = at.shared(1)
    k.set_value(5)
    with pytest.raises(TypeError):
        k.set_value(0.5)


def test_copies_have_their_own_value():
    s = at.shared(np.ones(2), name="w")
    s.default_update = s + 1
    clone = s.clone()
    assert clone.container is s.container and clone.name == "w" and clone.default_update is s.default_update
    twin = copy.deepcopy(s)
    twin.set_value(np.zeros(2))
    again = pickle.loads(pickle.dumps(s))
    again.set_value(np.zeros(2))
    assert s.get_value().tolist() == [1, 1] and again.name == twin.name == "w"


def test_in_expressions():
    s = at.shared(2.0)
    assert (s * 3).owner.inputs[0] is s and s.ndim == 0
