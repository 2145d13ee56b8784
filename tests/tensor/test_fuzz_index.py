"""Random indices, and functions of positions and of order: values and errors are NumPy's, gradients are scatters.

An expression is a text that NumPy and gradc evaluate, each with arrays of its own by the same names.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import GradcError
from gradc.gradient import grad
from tests.seeds import seeds

MOVES = ("x[", "np.take(", "np.take_along_axis(x, i", "np.repeat(")      # elements of x, to elsewhere


class Draw:
    """Names, arrays, and expressions that are made of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.arrays: dict[str, np.ndarray] = {}
        self.name("x", self.rng.permutation(np.arange(24.0)).reshape(2, 3, 4) - 9)
        self.name("v", self.rng.permutation(np.arange(7.0)))
        self.name("k", self.rng.integers(-3, 4, 9))

    def name(self, letter: str, array: np.ndarray) -> str:
        name = letter if letter not in self.arrays else f"{letter}{len(self.arrays)}"
        self.arrays[name] = array
        return name

    def positions(self, size: int, shape: tuple[int, ...]) -> str:
        """An array of positions, one in ten out of bounds; half of the time a variable."""
        high = size + (self.random.random() < 0.1)
        array = self.rng.integers(-size, high, shape).astype(self.random.choice(("int64", "int64", "int32", "int8")))
        return self.name("i", array) if self.random.random() < 0.6 else repr(array.tolist())

    def entry(self, axes: list[int], shape: tuple[int, ...]) -> tuple[str, int]:
        """One entry for the axes of these sizes, and for how many of them it stands."""
        n = axes[0] if axes else 0
        kind = self.random.choice(("array", "array", "array", "int", "slice", "slice", "mask", "scalar", "new", "all"))
        if kind == "new" or not axes:
            return self.random.choice(("None", "True", self.name("m", np.array(True)))), 0
        if kind == "mask":
            rank = self.random.randint(1, len(axes))
            mask = self.rng.random(axes[:rank]) < 0.5
            mask.flat[:2] = True        # one would repeat in NumPy, but that it is one only the run knows
            return (self.name("m", mask) if self.random.random() < 0.7 else repr(mask.tolist())), rank
        if kind == "array":
            return self.positions(n, shape[self.random.randint(0, len(shape)):] or shape), 1
        if kind == "int":
            return str(self.random.randint(-n, n - 1)), 1
        if kind == "scalar":
            return self.positions(n, ()), 1
        if kind == "slice":
            return ":".join(self.random.choice(("", str(self.random.randint(-n, n)))) for _ in range(2)), 1
        return ":", 1

    def index(self) -> str:
        shape = tuple(self.random.choice(((2,), (3,), (2, 3), (3, 1), (0,))))
        axes, entries = [2, 3, 4], []
        while axes and len(entries) < 4:
            text, used = self.entry(axes, shape)
            entries.append(text)
            axes = axes[used:]
            if axes and self.random.random() < 0.2:
                break
        if axes and self.random.random() < 0.3:
            entries.append("...")
        return ", ".join(entries)

    def function(self) -> str:
        axis = self.random.choice(("0", "1", "-1"))
        n = (2, 3, 4)[int(axis)]
        which = self.random.choice(("take", "take", "along", "sort", "part", "search", "unique", "repeat", "choose"))
        if which == "take":
            mode, axis = self.random.choice(("raise", "wrap", "clip")), self.random.choice((axis, "None"))
            bound = 40 if mode != "raise" else 24 if axis == "None" else n
            return f"np.take(x, {self.positions(bound, (3, 2))}, {axis}, mode='{mode}')"
        if which == "along":
            shape = [2, 3, 4]
            shape[int(axis)] = self.random.choice((2, 5))
            return f"np.take_along_axis(x, {self.name('i', self.rng.integers(-n, n, shape))}, {axis})"
        if which == "sort":
            order, axis = self.random.choice(("sort", "argsort")), self.random.choice(("0", "-1", "None"))
            return f"np.{order}({self.random.choice('xvk')}, {axis}, kind='stable')"
        if which == "part":                 # in which order the elements of a part stand is not NumPy's
            kth, order = self.random.randint(0, n - 1), self.random.choice(("partition(x", "argpartition(x"))
            made = f"np.{order}, {self.random.choice((kth, kth - n))}, {axis})"
            made = f"np.take_along_axis(x, {made}, {axis})" if order == "argpartition(x" else made
            part = self.random.choice((f":{kth}", f"{kth}:{kth + 1}", f"{kth + 1}:"))
            return f"np.sort(np.swapaxes({made}, {axis}, -1)[..., {part}])"
        if which == "search":
            side = self.random.choice(("left", "right"))
            return f"np.searchsorted(np.sort({self.random.choice('vk')}), {self.random.choice('xk')}, side='{side}')"
        if which == "unique":
            return f"np.unique(k, return_inverse=True, return_counts=True)[{self.random.randint(0, 2)}]"
        if which == "repeat":
            return f"np.repeat(x, {self.name('i', self.rng.integers(0, 4, n))}, {axis})"
        return f"np.choose({self.positions(2, (4,))}, [v[:4], k[:4]], mode='{self.random.choice(('wrap', 'clip'))}')"

    def variables(self) -> dict[str, Any]:
        """Sizes of 1 are static, as they must be; of others some are."""
        return {name: at.tensor(name=name, dtype=x.dtype.name, shape=[
            n if n == 1 or self.random.random() < 0.2 else None for n in x.shape]) for name, x in self.arrays.items()}


def numpys(text: str, arrays: dict[str, Any]) -> np.ndarray | None:
    try:
        return np.asarray(eval(text, {"np": np} | arrays))
    except (IndexError, ValueError):
        return None


def agrees(seed: int, count: int = 16) -> None:
    """Values in C and in the interpreter; for what NumPy refuses, an error; gradients of moves; parts changed."""
    draw = Draw(seed)
    indices = [draw.index() for _ in range(count)]
    texts = [f"x[{index}]" for index in indices] + [draw.function() for _ in range(count)]
    variables, arrays = draw.variables(), draw.arrays
    wants = {text: numpys(text, arrays) for text in texts}
    outputs: list[Any] = []
    rights: list[tuple[str, np.ndarray]] = []
    for text, want in wants.items():
        if want is None:
            with pytest.raises(GradcError):
                f = gradc.function(list(variables.values()), eval(text, {"np": np} | variables), mode="interpret",
                                   on_unused_input="ignore")
                pytest.fail(f"{text}: {f(*arrays.values())}")
            continue
        made = eval(text, {"np": np} | variables)
        outputs.append(made)
        rights.append((text, want))
        if not text.startswith(MOVES):
            continue
        weights = np.cos(np.arange(want.size)).reshape(want.shape)
        outputs.append(grad((made * weights).sum(), variables["x"]))
        source = np.asarray(eval(text, {"np": np} | arrays | {"x": np.arange(24).reshape(2, 3, 4)}))
        slope = np.zeros(24)
        np.add.at(slope, source.ravel(), weights.ravel())
        rights.append((f"gradient of {text}", slope.reshape(2, 3, 4)))
        for mode in ("set", "inc") if text.startswith("x[") else ():
            outputs.append(getattr(made, mode)(weights))
            changed = arrays["x"].copy()
            key = eval(f"np.index_exp[{text[2:-1]}]", {"np": np} | arrays)
            if mode == "inc":
                np.add.at(changed, key, weights)
            else:
                changed[key] = weights
            rights.append((f"{text}.{mode}", changed))
    with gradc.config.change_flags(cc_flags="-O0"):
        for mode in ("interpret", "c"):
            f = gradc.function(list(variables.values()), outputs, mode=mode, on_unused_input="ignore")
            for (text, want), got in zip(rights, f(*arrays.values())):
                np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12, strict=True, err_msg=f"{text} in {mode}")


@pytest.mark.parametrize("seed", range(2))
def test_numpys_values(seed: int) -> None:
    agrees(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(2, 3, 200))
def test_numpys_values_at_length(seed: int) -> None:
    agrees(seed)
